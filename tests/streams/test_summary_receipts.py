"""The real agents, waited for: what was asked for is in the summary, and what was deleted is not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.fences import Partition
from schemas import tables
from schemas.heartbeats import Counters
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.digest import DigestHandler
from streams.digest_decision import READING, Delays
from streams.graph import AgentSpec
from streams.products import Products
from streams.rebuilding import Rebuilding
from streams.shadows import Shadows
from streams.summarize import Pace, SummarizeHandler
from streams.timing import TimerService
from streams.work import WorkLimits, WorkService
from tests.streams.fakes import POINTS, REVIEWS, SUMMARIES, Encoder, FakeWriter, NoPublisher, make_writing
from tests.streams.virtual_world import PARTITIONS, Birth, Living, MemoryStore, World

PATIENCE_S = 60.0
SLOW_S = 1_000.0
WORDS = ("amber", "birch", "coral", "denim")
"""One a revision, so that a quote tells which it is of."""

DIGEST = AgentSpec("digest", (REVIEWS,), (POINTS,))
SUMMARIZE = AgentSpec("summarize", (POINTS,), (SUMMARIES,))


def serving(store: MemoryStore, world: World, spec: AgentSpec, performer) -> WorkService:
    return WorkService(
        performer,
        store,
        NoPublisher(),
        owner=spec.name,
        limits=WorkLimits(batch=2, concurrency=1),
        **shared(world, spec),
    )


def shared(world: World, spec: AgentSpec) -> Mapping[str, object]:
    mine = [(topic, number) for topic in spec.inputs for number in range(PARTITIONS)]
    return {"mine": lambda: mine, "now": world.clock, "crash": world.crash}


def digest(store: MemoryStore, world: World) -> Living:
    products, shadows, counters = Products(store, 100), Shadows(store), Counters()
    handler = DigestHandler(
        store,
        Encoder(),
        products,
        shadows,
        points_topic=POINTS,
        delays=Delays(SLOW_S, SLOW_S),
        counters=counters,
        now=world.clock,
    )
    rebuilding = Rebuilding(store, handler, Encoder(), products, shadows, counters)
    ringing = TimerService(READING, handler, store, None, **shared(world, DIGEST))
    return Living(handler, ringing, serving(store, world, DIGEST, rebuilding))


def summarize(*, cheap: bool) -> Birth:
    def born(store: MemoryStore, world: World) -> Living:
        writer = FakeWriter()
        writer.refreshes = cheap
        pace = Pace(SLOW_S, SLOW_S, SLOW_S, cheap)
        handler = SummarizeHandler(store, topic=SUMMARIES, pace=pace, now=world.clock)
        writing = make_writing(store, writer, FakeWriter(), now=world.clock)
        return Living(handler, None, serving(store, world, SUMMARIZE, writing))

    return born


@dataclass(frozen=True)
class Sent:
    """One record of a review, or the last one again on the other partition."""

    partition: int
    what: Literal["upsert", "delete", "again", "unreadable"]
    product: str
    number: int
    revision: int

    @property
    def rank(self) -> tuple[int, bool]:
        """What wins: the newer revision, and of the same one the deletion."""
        return self.revision, self.what == "delete"

    def value(self) -> bytes:
        if self.what == "unreadable":
            return b"{"
        text = f"It caught fire near the {WORDS[self.revision]} sofa of room {self.number}."
        review = Review(
            review_id=f"r{self.number}",
            product_id=self.product,
            text=None if self.what == "delete" else text,
            rating=2,
            op="delete" if self.what == "delete" else "upsert",
            revision=self.revision,
        )
        return msgspec.json.encode(review)


sent = st.builds(
    Sent,
    st.integers(0, PARTITIONS - 1),
    st.sampled_from(["upsert"] * 4 + ["delete", "again", "again", "unreadable"]),
    st.sampled_from("pq"),
    st.integers(0, 2),
    st.integers(0, len(WORDS) - 1),
)


class Shop:
    """Sends reviews, and knows what must be in the summaries."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.latest: Sent | None = None
        self.sent: dict[Partition, list[Sent]] = {(REVIEWS, number): [] for number in range(PARTITIONS)}

    def send(self, one: Sent) -> None:
        if one.what == "again":
            if self.latest is None:
                return
            one = replace(self.latest, partition=1 - self.latest.partition)
        elif one.what != "unreadable":
            self.latest = one
        place = (REVIEWS, one.partition)
        self.sent[place].append(one)
        self.world.broker.append(place, one.value(), one.product.encode())

    def origins(self, asked: tuple[int | None, ...]) -> dict[str, dict[Partition, tuple[int, int]]]:
        ends = {(REVIEWS, number): back for number, back in enumerate(asked)}
        spans = {
            place: (0, len(self.sent[place]) - back)
            for place, back in ends.items()
            if back is not None and len(self.sent[place]) > back
        }
        return {REVIEWS: spans} if spans else {}

    def check(self, origins: Mapping[str, Mapping[Partition, tuple[int, int]]]) -> None:
        shown = self.shown()
        everything = [one for records in self.sent.values() for one in records if one.what != "unreadable"]
        for place, (_, end) in origins.get(REVIEWS, {}).items():
            for asked in self.sent[place][:end]:
                if asked.what == "unreadable":
                    continue
                key = (asked.product, f"r{asked.number}")
                gone = any(
                    (one.product, f"r{one.number}") == key and one.what == "delete" and one.rank >= asked.rank
                    for one in everything
                )
                assert (shown[key], False) >= asked.rank if key in shown else gone, (key, asked)

    def shown(self) -> dict[tuple[str, str], int]:
        """The revision that each review stands with, as the summaries quote it."""
        with self.world.agents["summarize"].store.read() as connection:
            records = connection.scalars(sa.select(tables.summaries.c.record)).all()
        found = {}
        for record in records:
            summary = msgspec.json.decode(record, type=Summary)
            for flag in summary.flags:
                (revision,) = [number for number, word in enumerate(WORDS) if word in flag.quote]
                found[summary.product_id, flag.review_id] = revision
        return found


@settings(max_examples=25, deadline=None)
@given(
    rounds=st.lists(
        st.tuples(
            st.lists(sent, min_size=1, max_size=8),
            st.sampled_from([(0, 0), (None, 0), (0, None), (None, 1), (2, None)]),
            st.integers(0, 20),
        ),
        min_size=1,
        max_size=3,
    ),
    crashes=st.integers(0, 3),
    lazy=st.booleans(),
    cheap=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_the_summaries_a_wait_returns_for_hold_what_was_asked_for(rounds, crashes, lazy, cheap, seed):
    births = {"digest": digest, "summarize": summarize(cheap=cheap)}
    metadata = [tables.digest, tables.summarize]
    world = World([SUMMARIZE, DIGEST], births, metadata, seed=seed, crashes=crashes)
    world.agents["digest"].lazy = lazy
    shop = Shop(world)
    try:
        for records, asked, steps in rounds:
            for one in records:
                shop.send(one)
                world.stir(2)
            world.stir(steps)
            origins = shop.origins(asked)
            world.wait(origins, PATIENCE_S)
            shop.check(origins)
    finally:
        world.close()
