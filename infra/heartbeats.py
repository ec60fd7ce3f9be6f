"""Files in which worker processes and their supervisor say that they live, under ``MILLRACE_HOME/run``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from infra.errors import InfraError
from schemas.heartbeats import Heartbeat, Supervision

STALE_S = 15.0
"""A process that has not written for so long is stopped, stuck or gone."""

R = TypeVar("R", bound=msgspec.Struct)


class HeartbeatUnreadable(InfraError):
    """A heartbeat file is damaged or written by another version.

    Args:
        path: The file.
        why: What the reader said.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the heartbeat file {path} cannot be read: {why}", "Delete it; who lives writes it again.")
        self.path = path


def write_heartbeat(home: Path, heartbeat: Heartbeat) -> None:
    """Replace one worker's file as a whole, so that no reader ever sees half of it.

    Raises:
        OSError: If the folder cannot be written.
    """
    replace_record(heartbeat_path(home, heartbeat.agent, heartbeat.slot), heartbeat)


def write_supervision(home: Path, supervision: Supervision) -> None:
    """Replace the supervisor's file as a whole.

    Raises:
        OSError: If the folder cannot be written.
    """
    replace_record(_folder(home) / "supervisor.json", supervision)


def read_heartbeats(home: Path, damaged: Callable[[HeartbeatUnreadable], None] | None = None) -> list[Heartbeat]:
    """Read every worker's file, by agent and slot; empty when nothing ever ran.

    Args:
        home: ``MILLRACE_HOME``.
        damaged: Told of each damaged file, which is then left out.

    Raises:
        HeartbeatUnreadable: If a file is damaged, and nobody is to be told.
    """
    beats = []
    for path in _folder(home).glob("*-*.json"):
        try:
            beats.append(read_record(path, Heartbeat))
        except HeartbeatUnreadable as error:
            if damaged is None:
                raise
            damaged(error)
    return sorted((beat for beat in beats if beat is not None), key=lambda beat: (beat.agent, beat.slot))


def read_supervision(home: Path) -> Supervision | None:
    """Read the supervisor's file, if it ever wrote one.

    Raises:
        HeartbeatUnreadable: If the file is damaged.
    """
    return read_record(_folder(home) / "supervisor.json", Supervision)


def alive(beat: Heartbeat | Supervision, now: float) -> bool:
    """Tell whether the process that wrote this still runs: heard of lately, and its process id in use.

    Args:
        beat: What it last wrote.
        now: Unix seconds.
    """
    return now - beat.at < STALE_S and _in_use(beat.pid)


def heartbeat_path(home: Path, agent: str, slot: int) -> Path:
    """Name the file of one worker.

    Example:
        >>> heartbeat_path(Path(".millrace"), "digest", 0).as_posix()
        '.millrace/run/digest-0.json'
    """
    return _folder(home) / f"{agent}-{slot}.json"


def _folder(home: Path) -> Path:
    return home / "run"


def replace_record(path: Path, record: msgspec.Struct) -> None:
    """Replace a file by a record as a whole, so that no reader ever sees half of it.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(path)


def read_record(path: Path, record: type[R]) -> R | None:
    """Read such a file; none where it is not, or not any more.

    Raises:
        HeartbeatUnreadable: If it is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except FileNotFoundError:  # never written, or removed by a worker that just stopped
        return None
    except msgspec.MsgspecError as error:
        raise HeartbeatUnreadable(path, str(error)) from error


def _in_use(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but running
        return True
    return True
