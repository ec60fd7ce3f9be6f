"""Read Markdown as headings and the blocks beneath them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from processors.documents.characters import CRUMB, bare

Kind = Literal["prose", "code", "list", "table", "rows"]

_KINDS: Final[dict[str, Kind]] = {
    "fence": "code",
    "code_block": "rows",
    "html_block": "rows",
    "table_open": "table",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
}
_FRONT: Final = re.compile(
    r"---[ \t]*\n"
    r"((?:[ \t]*\n|[\w.-]+[ \t]*:.*\n|[ \t]+\S.*\n|- .*\n|#.*\n){0,60})"  # no line fits two of them
    r"(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)
_MARKDOWN: Final = MarkdownIt("commonmark").enable("table").disable("reference")


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading.

    Args:
        level: 1 for the outermost, to 6.
        text: As in a breadcrumb.
        line: Where it stands, which tells it from others of the same words.
    """

    level: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: a paragraph, a list, a table, a piece of code.

    Args:
        kind: What they are.
        text: The lines, verbatim.
        items: Of a list, where each of its items begins, in lines from 0.
    """

    kind: Kind
    text: str
    items: tuple[int, ...] = ()


def read_blocks(markdown: str) -> Iterator[Heading | Block]:
    """Yield headings and blocks in order; every line that is not blank stands in one of them.

    Only headings of the document itself count, none in code, quotes or lists. One over 120 characters or of
    several lines is a paragraph. The settings many generators put first, between two lines of "---", are rows.

    Example:
        >>> list(read_blocks("# A\\n\\nb\\n"))
        [Heading(level=1, text='A', line=0), Block(kind='prose', text='b', items=())]
    """
    front = _FRONT.match(markdown)
    if front:
        if front[1].strip():
            yield Block("rows", front[1].strip("\n"))
        markdown = markdown[front.end() :]
    lines = markdown.split("\n")
    tokens: list[Token] = []
    _MARKDOWN.block.parse(markdown, _MARKDOWN, {}, tokens)
    reached = 0
    for place, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        start, end = max(token.map[0], reached), token.map[1]
        yield from _prose(lines[reached:start])
        reached = max(end, reached)
        heading = _heading(token, tokens[place + 1]) if token.type == "heading_open" else None
        yield from [heading] if heading else _block(token, tokens, place, lines[start:end])
    yield from _prose(lines[reached:])


def _heading(token: Token, inline: Token) -> Heading | None:
    text = bare(inline.content)
    if token.map is None or not text or len(text) > CRUMB or "\n" in inline.content:
        return None
    return Heading(int(token.tag[1]), text, token.map[0])


def _block(token: Token, tokens: list[Token], place: int, lines: list[str]) -> Iterator[Block]:
    kind = _KINDS.get(token.type, "prose")
    if kind == "list" and token.map:
        first = token.map[0]
        items = tuple(start - first for start in _items(tokens, place))
        yield from _made(kind, lines, items)
    else:
        yield from _made(kind, lines)


def _items(tokens: list[Token], place: int) -> Iterator[int]:
    for token in tokens[place + 1 :]:
        if token.level == 0:
            return
        if token.type == "list_item_open" and token.level == 1 and token.map:
            yield token.map[0]


def _prose(lines: list[str]) -> Iterator[Block]:
    yield from _made("prose", lines)


def _made(kind: Kind, lines: list[str], items: tuple[int, ...] = ()) -> Iterator[Block]:
    said = [place for place, line in enumerate(lines) if line.strip()]
    if said:
        yield Block(kind, "\n".join(lines[said[0] : said[-1] + 1]), items)
