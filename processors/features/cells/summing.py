"""Sums and means, the same in any order."""

from collections.abc import Sequence
from itertools import chain

from processors.features.cells.cell import Moment, Value
from processors.features.cells.exact_sums import grow, joined, total


class SumCell:
    """The sum of numbers.

    Example:
        >>> cell = SumCell()
        >>> cell.value(cell.merge([cell.add(None, 0.1, (0, "a"), 0), cell.add(None, 0.2, (0, "b"), 0)]), 0)
        0.30000000000000004
        >>> cell.value(None, 0)
        0.0
    """

    numeric = True

    def add(self, partial: list[float] | None, value: Value, moment: Moment, begin_us: int) -> list[float]:
        """See ``Cell``."""
        return grow([] if partial is None else partial, float(value))

    def remove(self, partial: list[float], value: Value, moment: Moment, begin_us: int) -> list[float]:
        """See ``Cell``."""
        return grow(partial, -float(value))

    def merge(self, partials: Sequence[list[float]]) -> list[float]:
        """See ``Cell``."""
        return joined(partials)

    def read(self, partials: Sequence[list[float]], at_us: int) -> float:
        """See ``Cell``."""
        return total(chain.from_iterable(partials))

    def value(self, partial: list[float] | None, at_us: int) -> float:
        """See ``Cell``; 0.0 for none."""
        return total(partial or ())


class MeanCell:
    """The mean of numbers: how many, then their sum.

    Example:
        >>> cell = MeanCell()
        >>> cell.value(cell.add(cell.add(None, 1.0, (0, "a"), 0), 2.0, (1, "b"), 0), 1)
        1.5
    """

    numeric = True

    def add(self, partial: list[float] | None, value: Value, moment: Moment, begin_us: int) -> list[float]:
        """See ``Cell``."""
        count, *sums = partial or (0,)
        return [count + 1, *grow(sums, float(value))]

    def remove(self, partial: list[float], value: Value, moment: Moment, begin_us: int) -> list[float]:
        """See ``Cell``."""
        count, *sums = partial
        return [count - 1, *grow(sums, -float(value))]

    def merge(self, partials: Sequence[list[float]]) -> list[float]:
        """See ``Cell``."""
        return [sum(one[0] for one in partials), *joined(one[1:] for one in partials)]

    def read(self, partials: Sequence[list[float]], at_us: int) -> float | None:
        """See ``Cell``."""
        count = sum(one[0] for one in partials)
        return total(chain.from_iterable(one[1:] for one in partials)) / count if count else None

    def value(self, partial: list[float] | None, at_us: int) -> float | None:
        """See ``Cell``."""
        return total(partial[1:]) / partial[0] if partial and partial[0] else None
