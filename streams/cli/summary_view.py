"""How standing summaries look in a terminal: one product in full, or many a line each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from schemas.points import Band, Bands, Point
from schemas.summaries import Summary
from streams.cli.render import FAILING, LATE, QUIET, age, count, cut, pad, percent, plural, printable

WIDEST = 120
POINTS_SHOWN = 5
RISING = 1.25
FADING = 0.8

_SHARE_CELLS = 15
_TREND_CELLS = 11
_COUNT_CELLS = 7
_GAP = "  "


@dataclass(frozen=True, slots=True)
class _BandLook:
    """How the points of one band are marked."""

    sign: str
    style: str
    of: str  # what the share is a share of


_LOOKS = {
    "positive": _BandLook("+", "", ""),
    "negative": _BandLook("-", "", " of 1-2 ★"),
    "neutral": _BandLook("~", "", " of 3 ★"),
    "unrated": _BandLook("·", "", " of unrated"),
}


def product_lines(summary: Summary, now: float, width: int, points_shown: int = POINTS_SHOWN) -> Iterator[Text]:
    """Lay one summary out.

    Args:
        summary: As published; all its text is other people's.
        now: Unix seconds.
        width: Columns of the terminal, 40 or more.
        points_shown: Points a band, at most.
    """
    width = min(width, WIDEST)
    yield _title(summary, now, width)
    yield from _paragraph(summary.text, width)
    yield Text()
    for name, look in _LOOKS.items():
        yield from _band(_named(summary.bands, name), look, width, points_shown)
    yield _footer(summary, width)


def table_lines(summaries: Sequence[Summary], now: float, width: int) -> Iterator[Text]:
    """Lay many summaries out, a line each, in the order given.

    Args:
        summaries: As published.
        now: Unix seconds.
        width: Columns of the terminal, 60 or more.
    """
    width = min(width, WIDEST)
    longest = max((cell_len(printable(one.product_id)) for one in summaries), default=0)
    first = max(min(longest, width // 3), len("product"))
    rest = width - first - 31
    head = f"{pad('product', first)}  {'reviews':>8}  {'stars':>5}  {'updated':>8}  what stands"
    yield Text(cut(head, width), style="bold")
    for one in summaries:
        words = printable(one.text) if one.text else "no text yet"
        line = Text(pad(printable(one.product_id), first))
        line.append(f"  {count(one.metrics.review_count):>8}  {_stars(one.metrics.mean_rating):>5}")
        line.append(f"  {age(now - one.updated_at.timestamp()):>8}", style=QUIET)
        line.append(_GAP)
        line.append(cut(words, rest), style="" if one.text else QUIET)
        yield line


def trend_word(trend: float) -> str:
    """Say in words how a point moves.

    Example:
        >>> trend_word(1.83), trend_word(1.0), trend_word(0.5)
        ('rising ×1.8', 'steady', 'fading ×0.5')
    """
    if trend >= RISING:
        return f"rising ×{trend:.1f}"
    return f"fading ×{trend:.1f}" if trend <= FADING else "steady"


def _title(summary: Summary, now: float, width: int) -> Text:
    metrics = summary.metrics
    facts = [plural(metrics.review_count, "review")]
    if metrics.mean_rating is not None:
        facts.append(f"{metrics.mean_rating:.1f} ★")
    facts.append(f"updated {age(now - summary.updated_at.timestamp())} ago")
    right = " · ".join(facts)
    name = pad(printable(summary.product_id), max(width - cell_len(right) - 2, 8))
    return Text.assemble((name, "bold"), _GAP, (right, QUIET))


def _paragraph(text: str | None, width: int) -> Iterator[Text]:
    if not text:
        yield Text("  No text yet: too few reviews say the same.", style=QUIET)
        return
    for line in _wrapped(printable(text), width - 2):
        yield Text(f"  {line}")


def _wrapped(text: str, cells: int) -> Iterator[str]:
    line = ""
    for word in _breakable(text.split(), cells):
        if line and cell_len(line) + 1 + cell_len(word) > cells:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _breakable(words: Iterable[str], cells: int) -> Iterator[str]:
    """Break words longer than a line, as scripts without spaces have them."""
    for word in words:
        rest = word
        while cell_len(rest) > cells:
            head = cut(rest, cells).removesuffix("…")
            yield head
            rest = rest[len(head) :]
        yield rest


def _band(band: Band, look: _BandLook, width: int, points_shown: int) -> Iterator[Text]:
    for point in band.points[:points_shown]:
        yield _point(point, look, width)


def _point(point: Point, look: _BandLook, width: int) -> Text:
    fixed = 4 + _COUNT_CELLS + len(_GAP) + _SHARE_CELLS + _TREND_CELLS
    headline = min(width - fixed, 44)
    line = Text(f"  {look.sign} {pad(printable(point.headline), headline)}")
    line.append(f"{count(point.review_count):>{_COUNT_CELLS}}")
    line.append(_GAP)
    line.append(pad(f"{percent(point.share):>5}{look.of}", _SHARE_CELLS))
    trend = trend_word(point.trend)
    line.append(pad(trend, _TREND_CELLS), style=QUIET if trend == "steady" else "")
    room = width - cell_len(line.plain) - len(_GAP)
    if point.evidence and room >= 16:
        line.append(f'{_GAP}"{cut(printable(point.evidence[0].quote), room - 2)}"', style=QUIET)
    line.rstrip()
    return line


def _footer(summary: Summary, width: int) -> Text:
    value, flags = summary.value_for_money, summary.flag_counts
    line = Text("  value for money  ", style=QUIET)
    said = [f"{word} {number:,}" for word, number in _value_counts(value.good, value.poor, value.unclear) if number]
    line.append(" · ".join(said) or "nobody says")
    marks = Text()
    for word, number, style in (
        ("safety", flags.safety, FAILING),
        ("severe", flags.severe, LATE),
        ("profanity", flags.profanity, ""),
    ):
        if number:
            marks.append(" · " if marks else "")
            marks.append(f"{word} {number:,}", style=style)
    marks = marks or Text("no flags", style=QUIET)
    line.append(" " * max(width - cell_len(line.plain) - cell_len(marks.plain), 2))
    return line.append_text(marks)


def _value_counts(good: int, poor: int, unclear: int) -> tuple[tuple[str, int], ...]:
    return ("good", good), ("poor", poor), ("unclear", unclear)


def _named(bands: Bands, name: str) -> Band:
    band: Band = getattr(bands, name)
    return band


def _stars(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.1f}"
