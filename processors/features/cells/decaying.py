"""Rates that fade: what happened lately counts most."""

from collections.abc import Sequence
from math import log

from processors.features.cells.cell import Moment, Value
from processors.features.cells.exact_sums import grow, total

Kept = list[list[float]]
"""One list a tile: where it begins, microseconds, then the exact sum of its weights as seen from there."""

REACH = 64
"""Half-lives after which a value weighs less than a float can tell beside new ones, and is let go."""


class DecayedRateCell:
    """Events, or the sum of a number of them, per span of time: each weighs half as much after every half-life.

    In a steady stream it is the stream's rate.

    Args:
        half_life_us: Microseconds.
        per_us: Span it is told per, microseconds.

    Example:
        >>> cell = DecayedRateCell(half_life_us=1_000_000, per_us=1_000_000)
        >>> kept = cell.add(None, 1.0, (0, "a"), 0)
        >>> cell.value(kept, 0) == log(2), cell.value(kept, 1_000_000) == log(2) / 2, cell.value(None, 0)
        (True, True, 0.0)
    """

    numeric = True

    def __init__(self, *, half_life_us: int, per_us: int) -> None:
        self._half_life_us = half_life_us
        self._scale = log(2) * per_us / half_life_us

    def add(self, partial: Kept | None, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        begin, *sums = partial[0] if partial else (begin_us,)
        return [[begin, *grow(sums, self._weighed(value, moment, begin_us))]]

    def remove(self, partial: Kept, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        begin, *sums = partial[0]
        return [[begin, *grow(sums, -self._weighed(value, moment, begin_us))]]

    def merge(self, partials: Sequence[Kept]) -> Kept:
        """See ``Cell``."""
        return [tile for one in partials for tile in one]

    def read(self, partials: Sequence[Kept], at_us: int) -> Value | None:
        """See ``Cell``."""
        return self.value(self.merge(partials), at_us)

    def value(self, partial: Kept | None, at_us: int) -> Value | None:
        """See ``Cell``; 0.0 for none."""
        tiles = sorted(partial or ())
        faded = (total(sums) * 2.0 ** ((begin - at_us) / self._half_life_us) for begin, *sums in tiles)
        return total(faded) * self._scale

    def _weighed(self, value: Value, moment: Moment, begin_us: int) -> float:
        weight: float = 2.0 ** ((moment[0] - begin_us) / self._half_life_us)
        return float(value) * weight
