"""How many reviews are younger than 30 days, counted back from the newest one."""

from array import array
from bisect import bisect_right, insort
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

WINDOW_S: Final = 30 * 86_400.0


class RecentReviews:
    """Exact count of the reviews in the 30 days before the newest, whatever order they arrive in.

    Keeps the times inside the window only: the newest time never goes back, so what leaves never returns.

    Example:
        >>> recent = RecentReviews()
        >>> for day in (1, 40, 20, 5):
        ...     recent.add(86_400.0 * day)
        >>> recent.count
        2
    """

    def __init__(self, times_s: Iterable[float] = ()) -> None:
        self._times_s = array("d", sorted(times_s))
        self._trim()

    @property
    def count(self) -> int:
        """Reviews less than 30 days older than the newest one."""
        return len(self._times_s)

    def add(self, time_s: float) -> None:
        """Count one review by its time in unix seconds."""
        insort(self._times_s, time_s)
        self._trim()

    def _trim(self) -> None:
        if self._times_s and self._times_s[0] <= self._times_s[-1] - WINDOW_S:
            del self._times_s[: bisect_right(self._times_s, self._times_s[-1] - WINDOW_S)]


def unix_s(at: datetime) -> float:
    """Return unix seconds of a time with a zone; one without is taken as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
