"""Keys of rows, from what records bring."""

from collections.abc import Sequence
from typing import Any

from processors.features.contributing import join_key


class NoKey(ValueError):
    """A value that cannot be part of a key."""


def row_key(parts: Sequence[Any]) -> str | None:
    """Write the key that values name; None when one of them is nothing.

    Args:
        parts: Texts or whole numbers, in the order of the primary key.

    Raises:
        NoKey: If one is something else.

    Example:
        >>> row_key(["de", 7]), row_key(["de", None])
        ('de|7', None)
    """
    if any(part is None or part == "" for part in parts):
        return None
    return join_key([_written(part) for part in parts])


def _written(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, float) and part.is_integer():  # JSON knows one kind of number, and data frames make floats
        part = int(part)
    if isinstance(part, int) and not isinstance(part, bool):
        return str(part)
    raise NoKey(f"{type(part).__name__} is no key; send a text or a whole number")
