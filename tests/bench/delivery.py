"""What delivery costs: the digest's loop with fence and outbox, and the same loop without them, in turns."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from faust.types import TP

from infra import fences
from infra.database import Store, Waits, open_store
from infra.outbox import Waiting
from infra.places import StorePlace
from infra.settings_reading import Secret
from models.sentence_table import SentenceTable
from schemas.heartbeats import Counters
from schemas.reviews import Review
from streams.delivery import Applier, Progress
from streams.digest import DigestHandler
from streams.digest_decision import Delays
from streams.events import read_events
from streams.holes import Holes
from streams.products import Products
from streams.publisher import Publisher
from streams.runs import Run
from streams.shadows import Shadows
from tests import postgres
from tests.bench.stack import Stack
from tests.streams.fakes import Raw, never

REVIEWS = 6_000
ROUNDS = 6
RUN = 100
PLACE = ("millrace.reviews.v1", 0)
Loop = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What both loops have."""

    store: Store
    handler: DigestHandler
    publisher: Publisher


def run(stack: Stack, reviews: Sequence[Review]) -> dict[str, float | None]:
    """Compare the loop with and without fence and outbox on SQLite, and on Postgres where there is one.

    Args:
        stack: Whose broker takes the points.
        reviews: The first ``REVIEWS`` of them are applied by every loop.
    """
    figures: dict[str, float | None] = {}
    for database in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as folder, database_url(database) as url:
            if database == "postgres" and url is None:
                return figures | {"delivery_overhead_postgres": None, "loop_reviews_per_s_postgres": None}
            rounds = asyncio.run(_rounds(stack, Path(folder), url, reviews[:REVIEWS]))
        overhead = statistics.median(guarded / bare for guarded, bare in rounds) - 1
        speed = REVIEWS / ROUNDS / statistics.median(guarded for guarded, _ in rounds)
        figures |= {
            f"delivery_overhead{'' if database == 'sqlite' else '_postgres'}": round(overhead, 3),
            f"loop_reviews_per_s_{database}": round(speed),
        }
    return figures


@contextmanager
def database_url(database: str) -> Iterator[str | None]:
    """Start a Postgres that really writes to disk; none where none is installed, or SQLite is meant."""
    if database == "sqlite" or postgres.find_programs() is None:
        yield None
        return
    postgres.OPTIONS |= {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
    with postgres.PostgresServer.running() as server:
        yield server.url()


async def _rounds(stack: Stack, folder: Path, url: str | None, reviews: Sequence[Review]) -> list[tuple[float, float]]:
    """Apply the same runs by both loops in turns, the first now the one, now the other; seconds of each."""
    runs = list(_runs(reviews))
    size = len(runs) // ROUNDS
    async with AsyncExitStack() as opened:
        guarded = _guarded(await opened.enter_async_context(_parts(stack, folder, url, "guarded")))
        bare = _bare(await opened.enter_async_context(_parts(stack, folder, url, "bare")))
        rounds = []
        for number in range(ROUNDS):
            mine = runs[number * size : (number + 1) * size]
            seconds = {loop: await _timed(loop, mine) for loop in ((guarded, bare), (bare, guarded))[number % 2]}
            rounds.append((seconds[guarded], seconds[bare]))
    return rounds


async def _timed(loop: Loop, runs: Sequence[Run]) -> float:
    started = time.perf_counter()
    for one in runs:
        await loop(one)
    return time.perf_counter() - started


def _guarded(parts: Parts) -> Loop:
    applier = Applier(
        "digest",
        parts.handler,
        parts.store,
        Holes(lambda *_: _no_probe()),
        dead_letters="millrace.dead-letters.v1",
        progress=Progress(Counters()),
        now=time.time,
        crash=never,
    )
    with parts.store.write() as connection:
        fences.create(connection, PLACE, 0, "cluster", "topic")

    async def loop(one: Run) -> None:
        await parts.store.run(lambda: applier.apply(one))
        await parts.publisher.flush()

    return loop


def _bare(parts: Parts) -> Loop:
    def apply(one: Run) -> list[Waiting]:
        events, _ = read_events(one.records, Review)
        decision = parts.handler.decide(events, one.records[-1].offset + 1)
        with parts.store.write() as connection:
            decision.write(connection)
        decision.committed()
        return [Waiting(0, output, cause) for output, cause in decision.outputs]

    async def loop(one: Run) -> None:
        if made := await parts.store.run(lambda: apply(one)):
            await parts.publisher._send(made)

    return loop


@asynccontextmanager
async def _parts(stack: Stack, folder: Path, url: str | None, name: str) -> Any:
    place = StorePlace("digest", folder / name, None if url is None else Secret(url), name)
    store = open_store(place, Waits())
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap, acks="all", linger_ms=5)
    await producer.start()
    handler = DigestHandler(
        store,
        SentenceTable.load(),
        Products(store, 2_000),
        Shadows(store),
        points_topic="millrace.points.v1",
        delays=Delays(30, 5),
        counters=Counters(),
        now=time.time,
    )
    publisher = Publisher(
        store,
        producer,
        mine=lambda: [PLACE],
        superseding=["millrace.points.v1"],
        refuse=lambda waiting: waiting.output,
        counters=Counters(),
        waits=Waits(),
        crash=never,
    )
    yield Parts(store, handler, publisher)
    await producer.stop()
    store.close()


def _runs(reviews: Sequence[Review]) -> Iterator[Run]:
    now_ms = int(time.time() * 1000)
    records = [
        Raw(*PLACE, offset, now_ms, review.product_id.encode(), msgspec.json.encode(review))
        for offset, review in enumerate(reviews)
    ]
    for start in range(0, len(records), RUN):
        yield Run(TP(*PLACE), 1, records[start : start + RUN])


def _no_probe() -> Any:
    raise RuntimeError("there is no hole to look into")
