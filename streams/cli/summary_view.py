"""How standing summaries look in a terminal: one product in full, or many a line each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from schemas.points import Band, Bands, Point
from schemas.summaries import Summary
from streams.cli.render import FAILING, LATE, QUIET, age, count, cut, pad, percent, plural, printable, wrapped

WIDEST = 120
MEASURE = 75
"""Columns a paragraph reads well at."""

POINTS_SHOWN = 5
RISING = 1.25
FADING = 0.8
LEAST_FOR_TREND = 10
"""Reviews of a point below which its trend is chance."""

_SHARE_CELLS = 15
_TREND_CELLS = 11
_COUNT_CELLS = 7
_GAP = "  "


@dataclass(frozen=True, slots=True)
class _BandLook:
    """How the points of one band are marked."""

    sign: str
    of: str  # what the share is a share of
    shown: float = 1.0  # of the points asked for


_LOOKS = {
    "positive": _BandLook("+", ""),
    "negative": _BandLook("-", " of 1-2 ★"),
    "neutral": _BandLook("~", " of 3 ★", 0.5),  # who neither likes nor dislikes says least
    "unrated": _BandLook("·", " unrated"),
}


def product_lines(
    summary: Summary, now: float, width: int, points_shown: int = POINTS_SHOWN, quotes: int = 0, name: str | None = None
) -> Iterator[Text]:
    """Lay one summary out.

    Args:
        summary: As published; all its text is other people's.
        now: Unix seconds.
        width: Columns of the terminal, 40 or more.
        points_shown: Points a band, at most.
        quotes: Quotes under each point, at most; without any, the first stands beside it where there is room.
        name: Of the product; none shows its id.
    """
    width = min(width, WIDEST)
    yield title_line(summary, now, width, name)
    yield from paragraph_lines(summary.text, width)
    yield Text()
    for name, look in _LOOKS.items():
        for point in _named(summary.bands, name).points[: math.ceil(points_shown * look.shown)]:
            yield _point(point, look, width, beside=quotes == 0)
            for evidence in point.evidence[:quotes]:
                yield Text(f'      "{cut(printable(evidence.quote), width - 8)}"', style=QUIET)
    yield from _footer(summary, width)


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
        words = printable(one.text) if one.text else "no text now" if one.text is None else "no text yet"
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


def title_line(summary: Summary, now: float, width: int, name: str | None = None) -> Text:
    """Name the product, by its id unless a name is known, and tell what the summary is made of."""
    metrics = summary.metrics
    facts = [plural(metrics.review_count, "review")]
    if metrics.mean_rating is not None:
        facts.append(f"{metrics.mean_rating:.1f} ★")
    facts.append(f"updated {age(now - summary.updated_at.timestamp())} ago")
    right = " · ".join(facts)
    shown = pad(printable(name or summary.product_id), max(width - cell_len(right) - 2, 8))
    return Text.assemble((shown, "bold"), _GAP, (right, QUIET))


def paragraph_lines(text: str | None, width: int) -> Iterator[Text]:
    """Wrap a text, indented; without one say why: none is written yet, or there was nothing to write."""
    if not text:
        why = "No text now: one is being written." if text is None else "No text yet: too few reviews say the same."
        yield Text(f"  {why}", style=QUIET)
        return
    for line in wrapped(printable(text), min(width - 2, MEASURE)):
        yield Text(f"  {line}")


def _point(point: Point, look: _BandLook, width: int, *, beside: bool) -> Text:
    fixed = 4 + _COUNT_CELLS + len(_GAP) + _SHARE_CELLS + _TREND_CELLS
    headline = min(max(width - fixed, 8), 44)
    line = Text(f"  {look.sign} {pad(printable(point.headline), headline)}")
    line.append(f"{count(point.review_count):>{_COUNT_CELLS}}")
    line.append(_GAP)
    line.append(pad(f"{percent(point.share):>5}{look.of}", _SHARE_CELLS))
    trend = trend_word(point.trend) if point.review_count >= LEAST_FOR_TREND else ""
    line.append(pad(trend, _TREND_CELLS), style=QUIET if trend == "steady" else "")
    room = width - cell_len(line.plain) - len(_GAP)
    quote = _quote(point) if beside and room >= 16 else None
    if quote:
        line.append(f'{_GAP}"{cut(printable(quote), room - 2)}"', style=QUIET)
    line.rstrip()
    return line


def _quote(point: Point) -> str | None:
    """Pick the first quote that says more than the headline, which often is a quote itself."""
    quotes = [evidence.quote for evidence in point.evidence]
    told = point.headline.rstrip(" .!…").casefold()
    return next((quote for quote in quotes if told not in quote.casefold()), quotes[0] if quotes else None)


def _footer(summary: Summary, width: int) -> Iterator[Text]:
    value, flags = summary.value_for_money, summary.flag_counts
    line = Text.assemble(("  value for money  ", QUIET))
    line.append_text(_counts(("good", value.good, ""), ("poor", value.poor, ""), ("unclear", value.unclear, "")))
    marks = _counts(
        ("safety", flags.safety, FAILING), ("severe", flags.severe, LATE), ("profanity", flags.profanity, "")
    )
    if not any((flags.safety, flags.severe, flags.profanity)):
        yield line
        return
    space = width - cell_len(line.plain) - cell_len(marks.plain)
    if space < len(_GAP):
        yield line
        yield Text.assemble(("  flags  ", QUIET), marks)
    else:
        yield line.append(" " * space).append_text(marks)


def _counts(*counts: tuple[str, int, str]) -> Text:
    """Join (word, number, style), leaving out what nobody said."""
    parts = [Text(f"{word} {number:,}", style=style) for word, number, style in counts if number]
    return Text(" · ").join(parts) if parts else Text("none")


def _named(bands: Bands, name: str) -> Band:
    band: Band = getattr(bands, name)
    return band


def _stars(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.1f}"
