"""Definitions that cannot be, told with the place where the user wrote them.

Errors:
    ValueError
    └── WrongDefinition   a feature table, function or spec that cannot work; knows file, line and remedy
"""

import sys
from dataclasses import dataclass
from pathlib import Path

_OURS = str(Path(__file__).parent.parent)
_EXAMPLES = str(Path(_OURS, "examples"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a user's module something was written."""

    file: str
    line: int

    def __str__(self) -> str:
        """Write it as compilers do."""
        return f"{self.file}:{self.line}"


class WrongDefinition(ValueError):
    """A definition that cannot work.

    Args:
        what: Is wrong, one line.
        remedy: What to do, one line.
        place: Where it was written; found by itself when none is given.
    """

    def __init__(self, what: str, remedy: str, place: Place | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.place = place or written_at()
        super().__init__(f"{self.place}: {what}. {remedy}")


def written_at() -> Place:
    """Find the innermost line on the way here that is not ours: the user's definition."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


def _is_ours(file: str) -> bool:
    # The constructors of dataclasses are compiled from text that has no file.
    return file.startswith((_OURS, "<")) and not file.startswith(_EXAMPLES)
