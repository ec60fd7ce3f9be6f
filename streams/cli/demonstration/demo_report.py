"""What a demo shows at its end: three products, and what happened in figures."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.text import Text

from processors.simulator import Simulator, score_reading
from schemas.points import Reading
from schemas.summaries import Summary
from streams.cli.demonstration.live_view import GRAPH, Snapshot, delay
from streams.cli.render import QUIET, count, cut, pad, plural
from streams.cli.summary_view import product_lines

POINTS_SHOWN = 4

_NAME_CELLS = 15
_FIGURE_CELLS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """A demo when everything stands."""

    last: Snapshot
    sending_s: float
    reasons: Mapping[str, int]  # of dead letters
    recall: float | None  # of what the simulated buyers said most often; none when too little was said


def closing_lines(outcome: Outcome, at: float, width: int) -> Iterator[Text]:
    """Lay the summaries and the figures out.

    Args:
        outcome: Of the demo.
        at: Unix seconds.
        width: Columns of the terminal.
    """
    last = outcome.last
    yield Text("+ liked, - disliked, ~ from 3 ★; then how many reviews say it, share, trend", style=QUIET)
    for product_id, name in last.names.items():
        summary = last.latest.get(product_id)
        if summary is not None and summary.op == "upsert":
            yield Text()
            yield from product_lines(summary, at, width, POINTS_SHOWN, name=name)
    yield Text()
    yield Text.assemble(("What happened", "bold"), (f"  {GRAPH}", QUIET))
    for label, figure, words in _figures(outcome):
        room = width - _NAME_CELLS - _FIGURE_CELLS - 4
        yield Text.assemble(f"  {pad(label, _NAME_CELLS)}{figure:>{_FIGURE_CELLS}}  ", (cut(words, room), QUIET))


def find_recall(simulator: Simulator, latest: Mapping[str, Summary]) -> float | None:
    """Score the summaries against what the simulated buyers really said; none when they said too little."""
    recalls = []
    for product_id, summary in latest.items():
        if summary.op == "delete":
            continue
        reading = Reading(
            bands=summary.bands,
            value_for_money=summary.value_for_money,
            flags=summary.flags,
            flag_counts=summary.flag_counts,
            metrics=summary.metrics,
        )
        try:
            recalls.append(score_reading(reading, simulator.truth(product_id)).recall)
        except ValueError:  # no band has enough reviews to score
            continue
    return statistics.fmean(recalls) if recalls else None


def _figures(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    last, rate = outcome.last, outcome.last.sent / max(outcome.sending_s, 0.001)
    yield "reviews in", count(last.sent), f"{rate:,.0f} a second through Kafka"
    yield (
        "summaries out",
        count(last.summaries),
        f"for {plural(len(last.latest), 'product')}; each replaces the one before",
    )
    yield "in summaries", count(last.covered), "reviews that a published summary covers"
    yield "freshness p50", delay(last.freshness_p50_s), "from sending a review to a summary that covers it"
    yield "freshness p99", delay(last.freshness_p99_s), "the same for the slowest of a hundred"
    yield "texts written", count(last.writer_calls), "calls of the writer, on material change only"
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(outcome.reasons.items()))
    yield (
        "dead letters",
        count(last.dead_letters),
        f"kept whole: {reasons}" if reasons else "nothing unreadable",
    )
    if outcome.recall is not None:
        yield "points found", f"{outcome.recall:.0%}".replace("%", " %"), "of what the simulated buyers said most often"
