"""One long stall of a model, with reviews coming all the while: ``python -m tests.bench.stall --minutes 10``.

A broker, workers and an endpoint of its own. Every minute it tells how far the groups are behind, in records; at the
end, when the model answers again, how long the texts took, and whether anything was lost or came twice.
"""

import argparse
import asyncio
import json
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from processors.simulator.simulator import Simulator
from schemas.heartbeats import Heartbeat
from schemas.reviews import Review
from schemas.summaries import Summary
from tests import parrot
from tests.bench.load import published, send
from tests.bench.stack import AGENTS, Stack
from tests.broker import committed, log_ends
from tests.fake_endpoint import FakeEndpoint

READS = {"digest": "reviews", "summarize": "points"}
SECOND_S = 1.0
PRODUCTS = 20


def lag(stack: Stack) -> dict[str, int]:
    """Tell how many records each group is behind the ends of what it reads."""
    kafka, behind = stack.settings.kafka, {}
    for agent in AGENTS:
        done = committed(kafka, agent)  # first: what comes in between counts as lag, never the other way round
        behind[agent] = sum(end - done.get(place, 0) for place, end in log_ends(kafka, READS[agent]).items())
    return behind


def beats(stack: Stack) -> dict[str, Heartbeat]:
    return {beat.agent: beat for beat in stack.beats()}


def keep_sending(stack: Stack, reviews: Iterator[Review], per_s: int, until: float, every_s: float) -> list[dict]:
    """Send at a rate, and look at the groups now and then."""
    looked, next_look = [], time.monotonic() + every_s
    while time.monotonic() < until:
        asyncio.run(send(stack, list(islice(reviews, per_s * 5)), per_s=per_s))
        if time.monotonic() >= next_look:
            next_look += every_s
            looked.append({"lag": lag(stack), "work": beats(stack)["summarize"].work_depth})
            print(json.dumps(looked[-1]), flush=True)
    return looked


def wait_for_texts(stack: Stack, patience_s: float) -> float:
    """Wait until no text is to be written any more; returns how long that took, seconds."""
    started = time.monotonic()
    while beats(stack)["summarize"].work_depth or sum(lag(stack).values()):
        if time.monotonic() > started + patience_s:
            raise TimeoutError(f"{beats(stack)['summarize'].work_depth} texts are still to be written")
        time.sleep(SECOND_S)
    return time.monotonic() - started


def count_published(seen: Sequence[tuple[float, Summary]], woken_at: float) -> dict[str, int]:
    """Count summaries published during the stall and after it, those with a text, and those that came twice."""
    times = Counter((summary.product_id, summary.revision) for _, summary in seen)
    standing = {summary.product_id: summary for _, summary in sorted(seen, key=lambda pair: pair[1].revision)}
    return {
        "published_during": sum(at < woken_at for at, _ in seen),
        "with_text_during": sum(at < woken_at and summary.text is not None for at, summary in seen),
        "published_after": sum(at >= woken_at for at, _ in seen),
        "duplicates": sum(number - 1 for number in times.values()),
        "reviews_counted": sum(summary.metrics.review_count for summary in standing.values()),
        "texts_missing": sum(summary.text is None for summary in standing.values()),
        "texts_by_the_model": sum(
            summary.writer is not None and summary.writer.engine == "openai" for summary in standing.values()
        ),
        "products": len(standing),
    }


def run(minutes: float, per_s: int, timeout_s: float) -> dict:
    """Stall the model, wake it, and tell what happened."""
    awake, reviews = threading.Event(), Simulator(seed=1, products=PRODUCTS).reviews(10**6)
    model = {"MILLRACE_WRITER": "openai:scripted", "MILLRACE_WRITER_TIMEOUT_S": str(timeout_s)}
    with FakeEndpoint(says=lambda asked: (awake.wait(), parrot.answer(asked))[1]) as endpoint:
        try:
            with Stack(MILLRACE_WRITER_URL=endpoint.url, **model) as stack:
                stack.start_workers()
                before = {agent: beat.pid for agent, beat in beats(stack).items()}
                until = time.monotonic() + 60 * minutes
                each_minute = keep_sending(stack, reviews, per_s, until, every_s=min(60.0, 15 * minutes))
                asked, woken_at = len(endpoint.asked), time.time()
                stalled = beats(stack)["summarize"].counters
                awake.set()
                took_s = wait_for_texts(stack, patience_s=900)
                after = beats(stack)
                ends = log_ends(stack.settings.kafka, "reviews")
                seen = asyncio.run(published(stack))
        finally:
            awake.set()  # whatever went wrong: nobody hangs
    return {
        "each_minute": each_minute,
        "requests_during": asked,
        "failures_during": stalled.writer_failures,
        "circuits_opened_during": stalled.circuits_opened,
        "texts_after_s": round(took_s, 1),
        "requests_after": len(endpoint.asked) - asked,
        "reviews_sent": sum(ends.values()),
        "same_processes": before == {agent: beat.pid for agent, beat in after.items()},
        "replays": after["summarize"].counters.replays + after["digest"].counters.replays,
        **count_published(seen, woken_at),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.stall")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--per-second", type=int, default=5)
    parser.add_argument("--timeout-s", type=float, default=120, help="of a call; the product's own by default")
    options = parser.parse_args()
    figures = run(options.minutes, options.per_second, options.timeout_s)
    told = f"{options.minutes:g} minutes, {options.per_second} reviews a second, {options.timeout_s:g} s a call"
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(json.dumps({"input": told, "machine": machine, "date": f"{datetime.now(UTC):%Y-%m-%d}", "figures": figures}))


if __name__ == "__main__":
    main()
