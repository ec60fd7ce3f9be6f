"""Quantiles within a relative error: DDSketch, whose buckets can be added, taken back and put together.

Source: Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees"
(2019). The mapping of numbers to buckets is that of the ``ddsketch`` library.
"""

from collections.abc import Sequence

from ddsketch.mapping import LogarithmicMapping

from processors.features.cells.cell import Moment, Value

Buckets = dict[int, int]
Kept = list[Buckets]
"""Counts of the buckets of negative numbers, of 0, and of positive ones."""


class QuantileCell:
    """A quantile of numbers: at most ``error`` away from it, as a share of it.

    Args:
        q: 0 for the smallest, .5 for the median, 1 for the largest.
        error: Relative, above 0 and below 1.

    Example:
        >>> cell, kept = QuantileCell(q=0.5, error=0.01), None
        >>> for number in range(1, 102):
        ...     kept = cell.add(kept, number, (0, ""), 0)
        >>> abs(cell.value(kept, 0) / 51 - 1) <= 0.01
        True
    """

    numeric = True

    def __init__(self, *, q: float, error: float) -> None:
        self._q = q
        self._mapping = LogarithmicMapping(relative_accuracy=error)

    def add(self, partial: Kept | None, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        kept = [{}, {}, {}] if partial is None else partial
        side, bucket = self._place(value)
        kept[side][bucket] = kept[side].get(bucket, 0) + 1
        return kept

    def remove(self, partial: Kept, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        side, bucket = self._place(value)
        left = partial[side].pop(bucket) - 1
        if left:
            partial[side][bucket] = left
        return partial

    def merge(self, partials: Sequence[Kept]) -> Kept:
        """See ``Cell``."""
        merged: Kept = [{}, {}, {}]
        for one in partials:
            for mine, others in zip(merged, one, strict=True):
                for bucket, count in others.items():
                    mine[bucket] = mine.get(bucket, 0) + count
        return merged

    def read(self, partials: Sequence[Kept], at_us: int) -> Value | None:
        """See ``Cell``."""
        return self.value(self.merge(partials), at_us)

    def value(self, partial: Kept | None, at_us: int) -> Value | None:
        """See ``Cell``."""
        sides: Sequence[Buckets] = partial or ({}, {}, {})
        rank, seen = self._q * (sum(sum(side.values()) for side in sides) - 1), 0
        for sign, side in zip((-1, 0, 1), sides, strict=True):
            for bucket in sorted(side, reverse=sign < 0):
                seen += side[bucket]
                if seen > rank:
                    return sign * float(self._mapping.value(bucket)) if sign else 0.0
        return None

    def _place(self, value: Value) -> tuple[int, int]:
        number = float(value)
        if number == 0:
            return 1, 0
        return (2 if number > 0 else 0), self._mapping.key(abs(number))
