"""Processes that outlive the command that started them, found again through a small file.

A process id alone is not enough: after a reboot, or a week, the number belongs to somebody
else. The file keeps the process's start time beside it, and what does not match is not ours.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from infra.errors import LocalStackFailed

POLL_S = 0.05


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A process we started."""

    pid: int
    started: str  # as the system tells it; compared, never read


class Process:
    """One long-running program of the local stack, with its pid file and its log.

    Args:
        name: What people call it.
        pid_file: Where its process is remembered.
        log_file: Where its output goes, appended.
    """

    def __init__(self, name: str, pid_file: Path, log_file: Path) -> None:
        self.name = name
        self.pid_file = pid_file
        self.log_file = log_file
        self._child: subprocess.Popen[bytes] | None = None  # only in the process that started it

    def running(self) -> Running | None:
        """Return the process if it still runs and is the one we started."""
        if self._child is not None:
            self._child.poll()  # a child nobody waits for stays a zombie
        try:
            known = msgspec.json.decode(self.pid_file.read_bytes(), type=Running)
        except (FileNotFoundError, msgspec.MsgspecError):  # half a file: its writer died before it started anything
            return None
        return known if start_time(known.pid) == known.started else None

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it in a session of its own, so that it outlives us and our terminal's Ctrl-C.

        Raises:
            LocalStackFailed: If it ends at once.
        """
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environ), start_new_session=True
            )
        started = start_time(self._child.pid)
        if started is None:
            raise LocalStackFailed(f"{self.name} ended at once", f"Its log is {self.log_file}.")
        replacement = self.pid_file.with_suffix(".new")
        replacement.write_bytes(msgspec.json.encode(Running(pid=self._child.pid, started=started)))
        replacement.replace(self.pid_file)

    def stop(self, patience_s: float) -> bool:
        """Ask it to end, and end it when it does not.

        Args:
            patience_s: Seconds between SIGTERM and SIGKILL.

        Returns:
            Whether there was anything to stop.

        Raises:
            LocalStackFailed: If it survives SIGKILL for 10 s.
        """
        running = self.running()
        if running is None:
            self._forget()
            return False
        _signal(running.pid, signal.SIGTERM)
        if not _ended(running, patience_s):
            _signal(running.pid, signal.SIGKILL)
            if not _ended(running, 10.0):
                raise LocalStackFailed(f"{self.name} (process {running.pid}) cannot be stopped", "Restart the machine.")
        self._forget()
        return True

    def kill(self) -> None:
        """End it without any warning, as a crash would."""
        running = self.running()
        if running is not None:
            _signal(running.pid, signal.SIGKILL)
            _ended(running, 10.0)
            self._forget()

    def ending(self) -> str:
        """Tell how it ended, as far as we can know."""
        if self._child is None or self._child.poll() is None:
            return "exit code unknown"
        return f"exit code {self._child.returncode}"

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
        self.pid_file.unlink(missing_ok=True)


def start_time(pid: int) -> str | None:
    """Tell when a process started, in the system's own notation; none if it is gone or a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():  # not Linux
        told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
        return told.stdout.strip() or None
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    ended = fields[0] in "ZX" and int(fields[17]) <= 1  # a killed process whose threads still die holds its ports
    return None if ended else fields[19]


@contextlib.contextmanager
def exclusively(lock_file: Path) -> Iterator[None]:
    """Let one process at a time do what follows; others wait."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _ended(running: Running, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while start_time(running.pid) == running.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
