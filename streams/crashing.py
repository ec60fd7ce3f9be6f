"""Named crash points: where tests stop the process, to prove that nothing is lost there."""

import os
import signal
from collections.abc import Callable, Mapping

VARIABLE = "MILLRACE_CRASH_AT"

POINTS = (
    "after_decide",
    "in_transaction",
    "after_commit",
    "after_publish",
    "after_delete",
    "before_done",
    "timer_in_transaction",
    "timer_after_commit",
    "work_after_call",
    "work_in_transaction",
    "work_after_commit",
    "fill_in_transaction",
    "fill_after_commit",
)


def crash_points(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return what is called at each crash point: it does nothing, unless the environment names one.

    Args:
        environ: ``MILLRACE_CRASH_AT=NAME``, ``NAME:N`` for the Nth passing, or ``NAME:N:STOP`` to
            freeze the process (SIGSTOP) instead of killing it (SIGKILL).

    Raises:
        ValueError: If it names no crash point.
    """
    setting = environ.get(VARIABLE)
    if not setting:
        return lambda _: None
    given = setting.split(":")
    name, passing, action = given + ["", "1", "KILL"][len(given) :]
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}={name}: no such crash point; known: {', '.join(POINTS)}")
    return _Crash(name, int(passing), signal.Signals[f"SIG{action}"])


class _Crash:
    def __init__(self, name: str, passing: int, number: signal.Signals) -> None:
        self._name = name
        self._left = passing
        self._number = number

    def __call__(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._number)
