"""Leave an endpoint alone that fails again and again."""

import math
from typing import Final

SOON: Final = 10
"""A call that meets another one's try is asked to come back after this part of an open circuit's time."""


class Breaker:
    """The circuit breaker of one endpoint.

    Closed: every call is let through. After some failures in a row it opens, and calls are held back. Then it is half
    open: one call is let through to try; when that goes well the circuit closes, otherwise it stays open as long again.
    Who asks while the try is out is told to come back soon. A try that never comes back holds nobody up for longer
    than an open circuit does, and one that did not reach the endpoint leaves its turn to the next.

    Args:
        failures: In a row, that open it; at least 1.
        open_s: How long it stays open, seconds.

    Example:
        >>> breaker = Breaker(failures=2, open_s=30.0)
        >>> breaker.fail(now=0.0), breaker.admit(now=1.0), breaker.fail(now=2.0)
        (False, None, True)
        >>> breaker.admit(now=12.0)
        20.0
        >>> breaker.admit(now=32.0), breaker.admit(now=33.0)  # the first may try
        (None, 3.0)
        >>> breaker.succeed()
        >>> breaker.admit(now=34.0), breaker.open_until
        (None, None)
    """

    def __init__(self, failures: int, open_s: float) -> None:
        self._limit = failures
        self._open_s = open_s
        self._failures = 0
        self.open_until: float | None = None
        """When the next call may try, unix seconds; none while it is closed."""
        self._trying = False

    def admit(self, now: float) -> float | None:
        """Ask whether a call may be made.

        Args:
            now: Unix seconds.

        Returns:
            None if it may; otherwise how long to wait before asking again, seconds.
        """
        if self.open_until is None:
            return None
        if now < self.open_until:
            return min(self.open_until - now, self._open_s / SOON if self._trying else math.inf)
        self.open_until, self._trying = now + self._open_s, True
        return None

    def miss(self, now: float) -> None:
        """Take back a try that did not reach the endpoint: it showed nothing, and the next call may try.

        Args:
            now: Unix seconds.
        """
        if self._trying and self.open_until is not None:
            self.open_until, self._trying = min(self.open_until, now), False

    def succeed(self) -> None:
        """Close it: the endpoint answered, whatever it said."""
        self._failures = 0
        self.open_until, self._trying = None, False

    def fail(self, now: float) -> bool:
        """Count a failure of the endpoint; tells whether that opened the closed circuit.

        Args:
            now: Unix seconds.
        """
        self._failures += 1
        if self._failures < self._limit:
            return False
        opened = self.open_until is None
        self.open_until, self._trying = now + self._open_s, False
        return opened
