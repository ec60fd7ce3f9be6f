"""Workers forked from a process that has imported all they need: a start costs 0.2 s of CPU instead of 1.9."""

import atexit
import contextlib
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
POLL_S = 0.02


class Forks:
    """One process that forks workers of one agent, and tells how they ended; it ends with us.

    Args:
        agent: Whose modules it imports, before anybody asks.
    """

    def __init__(self, agent: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), agent, "forks"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        environ = {**kept, "PYTHONPATH": str(CHECKOUT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=environ, cwd=CHECKOUT, **pipes)
        self._lock = threading.Lock()

    def start(self, slot: int, environ: dict[str, str], log: Path) -> "Forked":
        """Start a worker; what it prints is appended to ``log``."""
        return Forked(self, self.ask({"slot": slot, "environ": environ, "log": str(log)}))

    def ask(self, question: dict) -> int | None:
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # an interrupted run has ended it already
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@functools.cache
def forks_of(agent: str) -> Forks:
    """The one process of this test process that forks an agent's workers."""
    forks = Forks(agent)
    atexit.register(forks.close)
    return forks


class Forked:
    """A forked worker, to be used like ``subprocess.Popen``."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid = pid
        self._forks = forks
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:  # asked twice, nobody would know how it ended
            if self.returncode is None:
                self.returncode = self._forks.ask({"ended": self.pid})
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["worker", str(self.pid)], timeout)
            time.sleep(POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # its id is nobody else's before we have asked how it ended
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def forked_slot() -> int:
    """Fork a child for every start that is asked for; returns in children only: the slot of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with its asker, not before
    gc.freeze()
    for line in sys.stdin:
        question = json.loads(line)
        answer = _ended(question["ended"]) if "ended" in question else os.fork()
        if answer == 0 and "slot" in question:
            _become(question["environ"], question["log"])
            return question["slot"]
        print(json.dumps(answer), flush=True)
    sys.exit()


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _become(environ: dict[str, str], log: str) -> None:
    """Make the child what it would be had it been started by itself."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environ)
    nothing, told = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((nothing, 0), (told, 1), (told, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(told)
