"""``python -m tests.bench.batching``: the batcher against one that counts and times out, on the same requests.

The model is simulated: a batch costs a fixed time and so much for every padded token, one batch after the other. Every
key asks, waits for its answer, pauses and asks again; lengths and pauses are the same for both batchers. A third of
the requests are long prompts with short texts (summaries), the rest short prompts with longer texts (answers) that
somebody waits for. What is really said is shorter than what may be said, and no batcher knows by how much.
"""

import argparse
import heapq
import itertools
import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from processors.batching.batcher import Batch, Batcher, Request
from processors.batching.packing import Length

BATCH_TOKENS = 8_192
LINGER_S = 0.02
BATCH_S = 0.05  # of the simulated model: a batch, however small
TOKEN_S = 0.000_05  # and a padded token
IN_FLIGHT = 2
CONCURRENT_KEYS = (1, 8, 64)
REQUESTS = 2_000


@dataclass(frozen=True)
class Asked:
    """One request of the trace."""

    length: Length
    said: int  # what is really said, at most ``length.said``
    pause_s: float
    patience_s: float


@dataclass
class Outcome:
    """What happened to the requests of one run."""

    latencies_s: list[float] = field(default_factory=list)
    missed: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0
    busy_s: float = 0.0
    ended_s: float = 0.0

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.latencies_s)
        return {
            "requests_per_s": round(len(ordered) / self.ended_s, 2),
            "tokens_per_s": round(self.tokens / self.ended_s, 1),
            "p50_s": round(statistics.median(ordered), 3),
            "p99_s": round(ordered[int(0.99 * (len(ordered) - 1))], 3),
            "missed_share": round(self.missed / len(ordered), 4),
            "padding_waste": round(1 - self.tokens / self.padded_tokens, 4),
            "busy_share": round(self.busy_s / self.ended_s, 4),
            "requests_per_batch": round(len(ordered) / self.batches, 2),
        }


class Packs(Protocol):
    """What is compared."""

    def add(self, request: Request) -> None: ...

    def take(self, now: float) -> Batch | None: ...

    def finish(self, number: int) -> None: ...

    @property
    def wake_s(self) -> float | None: ...


class CountAndTimeout:
    """First come, first served: a batch closes at ``count`` requests or ``timeout_s`` after its first."""

    def __init__(self, count: int, timeout_s: float, in_flight: int):
        self.count, self.timeout_s, self.in_flight = count, timeout_s, in_flight
        self.waiting: list[Request] = []
        self.running: dict[int, Request] = {}
        self.batches: dict[int, set[int]] = {}
        self.numbers = itertools.count()

    def add(self, request: Request) -> None:
        self.waiting.append(request)

    def take(self, now: float) -> Batch | None:
        ready = self._ready()
        if not ready or len(self.batches) >= self.in_flight:
            return None
        if len(ready) < self.count and now < ready[0].arrived_s + self.timeout_s:
            return None
        batch = Batch(next(self.numbers), "", tuple(ready[: self.count]))
        self.batches[batch.number] = {request.number for request in batch.requests}
        for request in batch.requests:
            self.waiting.remove(request)
            self.running[request.number] = request
        return batch

    def finish(self, number: int) -> None:
        del self.running[number]
        for batch in [batch for batch, numbers in self.batches.items() if number in numbers]:
            self.batches[batch].discard(number)
            if not self.batches[batch]:
                del self.batches[batch]

    @property
    def wake_s(self) -> float | None:
        ready = self._ready()
        return ready[0].arrived_s + self.timeout_s if ready and len(self.batches) < self.in_flight else None

    def _ready(self) -> list[Request]:
        taken = {request.key for request in self.running.values()}
        return [request for request in self.waiting if request.key not in taken]


def write_trace(keys: int, requests: int, seed: int) -> list[list[Asked]]:
    """Make the requests of every key: the same for the same arguments."""
    rng = random.Random(seed)
    return [[ask(rng) for _ in range(requests // keys)] for _ in range(keys)]


def ask(rng: random.Random) -> Asked:
    pause_s = rng.expovariate(1 / 0.05)
    if rng.random() < 1 / 3:
        prompt, most, patience_s = min(4_000, int(rng.lognormvariate(6.8, 0.5))), 400, 30.0
    else:
        prompt, most, patience_s = min(1_000, int(rng.lognormvariate(4.6, 0.6))), rng.choice([60, 120, 250]), 4.0
    return Asked(Length(max(1, prompt), most), max(1, int(most * rng.uniform(0.3, 1.0))), pause_s, patience_s)


def play(packs: Packs, trace: Sequence[Sequence[Asked]]) -> Outcome:
    """Run the trace through one batcher and the simulated model; the clock is simulated too."""
    outcome, order, now, free_s = Outcome(), itertools.count(), 0.0, 0.0
    numbers = itertools.count()
    asked: dict[int, Asked] = {}
    coming = [iter(requests) for requests in trace]
    events: list[tuple[float, int, str, object]] = []

    def come(key: int) -> None:
        if (one := next(coming[key], None)) is not None:
            heapq.heappush(events, (now + one.pause_s, next(order), "came", (key, one)))

    for key in range(len(trace)):
        come(key)
    while events:
        now, _, what, about = heapq.heappop(events)
        if what == "came":
            key, one = about
            number = next(numbers)
            asked[number] = one
            packs.add(Request(number, one.length, now, now + one.patience_s, "", str(key)))
        elif what == "done":
            for request in about.requests:
                packs.finish(request.number)
                outcome.latencies_s.append(now - request.arrived_s)
                outcome.missed += now > request.deadline_s
                come(int(request.key))
            outcome.ended_s = now
        while batch := packs.take(now):
            free_s = max(free_s, now) + account(outcome, batch, asked)
            heapq.heappush(events, (free_s, next(order), "done", batch))
        if (wake_s := packs.wake_s) is not None:
            heapq.heappush(events, (max(now, wake_s), next(order), "wake", None))
    return outcome


def account(outcome: Outcome, batch: Batch, asked: dict[int, Asked]) -> float:
    """Add up one batch; returns how long the model takes for it, seconds."""
    rows = [asked[request.number] for request in batch.requests]
    padded = len(rows) * (max(row.length.prompt for row in rows) + max(row.said for row in rows))
    took_s = BATCH_S + padded * TOKEN_S
    outcome.tokens += sum(row.length.prompt + row.said for row in rows)
    outcome.padded_tokens += padded
    outcome.batches += 1
    outcome.busy_s += took_s
    return took_s


def fixed_count(trace: Sequence[Sequence[Asked]]) -> int:
    """Return the count that never outgrows the memory of the same budget: every row may be the longest."""
    longest = max(one.length.tokens for requests in trace for one in requests)
    return max(1, BATCH_TOKENS // longest)


def simulate(concurrent_keys: Sequence[int] = CONCURRENT_KEYS, requests: int = REQUESTS, seed: int = 0) -> dict:
    """Return the figures of both batchers for each number of concurrent keys.

    Count-and-timeout runs twice: with the count that is safe for the longest requests of the trace, and with one
    of the middle that would need as much memory as its largest batch, which is told.
    """
    found: dict = {}
    for keys in concurrent_keys:
        trace = write_trace(keys, requests, seed)
        batchers: dict[str, Callable[[], Packs]] = {
            "batcher": lambda: Batcher(BATCH_TOKENS, LINGER_S, IN_FLIGHT, round(BATCH_S / TOKEN_S)),
            "count_safe": lambda trace=trace: CountAndTimeout(fixed_count(trace), LINGER_S, IN_FLIGHT),
            "count_16": lambda: CountAndTimeout(16, LINGER_S, IN_FLIGHT),
        }
        found[str(keys)] = {name: play(make(), trace).figures() for name, make in batchers.items()}
    return {
        "input": {
            "requests": requests,
            "seed": seed,
            "batch_tokens": BATCH_TOKENS,
            "linger_s": LINGER_S,
            "in_flight": IN_FLIGHT,
            "batch_s": BATCH_S,
            "token_s": TOKEN_S,
        },
        "figures": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.batching")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(simulate(requests=options.requests, seed=options.seed), indent=2))


if __name__ == "__main__":
    main()
