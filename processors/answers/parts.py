"""An answer's text taken apart: sentences, what they quote, and the passages they point to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from processors.answers.visible import visible

READ_LIMIT: Final = 20_000
"""Characters of an answer that are read."""

_TOKEN: Final = re.compile(
    r'"(?P<straight>[^"]{1,1000})"'
    "|\u201c(?P<curly>[^\u201c\u201d]{1,1000})\u201d|\u201e(?P<low>[^\u201c\u201d\u201e]{1,1000})[\u201c\u201d]"
    "|\u00ab(?P<angled>[^\u00ab\u00bb]{1,1000})\u00bb"
    r"|\[(?P<markers>[ ]?F?[1-9][0-9]{0,5}(?:[ ]?,[ ]?F?[0-9]{1,6}){0,20}[ ]?)\]"
    '|(?P<end>[.!?\u2026]+(?=[\\s\\["\u201c\u201e\u00ab]|$)|[\u3002\uff01\uff1f]+)'
    '|(?P<stray>["\u201c\u201d\u201e\u00ab\u00bb])'
)
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*\u2022>#]+|[0-9]{1,2}[.)])\s+")
_ABBREVIATED: Final = re.compile(r"(?:\b(?:e\.g|i\.e|vs|approx|etc|cf|no|mr|mrs|dr|st)|\b[A-Za-z])\.$", re.IGNORECASE)
_ENDED: Final = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")


@dataclass(frozen=True, slots=True)
class Said:
    """Words of the writer's own."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words between quotation marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Marker:
    """One number in brackets: of a passage, ``[2]``, or of features, ``[F1]``."""

    number: int
    features: bool = False

    def __str__(self) -> str:
        return f"F{self.number}" if self.features else str(self.number)


@dataclass(frozen=True, slots=True)
class Stray:
    """A quotation mark without its other half."""


Part = Said | Quoted | Marker | Stray


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with the markers after it."""

    parts: tuple[Part, ...]

    @property
    def said(self) -> str:
        """What is said outside quotation marks and brackets."""
        return visible(" ".join(part.text for part in self.parts if isinstance(part, Said)))

    @property
    def quotes(self) -> list[tuple[int, str]]:
        """What stands between quotation marks, each with its place among the parts."""
        return [(place, part.text) for place, part in enumerate(self.parts) if isinstance(part, Quoted)]

    @property
    def markers(self) -> list[tuple[int, Marker]]:
        """The numbers in brackets, each with its place among the parts."""
        return [(place, part) for place, part in enumerate(self.parts) if isinstance(part, Marker)]


def take_apart(text: str) -> Iterator[Sentence]:
    """Yield the sentences of an answer; only its first 20,000 characters are read.

    What stands between quotation marks is never taken for a marker or a sentence's end. Markers belong to
    the sentence before them; every line ends one.

    Example:
        >>> first, second = take_apart('It "runs [9] small." [1] Others disagree. [2][F1]')
        >>> first.quotes, second.said, [(place, str(marker)) for place, marker in second.markers]
        ([(1, 'runs [9] small.')], 'Others disagree.', [(2, '2'), (3, 'F1')])
    """
    for line in text[:READ_LIMIT].splitlines():
        yield from _sentences(_LIST_MARK.sub("", visible(line)))


def _sentences(line: str) -> Iterator[Sentence]:
    parts: list[Part] = []
    for part in _parts(line):
        if parts and _over(parts, part):
            yield Sentence(tuple(parts))
            parts = []
        if parts or not isinstance(part, Said) or part.text.strip():
            parts.append(part)
    if parts:
        yield Sentence(tuple(parts))


def _parts(line: str) -> Iterator[Part]:
    start = 0
    for token in _TOKEN.finditer(line):
        kind = token.lastgroup
        until = token.end() if kind == "end" else token.start()
        if until > start:
            yield Said(line[start:until])
        start = token.end()
        if kind == "markers":
            yield from map(_marker, token["markers"].split(","))
        elif kind == "stray":
            yield Stray()
        elif kind is not None and kind != "end":
            yield Quoted(token[kind])
    if start < len(line):
        yield Said(line[start:])


def _marker(told: str) -> Marker:
    told = told.strip()
    return Marker(int(told.removeprefix("F")), told.startswith("F"))


def _over(parts: list[Part], following: Part) -> bool:
    """Tell whether a sentence is over before the part that follows."""
    if isinstance(following, Marker) or _blank(following):
        return False
    words = next((part for part in reversed(parts) if not isinstance(part, Marker) and not _blank(part)), None)
    if isinstance(words, Said):
        return words.text.endswith(_ENDED) and not _ABBREVIATED.search(words.text)
    if not isinstance(words, Quoted) or not words.text.rstrip().endswith(_ENDED):
        return False
    return isinstance(following, Quoted) or following == Stray() or _begins(following)


def _blank(part: Part) -> bool:
    return isinstance(part, Said) and not part.text.strip()


def _begins(part: Part) -> bool:
    words = part.text.lstrip(" ") if isinstance(part, Said) else ""
    return words[:1].isupper() or words[:1].isdigit()
