"""State as version 0.1.0 left it, made by its own code.

Beside this file is what of that version has changed since, copied as it was, importing its own kind. When something
else it imports is about to change, copy that, too: ``git show v0.1.0:PATH``.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from infra.database import Store, Waits
from infra.engines import worker_engine
from infra.places import StorePlace
from models.ports import Written
from models.sentence_table import SentenceTable
from processors.simulator.simulator import Simulator
from schemas.heartbeats import Counters
from schemas.reviews import Review
from tests.releases.v0_1.infra import fences, leases, outbox, timers
from tests.releases.v0_1.schemas import tables
from tests.releases.v0_1.schemas.points import Points, Reading
from tests.releases.v0_1.streams.digest import READING, DigestHandler
from tests.releases.v0_1.streams.events import read_events
from tests.releases.v0_1.streams.summarize import WRITING, Pace, SummarizeHandler
from tests.releases.v0_1.streams.writing import Writing
from tests.streams.fakes import POINTS, REVIEWS, SUMMARIES, Clock, raw

TABLES = {"digest": (tables.delivery, tables.digest), "summarize": (tables.delivery, tables.summarize)}
RUN = 15
TOKEN = "summarize-0:0"


class OldWriter:
    """Another text for each call, so that rows of earlier texts stay in the ledger."""

    engine, model, prompt_version, parameters, refreshes = "old", "test", "1", "", True

    def __init__(self) -> None:
        self.calls = 0

    async def write(self, requests: Sequence[object]) -> list[Written]:
        self.calls += len(requests)
        return [Written(f"Text {self.calls} of {request.product_id}.") for request in requests]


def make_store(place: StorePlace) -> Store:
    """Make a store's tables as they were; nothing told their version."""
    engine = worker_engine(place)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.schema.CreateSchema(place.schema))
        for metadata in TABLES[place.agent]:
            metadata.create_all(connection)
    return Store(engine, Waits(), place)


class OldDigest:
    """Folds reviews of two partitions, some read, some waiting for their timers, some outputs not published.

    Args:
        place: Where its store is made.
    """

    def __init__(self, place: StorePlace) -> None:
        self.store = make_store(place)
        self.clock = Clock()
        self.handler = DigestHandler(
            self.store,
            SentenceTable.load(),
            points_topic=POINTS,
            unread_s=30,
            quiet_s=5,
            cached_products=2,
            counters=Counters(),
            now=self.clock,
        )
        self.published: list[Points] = []
        self._next = {0: 0, 1: 0}

    def fold(self, reviews: Sequence[Review]) -> None:
        """Take reviews, in runs, from one partition and the other."""
        for run, start in enumerate(range(0, len(reviews), RUN)):
            self._fold_run(run % 2, reviews[start : start + RUN])
            self.clock.now += 4
            self._ring()

    def publish(self) -> None:
        """Let the broker have what waits, all but the last output."""
        with self.store.write() as connection:
            waiting = outbox.oldest(connection, [(REVIEWS, 0), (REVIEWS, 1)], 10_000)[:-1]
            self.published += [msgspec.json.decode(one.output.value, type=Points) for one in waiting]
            outbox.remove(connection, [one.seq for one in waiting])

    def readings(self) -> dict[str, Reading]:
        """Read what stands for each product."""
        with self.store.read() as connection:
            product_ids = list(connection.scalars(sa.select(tables.products.c.product_id)))
        standing = self.handler._load(product_ids)
        return {product_id: here.product.read(SentenceTable.load().encode) for product_id, here in standing.items()}

    def _fold_run(self, partition: int, reviews: Sequence[Review]) -> None:
        start = self._next[partition]
        following = self._next[partition] = start + len(reviews)
        events, rejected = read_events(
            [raw(start + number, review, partition=partition) for number, review in enumerate(reviews)], Review
        )
        assert not rejected
        decision = self.handler.decide(events, following)
        with self.store.write() as connection:
            fences.create(connection, (REVIEWS, partition), 0, "cluster", "topic")
            decision.write(connection)
            outbox.add(connection, decision.outputs)
            fences.advance(connection, (REVIEWS, partition), start, following)

    def _ring(self) -> None:
        with self.store.read() as connection:
            due = timers.due(connection, READING, self.clock(), [(REVIEWS, 0), (REVIEWS, 1)], 16)
        decision = self.handler.ring(due)
        with self.store.write() as connection:
            decision.write(connection)
            outbox.add(connection, decision.outputs)


class OldSummarize:
    """Shows points and writes texts; some work waits, some is in hand, some failed.

    Args:
        place: Where its store is made.
    """

    def __init__(self, place: StorePlace) -> None:
        self.store = make_store(place)
        self.clock = Clock()
        self.handler = SummarizeHandler(self.store, topic=SUMMARIES, pace=Pace(1, 1, 10, True), now=self.clock)
        self.writer = OldWriter()
        self.writing = Writing(
            self.store, self.writer, self.writer, topic=SUMMARIES, counters=Counters(), now=self.clock
        )
        self._next = 0

    def show(self, published: Sequence[Points]) -> None:
        """Take points from one partition."""
        start, self._next = self._next, self._next + len(published)
        records = [raw(start + number, points, topic=POINTS) for number, points in enumerate(published)]
        events, rejected = read_events(records, Points)
        assert not rejected
        decision = self.handler.decide(events, self._next)
        with self.store.write() as connection:
            fences.create(connection, (POINTS, 0), 0, "cluster", "topic")
            decision.write(connection)
            outbox.add(connection, decision.outputs)
            fences.advance(connection, (POINTS, 0), start, self._next)
        self.clock.now += 20

    def lease(self, limit: int) -> list[leases.Leased]:
        """Take work in hand."""
        now = self.clock()
        with self.store.write() as connection:
            return leases.lease(
                connection, WRITING, TOKEN, now=now, until=now + 60, partitions=[(POINTS, 0)], limit=limit
            )

    def write(self, limit: int = 100) -> None:
        """Write texts that are due."""
        leased = self.lease(limit)
        jobs = self.writing.prepare(leased)
        outcomes = asyncio.run(self.writing.call(jobs))
        for one, job, outcome in zip(leased, jobs, outcomes, strict=True):
            change, output = self.writing.decide(job, outcome)
            with self.store.write() as connection:
                self.writing.settle(connection, outcome)
                change.write(connection)
                outbox.add(connection, [(output, cause) for cause in one.causes])
                leases.finish(connection, one, TOKEN)

    def fail(self) -> None:
        """Let one piece of work fail."""
        (leased,) = self.lease(1)
        with self.store.write() as connection:
            leases.postpone(connection, leased, TOKEN, self.clock() + 300, "429")


def make_state(digest_place: StorePlace, summarize_place: StorePlace) -> tuple[OldDigest, OldSummarize]:
    """Run a whole small life of that version; the stores stay open."""
    reviews = list(Simulator(11, products=5).reviews(240))
    digest, summarize = OldDigest(digest_place), OldSummarize(summarize_place)
    for start in (0, 120):
        digest.fold(reviews[start : start + 120])
        digest.publish()
    half = len(digest.published) // 2
    summarize.show(digest.published[:half])
    summarize.write()
    summarize.show(digest.published[half:])
    summarize.write(2)
    summarize.fail()
    summarize.lease(1)
    return digest, summarize
