"""How an agent is, as its processes and their supervisor tell: its state, and why nothing comes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.heartbeats import alive
from schemas.heartbeats import Heartbeat, Supervision

State = Literal["down", "stopped", "stuck", "restarting", "waiting", "starting", "late", "ok"]
"""Worst first."""

STATES: tuple[State, ...] = ("down", "stopped", "stuck", "restarting", "waiting", "starting", "late", "ok")
FAILING: frozenset[State] = frozenset(("down", "stopped", "stuck", "restarting"))

LATE_S = 60.0
"""Results older than this are late."""

BATCH_LIMIT_S = 45.0


@dataclass(frozen=True, slots=True)
class Run:
    """What an agent's processes say."""

    beats: Sequence[Heartbeat]
    living: Sequence[Heartbeat]
    expected: int | None = None  # processes a living supervisor keeps
    restarts: int | None = None
    last_exit: int | None = None  # exit status of the last process that died; negative = the signal that killed it
    refusal: str | None = None  # why one of its processes refuses to run

    @property
    def seen(self) -> bool:
        """Whether anybody ever worked for the agent under this home, or is to."""
        return bool(self.beats or self.expected)

    @property
    def failing(self) -> Heartbeat | None:
        """The newest word of a living process on work that fails; its processes share a store, so one is enough."""
        newest = max(self.living, key=lambda beat: beat.at, default=None)
        return newest if newest is not None and newest.work_failing else None


def run_of(agent: str, beats: Iterable[Heartbeat], supervision: Supervision | None, now: float) -> Run:
    """Pick what one agent's processes and a living supervisor say of them."""
    mine = [beat for beat in beats if beat.agent == agent]
    living = [beat for beat in mine if alive(beat, now)]
    if supervision is None or not alive(supervision, now):
        return Run(mine, living)
    children = [child for child in supervision.children if child.agent == agent]
    last_exit = next((child.last_exit for child in children if child.restarts), None)
    refusal = next((child.refusal for child in children if child.refusal), None)
    return Run(mine, living, len(children), sum(child.restarts for child in children), last_exit, refusal)


def agent_state(run: Run, behind_s: float | None, now: float) -> State:
    """Name the state of one agent from its processes; one bad process among good ones counts.

    Work that fails is told apart by what helps: an endpoint that is left alone needs somebody (stuck), a few
    tries may do while nothing else is to be done (waiting), and what should have been done by now is late.
    """
    if run.refusal is not None:
        return "restarting"
    if run.expected is not None and len(run.living) < run.expected:
        return "restarting" if run.restarts else "starting"
    if not run.living:
        return "stopped" if run.beats and all(beat.state == "stopping" for beat in run.beats) else "down"
    if any(beat.batch_started_at and now - beat.batch_started_at > BATCH_LIMIT_S for beat in run.living):
        return "stuck"
    states = {beat.state for beat in run.living}
    if states & {"waiting_for_broker", "waiting_for_database"}:
        return "waiting"
    if states != {"running"}:
        return "starting"
    late = behind_s is not None and behind_s > LATE_S
    return _working_state(run, now) or ("late" if late else "ok")


def _working_state(run: Run, now: float) -> State | None:
    failing = run.failing
    if failing is None:
        return None
    if failing.work_failing * 2 > failing.work_depth:  # most of what waits: nothing is coming of it
        return "stuck" if any(beat.circuits for beat in run.living) else "waiting"
    return "late" if failing.work_due_at is not None and now > failing.work_due_at else None


def why_nothing_comes(run: Run, *, working: bool) -> str | None:
    """Say why results of an agent do not come, if anything tells.

    Args:
        run: What its processes say.
        working: Whether they wait for work; otherwise it does not matter that some of it fails.
    """
    if run.refusal is not None:
        return f"it refuses to run: {run.refusal}"
    if working and run.failing is not None:
        return run.failing.work_error
    return next((beat.last_error for beat in run.beats if beat.last_error), None)
