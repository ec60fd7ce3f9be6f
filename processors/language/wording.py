"""Whether one text says what another says, in the same words."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from processors.language.claims import split_segments
from processors.language.cleaning import clean_text, lower_case

RUN: Final = 8
"""Words in a row that are hardly ever said twice by chance."""

SHORTEST: Final = 4
"""Words of a sentence that is looked for whole; shorter ones are everybody's."""

_WORD: Final = re.compile(r"[\u2e80-\U0010ffff]|[^\W\u2e80-\U0010ffff]+")  # scripts without spaces: every letter

Run = tuple[str, ...]


class Wording:
    """The words of some texts, by which copies of their sentences are recognised.

    A sentence of 4 to 8 words is recognised whole, a longer one by any 8 of its words in a row; case,
    punctuation and white space do not matter.

    Args:
        texts: As they were written; what the digest does not read of them is never copied.

    Example:
        >>> wording = Wording(["The zipper broke, but the fabric is soft. Nice!"])
        >>> bool(wording.found_in('Some say "the fabric is SOFT".')), bool(wording.found_in("Nice! It is soft."))
        (True, False)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._set({run for text in texts for run in _runs(text)})

    def found_in(self, text: str) -> frozenset[Run]:
        """Return what of it a text says."""
        words = _words(text)
        found = (
            tuple(words[start : start + size]) for start, word in enumerate(words) for size in self._sizes.get(word, ())
        )
        return self._runs.intersection(found)

    def __bool__(self) -> bool:
        """Tell whether there is anything to recognise."""
        return bool(self._runs)

    def without(self, runs: Iterable[Run]) -> "Wording":
        """Return the rest of it."""
        rest = Wording([])
        rest._set(self._runs.difference(runs))
        return rest

    def _set(self, runs: Iterable[Run]) -> None:
        self._runs = frozenset(runs)
        self._sizes: dict[str, set[int]] = {}  # of the runs that begin with a word
        for run in self._runs:
            self._sizes.setdefault(run[0], set()).add(len(run))


def _runs(text: str) -> Iterator[Run]:
    for segment in split_segments(clean_text(text)):
        words = _words(segment)
        if len(words) >= SHORTEST:
            yield from _windows(words, min(len(words), RUN))


def _windows(words: Sequence[str], size: int) -> Iterator[Run]:
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(lower_case(text))
