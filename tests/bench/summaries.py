"""``millrace bench summaries``: how fast reviews become summaries, how fresh, how often written, how true."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from infra.database import Store, Waits, open_store
from infra.outbox import Cause
from infra.places import StorePlace
from models.sentence_table import SentenceTable
from processors.simulator.scoring import score_reading
from processors.simulator.simulator import Simulator
from processors.texts.paragraph import compose
from schemas import tables
from schemas.heartbeats import Counters
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.digest import DigestHandler
from streams.digest_decision import Delays
from streams.events import Event
from streams.products import Products
from streams.shadows import Shadows
from tests.bench import delivery
from tests.bench.load import invented_reviews, published, real_reviews, send
from tests.bench.stack import Stack
from tests.quality.reading import read
from tests.quality.rouge import evaluate_fewsum

THROUGHPUT_REVIEWS = 12_000
FRESH_S = 40
FRESH_PER_S = 200.0
RUN = 50
Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures."""
    reviews = real_reviews(data, THROUGHPUT_REVIEWS + 30_000) if data else invented_reviews(THROUGHPUT_REVIEWS + 30_000)
    name = "clothing reviews (distinct texts)" if data else "invented reviews"
    backlog, rest = reviews[:THROUGHPUT_REVIEWS], reviews[THROUGHPUT_REVIEWS:]
    figures: Figures = {}
    with Stack() as stack:
        tell(f"a backlog of {len(backlog):,} {name}")
        figures |= throughput(stack, backlog)
        tell(f"{FRESH_PER_S:.0f} a second for {FRESH_S} s")
        figures |= freshness(stack, rest[: int(FRESH_S * FRESH_PER_S)])
        figures["resident_mb"] = round(stack.resident_mb())
        tell("the points once more, with the ledger kept")
        figures |= replay(stack)
        stack.stop_workers()
        tell("the loop with and without fence and outbox, on both databases")
        figures |= delivery.run(stack, backlog)
    tell("the same backlog on Postgres")
    figures["reviews_per_s_postgres"] = on_postgres(backlog)
    tell("cost of a review at product sizes 10 and 10,000")
    figures["cost_ratio_10k_to_10"] = cost_ratio()
    tell("points against the simulator's truth")
    figures |= points()
    tell("ROUGE on FewSum val" if data else "no --data: no ROUGE")
    figures |= rouge(data)
    return f"{len(backlog):,} {name}; then {FRESH_PER_S:.0f}/s for {FRESH_S} s", figures


def throughput(stack: Stack, reviews: Sequence[Review]) -> Figures:
    """Count a review when a published summary covers it; the tail is hurried as ``millrace wait`` does."""
    asyncio.run(send(stack, reviews))
    stack.start_workers()
    started = time.monotonic()
    stack.wait()
    elapsed_s = time.monotonic() - started
    counters = stack.counters("summarize")
    rewrites = counters["writer_calls"] - counters["refreshes"]
    summaries = asyncio.run(published(stack))
    covered = {summary.product_id: summary.metrics.review_count for _, summary in summaries}
    if sum(covered.values()) != len(reviews):
        raise RuntimeError(f"{sum(covered.values()):,} of {len(reviews):,} reviews are covered")
    return {
        "reviews_per_s": round(len(reviews) / elapsed_s),
        "summaries_per_s": round(len(summaries) / elapsed_s),
        "writer_calls_per_1000": round(rewrites / len(reviews) * 1000, 1),
        "refreshes_per_1000": round(counters["refreshes"] / len(reviews) * 1000, 1),
    }


def on_postgres(reviews: Sequence[Review]) -> float | None:
    """Reviews a second with all state in a Postgres on this machine; none where none is installed."""
    with delivery.database_url("postgres") as url:
        if url is None:
            return None
        with Stack(MILLRACE_SQL=url) as stack:
            return throughput(stack, reviews)["reviews_per_s"]


def freshness(stack: Stack, reviews: Sequence[Review]) -> Figures:
    """Time from a review's Kafka timestamp to that of the first summary that includes it."""
    again = [_renamed(review) for review in reviews]
    sent = asyncio.run(send(stack, again, FRESH_PER_S))
    stack.wait()
    ages = _ages(sent, again, asyncio.run(published(stack)))
    cuts = statistics.quantiles(ages, n=100)
    return {"fresh_p50_s": round(cuts[49], 2), "fresh_p99_s": round(cuts[98], 2)}


def _renamed(review: Review) -> Review:
    return Review(
        review_id=f"fresh-{review.review_id}",
        product_id=review.product_id,
        text=review.text,
        rating=review.rating,
        title=review.title,
    )


def _ages(
    sent: dict[tuple[int, int], float], reviews: Sequence[Review], seen: Sequence[tuple[float, Summary]]
) -> list[float]:
    by_product: dict[str, list[tuple[float, Summary]]] = {}
    for at, summary in seen:
        by_product.setdefault(summary.product_id, []).append((at, summary))
    ages = []
    for (partition, offset), (review, at) in zip(sent, zip(reviews, sent.values(), strict=True), strict=True):
        covering = (
            when
            for when, summary in by_product[review.product_id]
            if summary.sources["reviews"].get(str(partition), 0) > offset
        )
        ages.append(next(covering) - at)
    return ages


def replay(stack: Stack) -> Figures:
    """Read all points again into an empty summarize store that keeps only its ledger."""
    stack.stop_workers()
    with stack.store("summarize").transaction() as connection:
        for table in (tables.summaries, tables.work, tables.work_inputs, tables.outbox, tables.fences):
            connection.execute(sa.delete(table))
    stack.start_workers(("summarize",))
    stack.wait()
    counters = stack.counters("summarize")
    calls = counters["ledger_hits"] + counters["writer_calls"]
    return {"replay_ledger_hit_rate": round(counters["ledger_hits"] / calls, 3)}


def cost_ratio() -> float:
    """CPU of a review at product size 10,000 over that at size 10, timers and SQL included; median of 3."""
    reviews = list(Simulator(seed=3, products=1).reviews(10_200))
    ratios = []
    for _ in range(3):
        small = [_cost([_moved(review, f"p{number}") for review in reviews[:15]], 5) for number in range(20)]
        ratios.append(_cost(reviews, 10_000) / statistics.median(small))
    return round(statistics.median(ratios), 2)


def _cost(reviews: Sequence[Review], first: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(StorePlace("digest", Path(folder)), Waits())
        handler = DigestHandler(
            store,
            SentenceTable.load(),
            Products(store, 100),
            Shadows(store),
            points_topic="points",
            delays=Delays(30, 5),
            counters=Counters(),
            now=time.time,
        )
        _apply(store, handler, reviews[:first])
        started = time.process_time()
        _apply(store, handler, reviews[first:])
        spent = time.process_time() - started
        store.close()
    return spent / (len(reviews) - first)


def _apply(store: Store, handler: DigestHandler, reviews: Sequence[Review]) -> None:
    for start in range(0, len(reviews), RUN):
        events = [
            Event(Cause("t.reviews.v1", 0, start + number), review.created_at, review, _Raw())
            for number, review in enumerate(reviews[start : start + RUN])
        ]
        decision = handler.decide(events, start + len(events))
        with store.write() as connection:
            decision.write(connection)


class _Raw:
    headers = ()


def _moved(review: Review, product_id: str) -> Review:
    return Review(
        review_id=review.review_id,
        product_id=product_id,
        text=review.text,
        rating=review.rating,
        created_at=review.created_at,
    )


def points() -> Figures:
    """Point recall, purity and share error on three seeds of three products, about 400 reviews each."""
    table, scores = SentenceTable.load(), []
    for seed in (11, 12, 13):
        simulator = Simulator(seed=seed, products=3)
        by_product: dict[str, list[Review]] = {}
        for review in simulator.reviews(1_200):
            by_product.setdefault(review.product_id, []).append(review)
        scores += [
            score_reading(read(reviews, table), simulator.truth(product_id))
            for product_id, reviews in by_product.items()
        ]
    return {
        "point_recall": round(statistics.fmean(score.recall for score in scores), 3),
        "point_purity": round(statistics.fmean(score.purity for score in scores), 3),
        "share_error": round(statistics.fmean(score.share_error for score in scores), 3),
    }


def rouge(data: Path | None) -> Figures:
    """ROUGE F1 in percent over both FewSum validation sets; null without data."""
    if data is None:
        return {"rouge1": None, "rouge2": None, "rougeL": None}
    table = SentenceTable.load()
    scores = evaluate_fewsum(data, lambda reviews: compose(read(reviews, table), table.encode))
    return {name: round(value, 1) for name, value in scores.items()}
