"""What an aggregation keeps of the values of one tile: added to, taken back, put together, read.

Whatever the order in which values come, and however they are spread over tiles, what is read is the same to the bit.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Protocol

Value = float | int | str | bool
Moment = tuple[int, str]
"""When something happened, microseconds since 1970, and its record's id: no two are alike."""

Partial = Any
"""What a cell keeps: numbers, strings, lists and dicts of them, as MessagePack takes them; never None."""


class Lost(Enum):
    """What a cell answers when it cannot take a value back."""

    LOST = "lost"


LOST: Final = Lost.LOST
"""The tile must be put together again from its events."""


class Cell(Protocol):
    """One kind of aggregation. Partials may be changed in place; only what is returned counts."""

    numeric: bool
    """Whether its values are numbers: a bool is none."""

    def add(self, partial: Partial | None, value: Value, moment: Moment, begin_us: int) -> Partial:
        """Take a value in.

        Args:
            partial: What the tile kept; None is nothing.
            value: Of one event.
            moment: When it happened.
            begin_us: Where the tile begins.
        """
        ...

    def remove(self, partial: Partial, value: Value, moment: Moment, begin_us: int) -> Partial | Lost:
        """Take a value back that was added; ``LOST`` when that cannot be done."""
        ...

    def merge(self, partials: Sequence[Partial]) -> Partial:
        """Put tiles together that follow each other; at least one. Changes none of them."""
        ...

    def read(self, partials: Sequence[Partial], at_us: int) -> Value | None:
        """Read tiles that follow each other, or none: ``value`` of what ``merge`` makes of them, only faster."""
        ...

    def value(self, partial: Partial | None, at_us: int) -> Value | None:
        """Read it at a moment; None where there is nothing to tell.

        Args:
            partial: What the tiles of the window kept, merged.
            at_us: When it is read, microseconds since 1970.
        """
        ...
