"""How a running demo looks: one screen that changes in place, or a line now and then where nobody watches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from schemas.summaries import Summary
from streams.cli.health import Part
from streams.cli.render import FAILING as RED
from streams.cli.render import QUIET, count, pad, plural
from streams.cli.status_view import part_lines
from streams.cli.summary_view import paragraph_lines, title_line

GRAPH = "reviews → digest → points → summarize → summaries"
LEAST_TEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A demo at one moment."""

    stage: str  # what is going on, in a few words
    sent: int
    broken: int
    rate: float  # reviews a second, lately
    covered: int  # reviews in published summaries
    summaries: int
    freshness_p50_s: float | None
    freshness_p99_s: float | None
    writer_calls: int
    dead_letters: int
    parts: Sequence[Part]
    latest: Mapping[str, Summary]
    names: Mapping[str, str]  # products by id


def screen_lines(now: Snapshot, at: float, width: int, height: int) -> Iterator[Text]:
    """Lay a moment out for a screen.

    Args:
        now: What to show.
        at: Unix seconds.
        width: Columns, 80 or more.
        height: Rows; what does not fit at the end is left out.
    """
    width = min(width, 120)
    lines = [_head(now, width), Text(), *_figures(now, width), Text(), *part_lines(now.parts, width), Text()]
    text_lines = max(LEAST_TEXT_LINES, (height - 1 - len(lines)) // max(len(now.names), 1) - 1)
    for product_id in now.names:
        summary = now.latest.get(product_id)
        if summary is not None and summary.op == "upsert":
            lines.append(title_line(summary, at, width, now.names[product_id]))
            lines.extend(_first(list(paragraph_lines(summary.text, width)), text_lines))
    yield from lines[: height - 1]


def plain_line(now: Snapshot, elapsed_s: float) -> str:
    """Tell a moment in one line."""
    odd = [f"{part.part} {part.state}" for part in now.parts if part.state != "ok"]
    state = ", ".join(odd) or "all parts ok"
    return (
        f"{elapsed_s:5.0f} s  {now.stage}: {plural(now.sent, 'review')} in ({now.rate:,.0f}/s), "
        f"{count(now.covered)} in {count(now.summaries)} summaries out, "
        f"freshness p99 {delay(now.freshness_p99_s)}, {state}"
    )


def delay(seconds: float | None) -> str:
    """Write how long something took.

    Example:
        >>> delay(0.84), delay(None)
        ('0.8 s', '-')
    """
    return "-" if seconds is None else f"{seconds:.1f} s"


def _first(lines: Sequence[Text], limit: int) -> Sequence[Text]:
    return [*lines[: limit - 1], lines[limit - 1] + " …"] if len(lines) > limit else lines


def _head(now: Snapshot, width: int) -> Text:
    left = f"millrace demo · {now.stage}"
    space = width - cell_len(left) - cell_len(GRAPH)
    return Text.assemble((left, "bold"), (" " * space + GRAPH if space > 1 else "", QUIET))


def _figures(now: Snapshot, width: int) -> Iterator[Text]:
    freshness = f"p50 {delay(now.freshness_p50_s)}, p99 {delay(now.freshness_p99_s)}"
    rows = (
        (("reviews in", f"{count(now.sent)}  ({now.rate:,.0f}/s)"), ("summaries out", count(now.summaries))),
        (("in summaries", count(now.covered)), ("texts written", count(now.writer_calls))),
        (("freshness", freshness), ("dead letters", f"{count(now.dead_letters)} of {count(now.broken)} broken")),
    )
    half = width // 2
    for left, right in rows:
        line = Text.assemble((pad(left[0], 14), QUIET), pad(left[1], half - 14), (pad(right[0], 15), QUIET))
        behind = right[0] == "dead letters" and now.dead_letters > now.broken
        yield line.append(right[1], style=RED if behind else "")
