"""How hits look in a terminal: rank, where it stands, the sentence that fits, what to cite."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.text import Text

from processors.search.terms import spans_of, terms_of
from schemas.hits import Hit, Passage
from streams.cli.render import QUIET, cut, printable, wrapped

MEASURE = 75
"""Columns a quote reads well at."""

_INDENT = 4


def hit_lines(passages: Sequence[Passage], question: str, width: int) -> Iterator[Text]:
    """Lay hits out, best first: heading and score, the quote with the question's words in bold, the id.

    Args:
        passages: As found; all their text is other people's.
        question: As it was asked.
        width: Columns of the terminal, 40 or more.
    """
    terms = terms_of(question)
    for rank, passage in enumerate(passages, 1):
        if rank > 1:
            yield Text()
        yield _heading(rank, passage.hit, width)
        for line in wrapped(f'"{printable(passage.hit.quote)}"', min(width - _INDENT, MEASURE)):
            yield _marked(line, terms)
        yield Text(f"{'':{_INDENT}}{cut(_source(passage), width - _INDENT)}", style=QUIET)


def title_of(hit: Hit) -> str:
    """Name where a hit stands: title, then the headings above it.

    Example:
        >>> hit = Hit(document_id="a", chunk_id="c", title="Guide", quote="", score=1, parts={}, breadcrumb="Start")
        >>> title_of(hit)
        'Guide > Start'
    """
    if hit.kind == "review":
        return hit.title or "Review"
    title, breadcrumb = hit.title or "", hit.breadcrumb
    if f"{breadcrumb} > ".casefold().startswith(f"{title} > ".casefold()):
        title = ""
    return " > ".join(part for part in (title, breadcrumb) if part) or hit.document_id


def _heading(rank: int, hit: Hit, width: int) -> Text:
    score = f"{hit.score:.2f}"
    room = width - _INDENT - len(score) - 2
    title = cut(printable(title_of(hit)), room)
    gap = " " * (room - cell_len(title) + 2)
    return Text.assemble((f"{rank:>2}  ", QUIET), (title, "bold"), gap, (score, QUIET))


def _marked(line: str, terms: Sequence[str]) -> Text:
    shown = Text(f"{'':{_INDENT}}{line}")
    for start, end in spans_of(terms, line):
        shown.stylize("bold underline", _INDENT + start, _INDENT + end)
    return shown


def _source(passage: Passage) -> str:
    hit = passage.hit
    told = [printable(hit.document_id)]
    if passage.rating is not None:
        told.append(f"{passage.rating:g} ★")
    if passage.at is not None:
        told.append(datetime.fromtimestamp(passage.at, UTC).strftime("%Y-%m-%d"))
    if hit.uri and hit.uri != hit.document_id:
        told.append(printable(hit.uri))
    return " · ".join(told)
