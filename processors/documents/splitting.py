"""Cut what is too long for one chunk at the best borders it has, where its content says: linear in its length."""

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

Splitter = Callable[[str], list[str]]
"""A text -> its parts; joined they are the text again."""

_SENTENCE: Final = re.compile(r"(?<=[.!?])[\"')\]*_]{0,3}\s+|(?<=[。！？])")
_LINE: Final = re.compile(r"\n")
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n\s*(?=\n)|\n(?=[^\S\n]*\n)")
_WORD: Final = re.compile(r"[^\S\n]+|(?<=[,;|/&])")


def sentences_of(text: str) -> list[str]:
    """Part a text after its sentences, with the white space that follows them.

    Example:
        >>> sentences_of("One. Two? Three")
        ['One. ', 'Two? ', 'Three']
    """
    return _parts(text, _SENTENCE)


def lines_of(text: str) -> list[str]:
    """Part a text after its lines.

    Example:
        >>> lines_of("a\\nb")
        ['a\\n', 'b']
    """
    return _parts(text, _LINE)


def words_of(text: str) -> list[str]:
    """Part a text after its words, and after marks that join many of them."""
    return _parts(text, _WORD)


def paragraphs_of(text: str) -> list[str]:
    """Part a text after its blank lines."""
    return _parts(text, _PARAGRAPH)


PROSE: Final[tuple[Splitter, ...]] = (sentences_of, lines_of, words_of)
ROWS: Final[tuple[Splitter, ...]] = (paragraphs_of, lines_of, sentences_of, words_of)


def split(text: str, longest: int, splitters: Sequence[Splitter]) -> list[str]:
    """Cut a text into parts of at most ``longest`` characters; joined they are the text again.

    Args:
        text: Of any length.
        longest: Characters of a part, 1 or more.
        splitters: Where to cut, the best first; what none of them can part is cut anywhere.

    Example:
        >>> split("One two. Three four.", 10, PROSE)
        ['One two. ', 'Three ', 'four.']
    """
    if len(text) <= longest:
        return [text]
    if not splitters:
        return [text[start : start + longest] for start in range(0, len(text), longest)]
    units = [part for unit in splitters[0](text) for part in split(unit, longest, splitters[1:])]
    return ["".join(group) for group in runs(units, longest)]


def runs(units: Sequence[str], longest: int) -> list[list[str]]:
    """Group neighbours so that no group is too long, where the content says rather than where the room ends.

    Of the borders at which a group has between a third and all of its room, that after the unit with the
    smallest hash is taken: after an edit the borders behind it fall on the same places again, mostly at once.

    Args:
        units: Texts, each at most ``longest`` characters.
        longest: Characters of a group.

    Example:
        >>> runs(["aaa", "bb", "c"], 10)
        [['aaa', 'bb', 'c']]
    """
    ranks = [_rank(unit) for unit in units]
    rest = sum(map(len, units))
    start, groups = 0, []
    while start < len(units):
        end = len(units) if rest <= longest else _border(units, ranks, start, longest)
        groups.append(list(units[start:end]))
        rest -= sum(map(len, groups[-1]))
        start = end
    return groups


def _border(units: Sequence[str], ranks: Sequence[tuple[bool, bytes]], start: int, longest: int) -> int:
    """Return where the group that begins at ``start`` ends; more follows it."""
    length, end, best = 0, start, start
    while end < len(units) and length + len(units[end]) <= longest:
        length += len(units[end])
        end += 1
        if (length - len(units[end - 1])) * 3 < longest or ranks[end - 1] < ranks[best - 1]:
            best = end  # what ends before the first third counts no more once there is a later border
    return best


def _rank(unit: str) -> tuple[bool, bytes]:
    """Return how good it is to cut after a unit; not after what announces the next."""
    bare = unit.strip()
    return bare.endswith(":"), hashlib.blake2b(bare.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _parts(text: str, border: re.Pattern[str]) -> list[str]:
    ends = [0, *(match.end() for match in border.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if end > start]
