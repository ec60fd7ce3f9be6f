"""The words of some points, as what is said of them is compared."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Final

from processors.answers.visible import visible
from processors.answers.words import STOP, content, names, negates, stem, words_of

_CLAUSE: Final = re.compile(
    r"[,;:.!?\u2026\u2013\u2014\n]+|\b(?:and|but|while|though|although|yet|or|because|so)\b", re.IGNORECASE
)
_DENIED: Final = 3
"""Words with content after a negation that it turns, at most to the end of its clause."""

_JUDGING: Final = frozenset({"like"})
"""Words that carry no content in questions, and do after a negation."""

_LISTS: Final = tomllib.loads(files("processors.texts.guarding").joinpath("wording.toml").read_text("utf-8"))
_DEGREE: Final = frozenset(map(stem, _LISTS["degree"].split()))
_FRAME: Final = frozenset(map(stem, _LISTS["frame"].split())) | _DEGREE
_ALIKE: Final = {stem(word): f"={group}" for group, line in enumerate(_LISTS["alike"]) for word in line.split()}


class Points:
    """What some points say, and what they deny.

    Args:
        parts: Headlines, labels and quotes, each with its band.

    Example:
        >>> points = Points([("negative", "The lid does not stay on, but it boils fast")])
        >>> points.unsaid("For some, the lid never stays on"), points.unsaid("It boils quickly and cheaply")
        (None, 'cheaply')
        >>> points.turned("The lid does stay on"), points.turned("The lid will not stay on")
        ('affirms what its points deny', None)
    """

    def __init__(self, parts: Iterable[tuple[str, str]]) -> None:
        self._bands: set[str] = set()
        self._words: set[str] = set()
        self._flags: defaultdict[str, set[bool]] = defaultdict(set)
        self._judge = False
        for band, part in parts:
            self._bands.add(band)
            self._words.update(word.removesuffix("'s") for word in words_of(part))
            self._words.update(names(part))
            for clause in _clauses(part):
                self._judge |= _judges(clause)
                for one, denied in _flagged(clause):
                    self._flags[one].add(denied)

    def unsaid(self, text: str) -> str | None:
        """Return the first word with content that stands in no point."""
        for word in words_of(text):
            if not any(letter.isdigit() for letter in word) and any(self._is_new(one) for one in content(word)):
                return word
        return self.strange_name(text)

    def _is_new(self, one: str) -> bool:
        return one not in _FRAME and _ALIKE.get(one, one) not in self._flags and one not in self._bands

    def strange_name(self, text: str) -> str | None:
        """Return a name that stands in no point."""
        strange = (name for name in names(text) if name not in self._words and stem(name) not in _FRAME)
        return min((name for name in strange if not name.isdigit()), default=None)

    def turned(self, text: str) -> str | None:
        """Tell whether a word is denied that the points only affirm, or the other way round."""
        for clause in _clauses(text):
            if _judges(clause) and not self._judge and self._bands <= {"positive"}:
                return "finds fault where its points praise"
            for one, denied in _flagged(clause):
                if denied not in self._flags.get(one, {denied}):
                    return "denies what its points do not deny" if denied else "affirms what its points deny"
        return None


def _clauses(text: str) -> Iterator[list[str]]:
    return (words for clause in _CLAUSE.split(visible(text)) if (words := words_of(clause)))


def _flagged(words: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield the words with content, each as what it may be swapped for, and whether it is denied."""
    left = 0
    for place, word in enumerate(words):
        if negates(word):
            left = 0 if _first(words[place + 1 :]) in _FRAME else _DENIED
            continue
        for one in content(word):
            if one not in _FRAME:
                yield _ALIKE.get(one, one), left > 0
            left -= 1


def _judges(words: list[str]) -> bool:
    """Tell whether a clause denies talk about reviews: "do not like", "not happy"."""
    return any(negates(word) and _first(words[place + 1 :]) in _FRAME for place, word in enumerate(words))


def _first(words: list[str]) -> str | None:
    counting = (stem(word) for word in words if word not in STOP or word in _JUDGING)
    return next((one for one in counting if one not in _DEGREE), None)
