"""What a question asks for, told by its words."""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Final

from processors.answers.visible import clipped, visible
from processors.answers.words import content

READ_LIMIT: Final = 1_000
"""Characters of a question that are read."""


class Kind(StrEnum):
    """What would answer a question."""

    NUMBER = "number"
    STEPS = "steps"
    PLACE = "place"
    TIME = "time"
    REASON = "reason"
    OPINION = "opinion"
    TRUTH = "truth"  # yes or no
    OTHER = "other"


_LISTS: Final = tomllib.loads(files("processors.answers").joinpath("patterns.toml").read_text("utf-8"))


def pattern(group: str, name: str) -> re.Pattern[str]:
    """Return the pattern of one name, upper and lower case alike.

    Example:
        >>> bool(pattern("asked", "reason").search("Why?"))
        True
    """
    return re.compile("|".join(_LISTS[group][name]), re.IGNORECASE)


_ORDER: Final = (Kind.NUMBER, Kind.TIME, Kind.PLACE, Kind.REASON, Kind.OPINION, Kind.STEPS, Kind.TRUTH)
_KINDS: Final = tuple((kind, pattern("asked", kind)) for kind in _ORDER)
_CODE: Final = pattern("code", "asked")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, read.

    Args:
        text: Visible, at most 1,000 characters.
        stems: Of its content words, in order, each once.
        kind: What would answer it.
        code: Whether lines of code would.
    """

    text: str
    stems: tuple[str, ...]
    kind: Kind
    code: bool


def read_question(text: str) -> Question:
    """Read what is asked.

    Example:
        >>> read_question("Does the  battery last?").stems, read_question("Does it run small?").kind.value
        (('batteri', 'last'), 'truth')
        >>> [read_question(text).kind.value for text in ("How many ports?", "How do I log a model?", "How is the fit?")]
        ['number', 'steps', 'opinion']
    """
    shown = clipped(visible(text[: 4 * READ_LIMIT]), READ_LIMIT)
    kind = next((kind for kind, asked in _KINDS if asked.search(shown)), Kind.OTHER)
    return Question(shown, tuple(dict.fromkeys(content(shown))), kind, bool(_CODE.search(shown)))
