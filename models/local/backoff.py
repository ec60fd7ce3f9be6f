"""How long a process that fell is left alone."""

LONGEST_S = 60.0


class Backoff:
    """Doubles with every fall, from one second to a minute; one success forgets all.

    Example:
        >>> backoff = Backoff()
        >>> backoff.fell(now=100.0), backoff.fell(now=103.0), backoff.left_s(now=104.0)
        (1.0, 2.0, 1.0)
        >>> backoff.stood()
        >>> backoff.left_s(now=104.0)
        0.0
    """

    def __init__(self) -> None:
        self._falls = 0
        self._until_s = float("-inf")

    def fell(self, now: float) -> float:
        """Return how long to wait before the next start, seconds."""
        wait_s = min(LONGEST_S, 2.0**self._falls)
        self._falls += 1
        self._until_s = now + wait_s
        return wait_s

    def stood(self) -> None:
        """It did what it is for."""
        self._falls, self._until_s = 0, float("-inf")

    def left_s(self, now: float) -> float:
        """Return how long it is to be left alone from now, seconds."""
        return max(0.0, self._until_s - now)
