"""``python -m tests.bench.gpu_writing FOLDER WAY``: summaries by the model in FOLDER, for ``tests.bench.gpu``.

A process of its own, so that the memory of one way is not counted to another. The prompts are the product's own, of
made-up points; the turns of the model are the product's own loop, fed without pipes. A random model never says that it
is done: a text is as long as it may be, 48 tokens a point.
"""

import argparse
import json
import os
import queue
import random
import statistics
import time
from pathlib import Path

import msgspec

from models.local.chat import Chat
from models.local.folder import read_folder
from models.local.loaded_model import LoadedModel
from models.local.turns import Turns
from models.local.wire import Failed, Join, Open, Order, Row, Said, Together
from models.ports import Message
from models.prompting.prompts import load_prompt
from processors.batching.packing import Length, pack
from processors.texts.told import POINTS, tell
from tests.processors.readings import band, point, reading

WAYS = ("json", "static", "continuous")
"""JSON in batches, as summaries are written; free text in the same batches; free text by continuous batching."""

SAID_A_POINT = 48
BATCH_COST_TOKENS = 256  # the batcher's own
WORDS = (
    "fits true to size around the shoulders but runs small at waist zip broke after washing twice colour faded soft "
    "fabric feels cheap seam came apart quickly delivery was late battery lasts long and charges fast would buy again"
)


def write_prompts(count: int, seed: int = 0) -> list[tuple[tuple[Message, ...], int]]:
    """Return the turns of as many summaries, and how many points each is told."""
    rng = random.Random(seed)
    prompt, words, made = load_prompt("summary"), WORDS.split(), []
    for _ in range(count):
        said = [" ".join(rng.sample(words, rng.randint(4, 11))) for _ in range(rng.randint(1, POINTS))]
        quotes = [[" ".join(rng.choices(words, k=rng.randint(8, 40))) for _ in range(3)] for _ in said]
        points = [point(headline, rng.randint(1, 50), 60, its) for headline, its in zip(said, quotes, strict=True)]
        praised = rng.randint(0, len(points))
        material = tell(reading(positive=band(60, points[:praised]), negative=band(60, points[praised:])))
        inputs = {"material": msgspec.to_builtins(material), "language": ""}
        made.append((prompt.render(inputs), len(material)))
    return made


def rows_of(folder: Path, count: int, with_schema: bool) -> list[Row]:
    chat, schema = Chat(read_folder(folder)), json.dumps(load_prompt("summary").schema)
    return [
        Row(number, chat.tokens(turns), max_tokens=SAID_A_POINT * points, json_schema=schema if with_schema else None)
        for number, (turns, points) in enumerate(write_prompts(count), start=1)
    ]


def orders_of(rows: list[Row], way: str, batch_tokens: int) -> list[Order]:
    """Say how the rows reach the model: one by one, or packed as the batcher packs what waits."""
    if way == "continuous":
        return [Join(row) for row in rows]
    orders, left = [], rows
    while left:
        chosen = set(pack([Length(len(row.tokens), row.max_tokens) for row in left], batch_tokens, BATCH_COST_TOKENS))
        orders.append(Together([row for place, row in enumerate(left) if place in chosen]))
        left = [row for place, row in enumerate(left) if place not in chosen]
    return orders


class Writing:
    """A loaded model that does orders until every row is done."""

    def __init__(self, folder: Path, options: argparse.Namespace):
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.said: list[Said] = []
        loaded = LoadedModel(folder, options.device)
        opening = Open(str(folder), options.device, options.batch_tokens, options.cache_blocks, adapters=False)
        self.turns = Turns(loaded, opening, self.inbox, self.hear)

    def hear(self, event: object) -> None:
        if isinstance(event, Failed):
            raise SystemExit(f"row {event.number} failed: {event.error}")
        if isinstance(event, Said):
            self.said.append(event)

    def do(self, orders: list[Order], rows: int) -> float:
        """Return the seconds it took."""
        self.said.clear()
        for order in orders:
            self.inbox.put(order)
        began = time.perf_counter()
        while len(self.said) < rows:
            self.turns.turn()
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.gpu_writing")
    parser.add_argument("folder", type=Path)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    for size in ("--texts", "--rounds", "--batch-tokens", "--cache-blocks"):
        parser.add_argument(size, type=int, required=True)
    options = parser.parse_args()
    import torch

    rows = rows_of(options.folder, options.texts, options.way == "json")
    orders = orders_of(rows, options.way, options.batch_tokens)
    writing = Writing(options.folder, options)
    if isinstance(orders[0], Together):  # what is done only once is not measured
        writing.do(orders[:1], len(orders[0].rows))
    else:
        writing.do(orders, len(rows))
    wall_s = statistics.median(writing.do(orders, len(rows)) for _ in range(options.rounds))
    tokens_out = sum(len(each.tokens) for each in writing.said)
    memory = round(torch.cuda.max_memory_allocated() / 2**20) if options.device == "cuda" else None
    figures = {
        "texts_per_s": round(len(rows) / wall_s, 3),
        "tokens_out_per_s": round(tokens_out / wall_s, 1),
        "tokens_in_per_s": round(sum(len(row.tokens) for row in rows) / wall_s, 1),
        "batches": len(orders) if options.way != "continuous" else None,
        "memory_mib": memory,
    }
    print(json.dumps(figures), flush=True)
    os._exit(0)  # the thread of continuous batching would not end


if __name__ == "__main__":
    main()
