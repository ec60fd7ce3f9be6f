"""Named crash points: where tests kill the process, to prove that nothing is lost there."""

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
    "work_after_commit",
)


def crash_points(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return what is called at each crash point: nothing, unless the environment names one.

    Args:
        environ: ``MILLRACE_CRASH_AT=NAME`` or ``NAME:N`` kills at the Nth passing (SIGKILL).

    Raises:
        ValueError: If it names no crash point.
    """
    setting = environ.get(VARIABLE)
    if not setting:
        return _pass
    name, _, count = setting.partition(":")
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}={name}: no such crash point; known: {', '.join(POINTS)}")
    return _Killer(name, int(count or 1))


def _pass(_: str) -> None:
    return


class _Killer:
    def __init__(self, name: str, passings: int) -> None:
        self._name = name
        self._left = passings

    def __call__(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
