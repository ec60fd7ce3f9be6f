"""Sentences of a chunk that can be quoted: word for word, so that a quote can be looked up where it stands."""

import re
from collections.abc import Iterator
from typing import Final

from schemas.records import QUOTE_LIMIT

Span = tuple[int, int]
"""Start and end in the text."""

_LINE: Final = re.compile(r"[^\n]+")
_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})")
_MARKERS: Final = re.compile(r"[ \t]*(?:(?:[-*+•]|\d{1,9}[.)]|>|#{1,6})(?:[ \t]+|$))*")
_TAG: Final = re.compile(r"<[^<>]*>|\{%[^{}]*%\}")
_SAYING: Final = re.compile(r"[^\W_]")
_ENDS: Final = re.compile(r"[.!?…][\"')\]*_`”’]{0,3}\s+|[。！？]+")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\[])(?:e\.g|i\.e|vs|etc|cf|al|fig|figs|eq|no|dr|mr|mrs|ms|prof|st|inc|approx|resp|[A-Za-z])$",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"[,;:)](?=\s)")


def sentences(text: str) -> list[str]:
    """Return what can be quoted from a chunk: sentences, list items, table rows and lines of code, in order.

    Each is a part of the text, word for word, of at most 240 characters, and has a letter or a digit. A longer
    sentence comes in parts, cut after a clause if there is one, else after a word.

    Args:
        text: Markdown or plain text.

    Example:
        >>> sentences("Run it. It stops, e.g. at night.\\n\\n- first\\n- second\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |")
        ['Run it.', 'It stops, e.g. at night.', 'first', 'second', '| a | b |', '| 1 | 2 |']
    """
    found = (span for start, end, whole in _stretches(text) for span in _sentences(text, start, end, whole))
    return [text[start:end] for span in found for start, end in _parts(text, *span)]


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield lines that read on, without their markers; those that stand alone whole: code, rows of tables."""
    fence: str | None = None
    open_at: int | None = None  # where the paragraph began that may go on
    last = 0
    for line in _LINE.finditer(text):
        markers = _MARKERS.match(text, line.start(), line.end())
        start, end = markers.end() if markers else line.start(), line.end()
        if fence is not None:
            start = _first(line)  # code has no markers
        apart, fence = _apart(line[0], fence)
        goes_on = open_at is not None and text.count("\n", last, line.start()) == 1 and start == _first(line)
        if open_at is not None and (apart or not goes_on or not line[0].strip()):
            yield open_at, last, False
            open_at = None
        if apart and not _FENCE.match(line[0]):
            yield start, end, True
        elif not apart and line[0].strip() and open_at is None:
            open_at = start
        last = end
    if open_at is not None:
        yield open_at, last, False


def _apart(line: str, fence: str | None) -> tuple[bool, str | None]:
    """Return whether a line stands alone, and the fence that is open after it."""
    marks = _FENCE.match(line)
    if marks and fence is None:
        return True, marks[1]
    if fence is not None:
        closed = marks is not None and marks[1].startswith(fence) and not line.strip().strip(fence[0])
        return True, None if closed else fence
    return line.lstrip().startswith(("|", "#")) or line.count(" | ") > 1, None


def _first(line: re.Match[str]) -> int:
    """Return where the first character stands that is not blank."""
    return line.end() - len(line[0].lstrip())


def _sentences(text: str, start: int, end: int, whole: bool) -> Iterator[Span]:
    if not whole:
        for mark in _ENDS.finditer(text, start, end):
            if _ends(text, start, mark):
                yield start, mark.end()
                start = mark.end()
    yield start, end


def _ends(text: str, start: int, mark: re.Match[str]) -> bool:
    """Return whether a sentence ends at a mark: not after "e.g." nor before a small letter."""
    following = text[mark.end() : mark.end() + 1]
    if following.islower() and mark[0][0] != "。":
        return False
    return mark[0][0] != "." or not _ABBREVIATION.search(text, max(start, mark.start() - 8), mark.start())


def _parts(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield a sentence without blanks around it, in parts if it is too long, if it says anything."""
    while start < end:
        start = end - len(text[start:end].lstrip())
        stop = end if end - start <= QUOTE_LIMIT else _stop(text, start)
        bare = text[start:stop].rstrip()
        if _SAYING.search(_TAG.sub("", bare) if bare[:1] in "<{" else bare):
            yield start, start + len(bare)
        start = stop


def _stop(text: str, start: int) -> int:
    """Return where the first part of a long sentence ends."""
    middle, room = start + QUOTE_LIMIT // 2, start + QUOTE_LIMIT
    clauses = [mark.end() for mark in _CLAUSE.finditer(text, middle, room)]
    if clauses:
        return clauses[-1]
    blank = max(text.rfind(" ", middle, room + 1), text.rfind("\n", middle, room + 1))
    return blank if blank > start else room
