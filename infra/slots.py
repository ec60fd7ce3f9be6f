"""Places of worker processes: one process a slot, and a name no other machine gives.

Two members of one name would throw each other out of their consumer group again and again: nothing would
be counted twice, but partitions would never rest.

Errors:
    InfraError
    └── SlotTaken  another process is this worker
"""

import fcntl
import hashlib
import os
import socket
from pathlib import Path
from typing import IO

from infra.errors import InfraError


class SlotTaken(InfraError):
    """Another process is this worker.

    Args:
        agent: Whose worker.
        slot: Which of them.
        process: The other one's id, as it wrote it down.
    """

    def __init__(self, agent: str, slot: int, process: str) -> None:
        remedy = "Stop that one first: millrace down. More workers of one agent: millrace worker AGENT --workers N."
        super().__init__(f"worker {slot} of {agent} runs already, as process {process}", remedy)


def take_slot(home: Path, agent: str, slot: int) -> IO[str]:
    """Be the one worker of a slot for as long as the returned file is open; a process that dies frees it.

    Args:
        home: ``MILLRACE_HOME``.
        agent: Whose worker.
        slot: Which of them, from 0.

    Raises:
        SlotTaken: If another process is.
        OSError: If the folder cannot be written.
    """
    path = home / "run" / f"{agent}-{slot}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with lock:
            lock.seek(0)
            raise SlotTaken(agent, slot, lock.read()) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def slot_name(home: Path, agent: str, slot: int) -> str:
    """Name a slot alike at every start, and unlike any slot of another home or machine.

    Example:
        >>> name = slot_name(Path("a"), "digest", 0)
        >>> name.startswith("digest-0-"), name == slot_name(Path("a"), "digest", 0)
        (True, True)
        >>> name == slot_name(Path("b"), "digest", 0)
        False
    """
    place = f"{socket.gethostname()}:{home.resolve()}"
    return f"{agent}-{slot}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
