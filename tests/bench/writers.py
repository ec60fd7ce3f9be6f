"""``millrace bench writers``: how often language models are asked, for how much, and how well requests are packed."""

import asyncio
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from models.sentence_table import SentenceTable
from processors.calls.prices import Prices
from schemas import tables
from schemas.reviews import Review
from tests import parrot
from tests.bench import batching
from tests.bench.load import send
from tests.bench.review_sets import review_sets
from tests.bench.rewriting import BATCH, MATURE, Counted, Tally, count, total
from tests.bench.stack import CHECKOUT, Stack
from tests.fake_endpoint import FakeEndpoint

PRICE = "0.15/0.60"
"""Per million tokens read and said: what a small hosted model costs."""

REPLAYED = 600
"""Reviews of the last set that go through the whole stack: it has the most a product."""

LIVE_PER_S = 15.0

Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell, limit: int | None = None, peer: str | None = None) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures.

    Args:
        data: Folder with the public sets.
        tell: Says what is measured now.
        limit: Reviews of each set at most.
        peer: A Python with the llm extra, if this one has none.
    """
    sets = review_sets(data, limit)
    names = ", ".join(f"{name} {len(reviews):,}" for name, reviews in sets.items())
    tell(f"calls and tokens by the product's own decisions: {names}")
    counted = counts(sets)
    figures = by_age(list(counted.values()))
    replayed = list(sets.values())[-1][:REPLAYED]
    tell(f"a real stack, and its points once more over the same ledger: {len(replayed):,} reviews")
    figures |= replay(replayed)
    tell("the batcher and a simulated model")
    requests = batching.REQUESTS if limit is None else min(batching.REQUESTS, 10 * limit)
    packed = batched(requests)
    figures["padding_waste"] = packed[f"batcher_padding_waste_{batching.CONCURRENT_KEYS[-1]}"]
    for name, one in counted.items():
        figures |= by_way(name, one)
    figures |= packed
    tell(
        "continuous against static batching on one thread" if _llm(peer) else "no llm extra, no --peer: no local model"
    )
    return told(names, len(replayed), requests), figures | continuous(peer)


def told(names: str, replayed: int, requests: int) -> str:
    """Say what was measured on."""
    return (
        f"{names} reviews in their order, each read by itself (a slow stream: debouncing saves nothing); mature: of a "
        f"product with {MATURE} reviews before it; tokens: MiniLM's word pieces; price {PRICE} per million tokens "
        f"in/out; batches of {BATCH} reviews; replay: {replayed:,} of the last set through Kafka, as a backlog and "
        f"live, {LIVE_PER_S:.0f} a second; batcher: "
        f"{requests:,} simulated requests at {', '.join(map(str, batching.CONCURRENT_KEYS))} concurrent keys"
    )


def counts(sets: Mapping[str, Sequence[Review]]) -> dict[str, Counted]:
    """Count what every set takes, as many at a time as there are cores."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(sets), os.cpu_count() or 1), mp_context=context) as pool:
        return dict(zip(sets, pool.map(partial(count, table=SentenceTable.load()), sets.values()), strict=True))


def by_age(counted: Sequence[Counted]) -> Figures:
    """Calls for reviews of products that had many reviews before, and of the others."""
    whole = total(counted)
    young_calls = whole.material.calls - whole.mature.calls
    return {
        "calls_per_1000_reviews_mature": per_1000(whole.mature.calls, whole.mature_reviews),
        "calls_per_1000_reviews_young": per_1000(young_calls, whole.reviews - whole.mature_reviews),
    }


def by_way(name: str, counted: Counted) -> Figures:
    """Calls, tokens and cost per 1,000 reviews of one set, written in three ways."""
    ways: dict[str, Tally] = {
        "material": counted.material,
        "each_review": counted.each_review,
        "each_batch": counted.each_batch,
    }
    prices, figures = Prices.parse(f"model={PRICE}"), Figures()
    for way, tally in ways.items():
        cost = prices.cost("model", tally.tokens_in, tally.tokens_out)
        figures[f"{name}_{way}_calls_per_1000"] = per_1000(tally.calls, counted.reviews)
        figures[f"{name}_{way}_tokens_per_1000"] = round((tally.tokens_in + tally.tokens_out) / counted.reviews * 1000)
        figures[f"{name}_{way}_cost_per_1000"] = round(cost / counted.reviews * 1000, 4)
    figures[f"{name}_rejected_twice_share"] = round(counted.rejected / counted.material.calls, 4)
    return figures


def per_1000(calls: int, reviews: int) -> float | None:
    """Calls per 1,000 reviews; none where there are no reviews."""
    return round(calls / reviews * 1000, 1) if reviews else None


def replay(reviews: Sequence[Review]) -> Figures:
    """Read all points twice over the same ledger: those of a backlog, and those of a stream that came slowly.

    What was live is read faster the second time, and should ask for nothing new: what a text is written from depends
    on the order of the points alone.
    """
    with scripted_stack() as (stack, endpoint):
        asyncio.run(send(stack, reviews))
        stack.start_workers(("digest",))
        stack.wait("digest")
        stack.stop_workers()
        calls, _ = read_points(stack)
        asked = len(endpoint.asked)
        forget_all_but_ledger(stack)
        again, hits = read_points(stack)
        requests = len(endpoint.asked) - asked
    with scripted_stack() as (stack, _):
        stack.start_workers()
        asyncio.run(send(stack, reviews, LIVE_PER_S))
        stack.wait()
        live_calls = stack.counters("summarize")["writer_calls"]
        stack.stop_workers()
        forget_all_but_ledger(stack)
        live_again, live_hits = read_points(stack)
    if not calls or not live_calls:
        raise RuntimeError("nobody asked the model: there is nothing to replay")
    return {
        "replay_calls": again,
        "replay_ledger_hit_rate": round(hits / (hits + again), 3),
        "replay_requests": requests,  # as the endpoint counts them
        "replayed_calls": calls,
        "live_calls": live_calls,
        "live_replay_calls": live_again,
        "live_replay_ledger_hit_rate": round(live_hits / (live_hits + live_again), 3),
    }


@contextmanager
def scripted_stack() -> Iterator[tuple[Stack, FakeEndpoint]]:
    """Run a stack whose writer is a model that repeats its points."""
    with (
        FakeEndpoint(says=parrot.answer) as endpoint,
        Stack(MILLRACE_WRITER="openai:scripted", MILLRACE_WRITER_URL=endpoint.url) as stack,
    ):
        yield stack, endpoint


def read_points(stack: Stack) -> tuple[float, float]:
    """Have summarize read its topic; returns calls of the model, and calls that the ledger had."""
    stack.start_workers(("summarize",))
    stack.wait()
    counters = stack.counters("summarize")
    stack.stop_workers()
    return counters["writer_calls"], counters["ledger_hits"]


def forget_all_but_ledger(stack: Stack) -> None:
    """Have summarize begin anew, with nothing but its ledger."""
    with stack.store("summarize").transaction() as connection:
        for table in (tables.summaries, tables.work, tables.work_inputs, tables.outbox, tables.fences):
            connection.execute(sa.delete(table))


def batched(requests: int) -> Figures:
    """Throughput, 99th percentile and padding of the batcher and of counting batchers, at each number of keys."""
    found = batching.simulate(requests=requests)["figures"]
    kept = ("requests_per_s", "p99_s", "padding_waste")
    return {
        f"{batcher}_{figure}_{keys}": figures[figure]
        for keys, batchers in found.items()
        for batcher, figures in batchers.items()
        for figure in kept
    }


def continuous(peer: str | None) -> Figures:
    """Tokens a second of continuous and static batching on one CPU thread; null without the llm extra."""
    python = _llm(peer)
    if python is None:
        return {"continuous_tokens_per_s": None, "static_tokens_per_s": None, "continuous_ratio_to_static": None}
    command = [python, "-m", "tests.bench.continuous"]
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    answered = subprocess.run(command, env=environ, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(answered.stdout)["figures"]
    return {
        "continuous_tokens_per_s": figures["continuous"]["said_tokens_per_s"],
        "static_tokens_per_s": figures["static_fixed"]["said_tokens_per_s"],
        "continuous_ratio_to_static": figures["continuous"]["times_as_fast_as_static_fixed"],
    }


def _llm(peer: str | None) -> str | None:
    """The Python to run a local model with."""
    here = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    return peer or (sys.executable if here else None)
