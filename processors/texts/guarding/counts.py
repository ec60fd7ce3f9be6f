"""Whether the numbers of a sentence are those of its points."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from processors.answers.words import words_of
from processors.texts.told import Told

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_SPELLED: Final = {word: number for number, word in enumerate(_UNITS.split())} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
}
_FREE: Final = {"one", "zero"}
"""Count nothing, mostly: "one buyer", "the one that"."""

_QUARTER, _THIRD, _HALF, _MOST, _ALL, _MARGIN = 25, 33, 50, 50, 99, 5
_MANY: Final = 3
_DOZENS: Final = 24

_SHARES: Final[Mapping[str, Callable[[Told], bool]]] = {
    "most": lambda one: one.percent >= _MOST,
    "majority": lambda one: one.percent >= _MOST,
    "mostly": lambda one: one.percent >= _MOST,
    "minority": lambda one: one.percent < _HALF,
    "half": lambda one: abs(one.percent - _HALF) <= _MARGIN,
    "third": lambda one: abs(one.percent - _THIRD) <= _MARGIN,
    "quarter": lambda one: abs(one.percent - _QUARTER) <= _MARGIN,
    "all": lambda one: one.percent >= _ALL,
    "every": lambda one: one.percent >= _ALL,
    "everyone": lambda one: one.percent >= _ALL,
    "everybody": lambda one: one.percent >= _ALL,
    "nobody": lambda one: False,
    "many": lambda one: one.reviews >= _MANY,
    "several": lambda one: one.reviews >= _MANY,
    "dozens": lambda one: one.reviews >= _DOZENS,
    "hundreds": lambda one: one.reviews >= 200,
    "thousands": lambda one: one.reviews >= 2000,
    "always": lambda one: False,
    "twice": lambda one: False,
}
"""Words that say how many; where the buyers use them themselves they are theirs."""


def wrong_number(text: str, told: Sequence[Told]) -> str | None:
    """Return the first number, or word that counts, that is neither in the points nor true of them.

    Args:
        text: One sentence.
        told: What it rests on.

    Example:
        >>> counts = {"reviews": 31, "of": 52, "percent": 60}
        >>> told = [Told(id="P1", band="positive", says="lasts 2 days", label="", quotes=[], **counts)]
        >>> [wrong_number(text, told) for text in ("31 of 52, so 60 %: lasts 2 days", "Most say so", "40 say so")]
        [None, None, '40']
        >>> wrong_number("All say so", told), wrong_number("twenty say it lasts two days", told)
        ('all', 'twenty')
    """
    quoted = " ".join(part for one in told for part in (one.says, one.label, *one.quotes))
    allowed = {_plain(number) for number in _NUMBER.findall(quoted)}
    allowed |= {str(_SPELLED[word]) for word in words_of(quoted) if word in _SPELLED}
    allowed |= {str(number) for one in told for number in (one.reviews, one.of, one.percent)}
    for found in _NUMBER.finditer(text):
        if _plain(found.group()) not in allowed:
            return found.group()
    return _wrong_word(text, told, allowed, set(words_of(quoted)))


def _wrong_word(text: str, told: Sequence[Told], allowed: set[str], quoted: set[str]) -> str | None:
    for word in words_of(text):
        if word in quoted:
            continue
        if word in _SPELLED and word not in _FREE and str(_SPELLED[word]) not in allowed:
            return word
        if word in _SHARES and not any(_SHARES[word](one) for one in told):
            return word
    return None


def _plain(number: str) -> str:
    """Write a number without separators of thousands and trailing noughts of its fraction."""
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", number):
        return re.sub(r"[.,]", "", number)
    return number.replace(",", ".")
