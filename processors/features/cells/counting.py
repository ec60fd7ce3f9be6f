"""Counts of events."""

from collections.abc import Sequence

from processors.features.cells.cell import Moment, Value


class CountCell:
    """How many there are.

    Example:
        >>> cell = CountCell()
        >>> cell.value(cell.merge([cell.add(None, True, (0, "a"), 0), 4]), 0), cell.value(None, 0)
        (5, 0)
    """

    numeric = False

    def add(self, partial: int | None, value: Value, moment: Moment, begin_us: int) -> int:
        """See ``Cell``."""
        return (partial or 0) + 1

    def remove(self, partial: int, value: Value, moment: Moment, begin_us: int) -> int:
        """See ``Cell``."""
        return partial - 1

    def merge(self, partials: Sequence[int]) -> int:
        """See ``Cell``."""
        return sum(partials)

    def read(self, partials: Sequence[int], at_us: int) -> int:
        """See ``Cell``."""
        return sum(partials)

    def value(self, partial: int | None, at_us: int) -> int:
        """See ``Cell``; 0 for none."""
        return partial or 0
