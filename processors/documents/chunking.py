"""Cut a document into chunks: at its headings, then where its content says, so that an edit changes few of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final

from processors.documents.blocks import Block, Heading, read_blocks
from processors.documents.characters import clean, crumb
from processors.documents.splitting import PROSE, ROWS, lines_of, runs, split

VERSION = "headings-2"
"""Changes when the same document would be cut otherwise."""

LEAST = 100
"""Characters the longest chunk must have room for."""

PARAGRAPH: Final = 2
"""Times the room of a chunk that a paragraph by itself may take: what an abstract says is found less well in parts."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[^\n]{0,60}\Z")
_JOINT: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk.

    Args:
        breadcrumb: Headings above it, outermost first, joined by " > "; the title first unless it is the first.
        text: Its lines, verbatim, without the headings.
    """

    breadcrumb: str
    text: str


def cut(title: str | None, markdown: str, longest: int = 900) -> tuple[Piece, ...]:
    """Cut a document into chunks.

    A chunk never reaches over a heading. Lists, tables and code stay whole where they have room; code and tables
    that have not are cut at lines, and every part gets the fence or the table's head again. A paragraph that has no
    room is a chunk of its own, and may be twice as long before it is cut. A heading with nothing beneath it is
    text. Text nothing can part, like a line without blanks, is cut anywhere.

    Args:
        title: Of the document.
        markdown: See ``formats.read_text``.
        longest: Characters of a chunk, 100 or more; a single paragraph may have twice as many.

    Returns:
        Chunks in order; none of an empty document, the title of one that has nothing else.

    Raises:
        ValueError: If ``longest`` is too small.

    Example:
        >>> cut("Guide", "# Install\\n\\n## Linux\\n\\nRun it as root.")
        (Piece(breadcrumb='Guide > Install > Linux', text='Run it as root.'),)
    """
    if longest < LEAST:
        raise ValueError(f"longest: expected {LEAST} characters or more, got {longest}")
    head = crumb(title or "")
    pieces = [
        Piece(breadcrumb, text)
        for breadcrumb, blocks in _sections(head, clean(markdown))
        for text in _texts(blocks, longest)
    ]
    if not pieces and head:
        pieces = [Piece("", text.strip()) for text in split(" ".join(clean(title or "").split()), longest, PROSE)]
    return tuple(pieces)


def _sections(title: str, markdown: str) -> Iterator[tuple[str, list[Block]]]:
    """Yield every run of blocks without a heading between them, under its breadcrumb."""
    for above, placed in groupby(_placed(list(read_blocks(markdown))), key=itemgetter(0)):
        crumbs = [heading.text for heading in above]
        if title and (not crumbs or crumbs[0].casefold() != title.casefold()):
            crumbs = [title, *crumbs]
        yield " > ".join(crumbs), [block for _, block in placed]


def _placed(found: list[Heading | Block]) -> Iterator[tuple[tuple[Heading, ...], Block]]:
    """Yield every block with the headings above it; a heading with nothing beneath it is a block of its parent."""
    above: tuple[Heading, ...] = ()
    for this, following in zip(found, [*found[1:], None], strict=False):  # none of an empty document
        if isinstance(this, Block):
            yield above, this
            continue
        above = tuple(heading for heading in above if heading.level < this.level)
        if following is None or (isinstance(following, Heading) and following.level <= this.level):
            yield above, Block("prose", this.text)
        else:
            above = (*above, this)


def _texts(blocks: list[Block], longest: int) -> Iterator[str]:
    """Yield the texts of a section's chunks."""
    units: list[str] = []
    for block in blocks:
        parts = _apart(block, longest)
        if parts:
            yield from _joined(units, longest)
            yield from parts
            units = []
        else:
            units += _units(block, longest - len(_JOINT))
    yield from _joined(units, longest)


def _joined(units: list[str], longest: int) -> Iterator[str]:
    for group in runs(units, longest):
        text = "".join(group).strip("\n").rstrip()
        if text.strip():
            yield text


def _units(block: Block, longest: int) -> list[str]:
    """Return a block whole if it has room, else its parts; each begins with what parts it from what is before."""
    splitters = PROSE if block.kind == "prose" else ROWS
    if block.items:
        splitters = (partial(_items_of, items=block.items), *ROWS)
    first, *others = split(block.text, longest, splitters)
    return [_JOINT + first, *others]


def _apart(block: Block, longest: int) -> list[str]:
    """Return the chunks of a block without room for others: a paragraph, or parts of code or a table in their frames.

    Nothing of any other block.
    """
    if len(block.text) <= longest - len(_JOINT):
        return []
    if block.kind == "prose":
        return [block.text.rstrip()] if len(block.text) <= PARAGRAPH * longest else []
    if block.kind == "code":
        return _fenced(block.text, longest)
    return _headed(block.text, longest) if block.kind == "table" else []


def _items_of(text: str, items: tuple[int, ...]) -> list[str]:
    lines = lines_of(text)
    return ["".join(lines[start:end]) for start, end in pairwise([*items, len(lines)])]


def _fenced(text: str, longest: int) -> list[str]:
    """Cut code between fences into parts that are each between fences."""
    opening, _, body = text.partition("\n")
    fence = _FENCE.match(opening)
    if fence is None:
        return []
    inside, _, closing = body.rpartition("\n")
    if not closing.strip().startswith(fence[1]) or closing.strip().strip(fence[1][0]):
        inside = body
    room = longest - len(opening) - len(fence[1]) - 2
    parts = [part.strip("\n") for part in split(inside, room, ROWS)]
    return [f"{opening}\n{part}\n{fence[1]}" for part in parts if part.strip()]


def _headed(text: str, longest: int) -> list[str]:
    """Cut a table into parts that each have its head; a head that takes a third of the room is not repeated."""
    head = "".join(lines_of(text)[:2])
    if len(head) > longest // 3:
        return []
    parts = split(text[len(head) :], longest - len(head), ROWS)
    return [head + part.rstrip() for part in parts if part.strip()]
