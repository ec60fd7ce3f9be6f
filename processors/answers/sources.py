"""A passage as it is compared with what is said about it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import Final

from processors.answers.visible import clipped, folded, visible
from processors.answers.words import content, negates, numbers, words_of
from schemas.records import QUOTE_LIMIT

_END: Final = re.compile(r"[.!?\u2026]+['\")\]]*\s|[\u3002\uff01\uff1f]")
ABBREVIATED: Final = re.compile(r"(?:\b(?:e\.g|i\.e|vs|approx|etc|cf|no|mr|mrs|dr|st)|\b[A-Za-z])\.$", re.IGNORECASE)
_BLOCK_END: Final = re.compile(r"\n\s*\n|\n(?=[ \t]{0,8}(?:[-*+#>|]|\d{1,3}[.)]))")
_HEADING: Final = re.compile(r"^(#{1,6} [^\n]*)$", re.MULTILINE)
_LOOKED_BACK: Final = 12
_DENIED_WITHIN: Final = 6
"""Words before a quote in which a negation would turn it."""
_JOINTS: Final = "'-"


class Source:
    """One passage, read once.

    Args:
        text: As it is stored; empty lines, headings and list items end sentences.

    Example:
        >>> source = Source("Nice card.\\nIt cannot store 64 GB\\n at \u201conce\u201d. Bye.")
        >>> source.quote('64 GB at "once"') is None  # what it denies is no quote
        True
        >>> source.quote('It cannot store 64 GB at "once"'), source.quote("ice card")
        ('It cannot store 64 GB at \u201conce\u201d.', None)
    """

    def __init__(self, text: str) -> None:
        blocks = [block for block in map(visible, _BLOCK_END.split(_HEADING.sub(r"\1\n\n", text))) if block]
        self._text = " ".join(blocks)
        self._folded = folded(self._text)
        self._block_ends = list(accumulate(len(block) + 1 for block in blocks[:-1]))

    def quote(self, wanted: str) -> str | None:
        """Return what to show for a quote: its sentence where that is short enough, else its own first words.

        Args:
            wanted: What is said to stand here.

        Returns:
            None if it does not stand here, word for word, or only under a "not" that is left out; white space and
            the kind of quotation marks do not matter.
        """
        wanted = folded(visible(wanted))
        for start in self._places(wanted):
            end = start + len(wanted)
            first, last = self._around(start, end)
            if not _denies(" ".join(words_of(self._text[first:start])[-_DENIED_WITHIN:])):
                shown = self._text[first if end - first <= QUOTE_LIMIT else start : last]
                return clipped(shown, QUOTE_LIMIT)
        return None

    @cached_property
    def sentences(self) -> list[str]:
        """Its sentences, long ones in several pieces, none over 240 characters."""
        starts = [0, *self._ends]
        whole = [self._text[first:last].strip() for first, last in zip(starts, [*self._ends, None], strict=True)]
        return [part for sentence in whole for part in parts(sentence)]

    @cached_property
    def words(self) -> frozenset[str]:
        """All lower-case words."""
        return frozenset(words_of(self._text))

    @cached_property
    def stems(self) -> frozenset[str]:
        """Stems of all words that carry content."""
        return frozenset(content(self._text))

    @cached_property
    def numbers(self) -> frozenset[str]:
        """All numbers, and words that count."""
        return frozenset(numbers(self._text))

    def nearest(self, claim: str) -> tuple[str, float]:
        """Return the sentence that shares most content words with a claim, and the share of the claim's words.

        A sentence that denies what the claim affirms, or the other way round, is passed over.
        """
        wanted, denies = set(content(claim)), _denies(claim)
        best, share = "", 0.0
        for sentence in self.sentences:
            if _denies(sentence) == denies and wanted:
                shared = len(wanted.intersection(content(sentence))) / len(wanted)
                best, share = (sentence, shared) if shared > share else (best, share)
        return best, share

    def _places(self, wanted: str) -> Iterator[int]:
        start = self._folded.find(wanted) if wanted else -1
        while start >= 0:
            if _border(self._folded, start) and _border(self._folded, start + len(wanted)):
                yield start
            start = self._folded.find(wanted, start + 1)

    def _around(self, start: int, end: int) -> tuple[int, int]:
        """Return where the sentence around a place begins and ends."""
        before, after = bisect_right(self._ends, start), bisect_left(self._ends, end)
        first = self._ends[before - 1] if before else 0
        last = self._ends[after] if after < len(self._ends) else len(self._text)
        return first, first + len(self._text[first:last].rstrip())

    @cached_property
    def _ends(self) -> list[int]:
        """Places after which a new sentence begins, in order."""
        ends = (match for match in _END.finditer(self._text) if match.end() < len(self._text))
        real = (match.end() for match in ends if not _not_an_end(self._text, match))
        return sorted({*real, *self._block_ends})


def _not_an_end(text: str, match: re.Match[str]) -> bool:
    return bool(ABBREVIATED.search(text, max(0, match.start() - _LOOKED_BACK), match.start() + 1))


def parts(sentence: str) -> Iterator[str]:
    """Yield a sentence in parts of at most 240 characters, cut between words.

    Example:
        >>> [len(part) for part in parts("word " * 60)]
        [239, 60]
    """
    while sentence:
        piece = clipped(sentence, QUOTE_LIMIT)
        yield piece
        sentence = sentence[len(piece) :].lstrip()


def _border(text: str, place: int) -> bool:
    """Tell whether no word runs across a place; "can't" and "non-stick" are one word each."""
    before, after = text[max(0, place - 2) : place], text[place : place + 2]
    if not before or not after:
        return True
    if _wordy(before[-1]) and _wordy(after[0]):
        return False
    if _wordy(before[-1]) and after[0] in _JOINTS and _wordy(after[1:]):
        return False
    return not (before[-1] in _JOINTS and _wordy(before[:-1]) and _wordy(after[0]))


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


def _denies(text: str) -> bool:
    return any(map(negates, words_of(text)))
