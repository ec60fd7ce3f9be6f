"""The smallest and the largest."""

from collections.abc import Sequence

from processors.features.cells.cell import LOST, Lost, Moment, Value


class ExtremeCell:
    """The smallest number, or the largest.

    Args:
        largest: Which of the two.

    Example:
        >>> cell = ExtremeCell(largest=True)
        >>> kept = cell.add(cell.add(None, 3.0, (0, "a"), 0), 2.0, (1, "b"), 0)
        >>> cell.value(kept, 1), cell.remove(kept, 2.0, (1, "b"), 0), cell.remove(kept, 3.0, (0, "a"), 0)
        (3.0, 3.0, <Lost.LOST: 'lost'>)
    """

    numeric = True

    def __init__(self, *, largest: bool) -> None:
        self._choose = max if largest else min

    def add(self, partial: float | None, value: Value, moment: Moment, begin_us: int) -> float:
        """See ``Cell``."""
        return float(value) if partial is None else self._choose(partial, float(value))

    def remove(self, partial: float, value: Value, moment: Moment, begin_us: int) -> float | Lost:
        """See ``Cell``."""
        return LOST if float(value) == partial else partial

    def merge(self, partials: Sequence[float]) -> float:
        """See ``Cell``."""
        return self._choose(partials)

    def read(self, partials: Sequence[float], at_us: int) -> Value | None:
        """See ``Cell``."""
        return self._choose(partials, default=None)

    def value(self, partial: float | None, at_us: int) -> Value | None:
        """See ``Cell``."""
        return partial
