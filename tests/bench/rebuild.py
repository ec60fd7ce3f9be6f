"""``millrace bench rebuild``: how long a product is folded anew after a deletion, and what others feel of it."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from faust.types import TP

from infra import fences
from infra.database import Store, Waits, open_store
from infra.places import StorePlace
from models.sentence_table import SentenceTable
from processors.simulator.simulator import Simulator
from schemas.heartbeats import Counters
from schemas.reviews import Review
from streams.delivery import Applier, Progress
from streams.digest import DigestHandler
from streams.digest_decision import Delays
from streams.holes import Holes
from streams.products import Products
from streams.rebuilding import Rebuilding
from streams.runs import Run
from streams.shadows import Shadows
from streams.work import WorkLimits, WorkService
from tests.bench.load import invented_reviews, real_reviews
from tests.streams.fakes import NoPublisher, Raw, never

SIZES = (100, 10_000, 100_000)
TRIALS = {100: 9, 10_000: 3, 100_000: 1}
PLACE = ("millrace.reviews.v1", 0)
HOT = "hot"
OTHERS_PER_S = 100.0
RUN = 25
QUIET_ROUNDS = 40
Figures = dict[str, float | None]


def run(data: Path | None, tell: Callable[[str], None]) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures."""
    others = real_reviews(data, 20_000) if data else invented_reviews(20_000)
    figures: Figures = {}
    for size in SIZES:
        tell(f"a product of {size:,} reviews")
        figures |= asyncio.run(_measure(size, others))
    return f"one deletion; {OTHERS_PER_S:.0f} reviews/s of other products in runs of {RUN}", figures


@dataclass
class Loop:
    """The digest's loop without a broker."""

    store: Store
    handler: DigestHandler
    applier: Applier
    service: WorkService
    offset: int = 0

    async def apply(self, records: Sequence[bytes], key: bytes = b"k") -> None:
        now_ms = int(time.time() * 1000)
        raws = [Raw(*PLACE, self.offset + number, now_ms, key, value) for number, value in enumerate(records)]
        self.offset += len(raws)
        await self.store.run(lambda: self.applier.apply(Run(TP(*PLACE), 1, raws)))


async def _measure(size: int, others: Sequence[Review]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        loop = _loop(Path(folder))
        hot = list(Simulator(seed=5, products=1).reviews(size))
        for start in range(0, size, 500):
            await loop.apply([_hot(one) for one in hot[start : start + 500]])
        stream = _stream(others)
        quiet = [await _paced(loop, stream) for _ in range(QUIET_ROUNDS)]
        seconds, busy = [], []
        for trial in range(TRIALS[size]):
            gone = {"review_id": hot[size // 3 + trial].review_id, "product_id": HOT, "op": "delete", "revision": 1}
            await loop.apply([msgspec.json.encode(gone)])
            (leased,) = loop.service._lease()
            started = time.monotonic()
            rebuild = asyncio.create_task(loop.service._work([leased]))
            while not rebuild.done():
                busy.append(await _paced(loop, stream))
            await rebuild
            seconds.append(time.monotonic() - started)
        loop.store.close()
    return {
        f"rebuild_s_{size}": round(statistics.median(seconds), 2),
        f"lag_quiet_p50_ms_{size}": round(statistics.median(quiet) * 1000),
        f"lag_rebuild_p50_ms_{size}": round(statistics.median(busy) * 1000),
        f"lag_rebuild_max_ms_{size}": round(max(busy) * 1000),
    }


async def _paced(loop: Loop, stream: Iterator[list[bytes]]) -> float:
    """Apply one run of other products on time; seconds from when it was due to when it stood."""
    due = time.monotonic() + RUN / OTHERS_PER_S
    await asyncio.sleep(due - time.monotonic())
    await loop.apply(next(stream))
    return time.monotonic() - due


def _stream(others: Sequence[Review]) -> Iterator[list[bytes]]:
    turn = 0
    while True:
        for start in range(0, len(others) - RUN, RUN):
            yield [
                msgspec.json.encode(msgspec.structs.replace(one, review_id=f"{turn}-{one.review_id}"))
                for one in others[start : start + RUN]
            ]
        turn += 1


def _hot(review: Review) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(review, product_id=HOT))


def _loop(folder: Path) -> Loop:
    store, table, counters = open_store(StorePlace("digest", folder), Waits()), SentenceTable.load(), Counters()
    products, shadows = Products(store, 2_000), Shadows(store)
    handler = DigestHandler(
        store,
        table,
        products,
        shadows,
        points_topic="millrace.points.v1",
        delays=Delays(0.0, 0.0),
        counters=counters,
        now=time.time,
    )
    with store.write() as connection:
        fences.create(connection, PLACE, 0, "cluster", "topic")
    applier = Applier(
        "digest",
        handler,
        store,
        Holes(lambda *_: _no_probe()),
        dead_letters="millrace.dead-letters.v1",
        progress=Progress(Counters()),
        now=time.time,
        crash=never,
    )
    rebuilding = Rebuilding(store, handler, table, products, shadows, counters)
    service = WorkService(
        rebuilding,
        store,
        NoPublisher(),  # type: ignore[arg-type]
        owner="digest-0",
        mine=lambda: [PLACE],
        limits=WorkLimits(batch=1, concurrency=1),
        now=time.time,
        crash=never,
    )
    return Loop(store, handler, applier, service)


def _no_probe() -> object:
    raise RuntimeError("there is no hole to look into")
