"""``python -m tests.bench.continuous``: continuous against static batching on one CPU thread, with random weights.

Run by an interpreter with the llm extra. The same requests of mixed lengths go through the product's own code three
ways, in turns: joined into continuous batching, in batches that the batcher packs, and in batches of eight as they
came. No text ends early, so that all three say the same number of tokens.
"""

import argparse
import json
import os
import platform
import queue
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from models.local.loaded_model import LoadedModel
from models.local.turns import Turns
from models.local.wire import Event, Join, Open, Row, Said, Together
from processors.batching.batcher import Batcher, Request
from processors.batching.packing import Length
from tests.bench.minilm import cpu_name
from tests.tiny_model import make_model

HIDDEN, LAYERS, VOCABULARY = 512, 8, 8_192
REQUESTS, ROUNDS, SEED = 12, 5, 0
BATCH_TOKENS, CACHE_BLOCKS, FIXED_COUNT = 4_096, 512, 8


def write_rows(requests: int, seed: int) -> list[Row]:
    """Make requests of mixed lengths: prompts around 60 tokens, up to 400; texts of 8 to 96."""
    rng = random.Random(seed)
    rows = []
    for number in range(requests):
        prompt = min(400, max(8, int(rng.lognormvariate(4.1, 0.8))))
        tokens = [rng.randrange(10, VOCABULARY) for _ in range(prompt)]
        rows.append(Row(number, tokens, max_tokens=rng.choice([8, 16, 32, 64, 96])))
    return rows


def packed(rows: Sequence[Row]) -> list[list[Row]]:
    """Batches as the batcher closes them when all rows wait."""
    batcher = Batcher(BATCH_TOKENS, linger_s=0.0, in_flight=len(rows))
    for row in rows:
        batcher.add(Request(row.number, Length(len(row.tokens), row.max_tokens), 0.0, 1.0))
    batches = []
    while batch := batcher.take(now=0.0):
        batches.append([rows[request.number] for request in batch.requests])
    return batches


class Bench:
    """The model's process without the process: one thread, orders put into its inbox."""

    def __init__(self, folder: Path):
        self.loaded = LoadedModel(folder, "cpu")
        self.loaded.stops = frozenset()
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.said: dict[int, int] = {}
        opening = Open(str(folder), "cpu", BATCH_TOKENS, CACHE_BLOCKS, False)
        self.turns = Turns(self.loaded, opening, self.inbox, self.hear)

    def hear(self, event: Event) -> None:
        if isinstance(event, Said):
            self.said[event.number] = len(event.tokens)

    def run(self, orders: Sequence[Join | Together], rows: Sequence[Row]) -> float:
        """Return the seconds until all rows are said."""
        self.said = {}
        began = time.perf_counter()
        for order in orders:
            self.inbox.put(order)
        while len(self.said) < len(rows):
            self.turns.turn()
        took_s = time.perf_counter() - began
        assert self.said == {row.number: row.max_tokens for row in rows}
        return took_s


def measure(rounds: int = ROUNDS, requests: int = REQUESTS, seed: int = SEED) -> dict:
    """Return medians of the three ways, and ratios of the same round."""
    import torch

    rows = write_rows(requests, seed)
    batches = packed(rows)
    fixed = [rows[place : place + FIXED_COUNT] for place in range(0, len(rows), FIXED_COUNT)]
    ways: dict[str, Callable[[], list]] = {
        "continuous": lambda: [Join(row) for row in rows],
        "static_packed": lambda: [Together(batch) for batch in batches],
        "static_fixed": lambda: [Together(batch) for batch in fixed],
    }
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(make_model(Path(folder), HIDDEN, LAYERS, VOCABULARY))
    for orders in ways.values():  # once unmeasured: caches are made
        bench.run(orders(), rows)
    turns = [{name: bench.run(orders(), rows) for name, orders in ways.items()} for _ in range(rounds)]
    bench.turns.close()
    said = sum(row.max_tokens for row in rows)
    figures = {
        name: {
            "median_s": round(statistics.median(turn[name] for turn in turns), 2),
            "least_s": round(min(turn[name] for turn in turns), 2),
            "most_s": round(max(turn[name] for turn in turns), 2),
            "said_tokens_per_s": round(said / statistics.median(turn[name] for turn in turns), 1),
            "times_as_fast_as_static_fixed": round(
                statistics.median(turn["static_fixed"] / turn[name] for turn in turns), 2
            ),
        }
        for name in ways
    }
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"python": platform.python_version(), **bench.loaded.versions},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "input": {
            "parameters": sum(weights.numel() for weights in bench.loaded.model.parameters()),
            "threads": torch.get_num_threads(),
            "requests": requests,
            "rounds": rounds,
            "seed": seed,
            "prompt_tokens": sum(len(row.tokens) for row in rows),
            "said_tokens": said,
            "batches_packed": len(batches),
            "batches_fixed": len(fixed),
            "batch_tokens": BATCH_TOKENS,
            "cache_blocks": CACHE_BLOCKS,
        },
        "figures": figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.continuous")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    print(json.dumps(measure(options.rounds, options.requests, options.seed), indent=2))


if __name__ == "__main__":
    main()
