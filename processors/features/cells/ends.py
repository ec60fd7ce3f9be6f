"""The first and the last value, by when they happened."""

from collections.abc import Sequence

from processors.features.cells.cell import LOST, Lost, Moment, Value

Kept = Sequence[int | str | Value]
"""When it happened, the record's id, the value."""


class EndCell:
    """The value of what happened first, or last; of two at one moment the ids decide.

    Args:
        last: Which of the two.

    Example:
        >>> cell = EndCell(last=True)
        >>> kept = cell.add(cell.add(None, "Leipzig", (7, "a"), 0), "Halle", (5, "b"), 0)
        >>> cell.value(kept, 9), cell.remove(kept, "Halle", (5, "b"), 0)
        ('Leipzig', [7, 'a', 'Leipzig'])
    """

    numeric = False

    def __init__(self, *, last: bool) -> None:
        self._last = last

    def add(self, partial: Kept | None, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        if partial is not None and (tuple(partial[:2]) > moment) is self._last:
            return partial
        return [*moment, value]

    def remove(self, partial: Kept, value: Value, moment: Moment, begin_us: int) -> Kept | Lost:
        """See ``Cell``."""
        return LOST if tuple(partial[:2]) == moment else partial

    def merge(self, partials: Sequence[Kept]) -> Kept:
        """See ``Cell``."""
        choose = max if self._last else min
        return choose(partials, key=lambda one: tuple(one[:2]))

    def read(self, partials: Sequence[Kept], at_us: int) -> Value | None:
        """See ``Cell``: the tiles follow each other."""
        return partials[-1 if self._last else 0][2] if partials else None

    def value(self, partial: Kept | None, at_us: int) -> Value | None:
        """See ``Cell``."""
        return None if partial is None else partial[2]
