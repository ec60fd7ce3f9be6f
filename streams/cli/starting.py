"""Workers that have just been started: awaited until each runs, says what it waits for, or cannot run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.errors import LocalStackFailed
from infra.heartbeats import read_heartbeats, read_supervision
from infra.settings import Settings
from schemas.heartbeats import Child, Heartbeat
from streams.cli.stack import Tell, workers

START_S = 60.0
"""How long workers may take until they are not waited for any more: models load, and machines are busy."""

FALLS = 2
"""A worker that ended so often and does not run will not run by itself."""

LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Start:
    """How far one worker has come."""

    agent: str
    how: Literal["starting", "running", "waiting", "failing"]
    told: str = ""


def await_agents(settings: Settings, tell: Tell) -> Sequence[str]:
    """Wait until no worker is about to start any more, and tell how the agents are.

    Args:
        settings: Where they say so.
        tell: Told one thing a part.

    Returns:
        The agents of which a worker cannot run.

    Raises:
        LocalStackFailed: If their supervisor ends.
    """
    deadline = time.monotonic() + START_S
    while True:
        starts = _look(settings)
        if (starts and all(one.how != "starting" for one in starts)) or time.monotonic() > deadline:
            break
        time.sleep(LOOK_S)
    for one in starts:
        if one.told:
            tell(one.agent, one.told)
    odd = {one.agent for one in starts if one.how != "running"}
    well = [agent for agent in dict.fromkeys(one.agent for one in starts) if agent not in odd]
    if well:
        tell("running", ", ".join(well))
    return list(dict.fromkeys(one.agent for one in starts if one.how == "failing"))


def start_of(child: Child, beats: Mapping[int, Heartbeat]) -> Start:
    """Say how far one worker has come.

    Args:
        child: The worker as its supervisor sees it.
        beats: What workers say, by their process ids.
    """
    beat = None if child.pid is None else beats.get(child.pid)
    if child.refusal is not None:
        return Start(child.agent, "failing", f"refuses to run: {child.refusal}")
    if beat is not None and beat.state == "running":
        return Start(child.agent, "running")
    if beat is not None and beat.state.startswith("waiting") and beat.last_error is not None:
        return Start(child.agent, "waiting", f"waits: {beat.last_error}")
    if child.restarts >= FALLS:
        told = f"ended {child.restarts} times, last with exit code {child.last_exit}: its log says why"
        return Start(child.agent, "failing", told)
    return Start(child.agent, "starting", "still starts: see millrace status")


def _look(settings: Settings) -> Sequence[Start]:
    """Look at every worker; empty while their supervisor has said nothing yet."""
    process = workers(settings)
    running = process.running()
    if running is None:
        raise LocalStackFailed("the workers' supervisor ended by itself", f"Its log is {process.log_file}.")
    told = read_supervision(settings.home)
    if told is None or told.pid != running.pid:
        return ()
    beats = {beat.pid: beat for beat in read_heartbeats(settings.home)}
    return [start_of(child, beats) for child in told.children]
