"""However points are cut into runs and whenever texts are written: what is asked for depends on their order alone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import fences
from infra.database import Store
from infra.rows.summary_rows import SummaryRow
from processors.texts.citing import cited_reviews, cites_forgotten
from processors.texts.ledger import canonical_input
from processors.texts.material import material_change
from schemas.points import Forgotten, Points, Reading
from schemas.tables import fences as fences_table
from schemas.tables import ledger, summaries, work, work_inputs
from schemas.tables import outbox as outbox_table
from streams.summarize import Pace, SummarizeHandler
from streams.summary_records import reading_of, wanted_of
from streams.work import WorkLimits, WorkService
from tests.examples import examples
from tests.processors.readings import band, point, reading
from tests.streams.fakes import (
    POINTS,
    START_S,
    SUMMARIES,
    Clock,
    FakeWriter,
    NoPublisher,
    applier,
    make_writing,
    never,
    points_of,
    quoted,
    raw,
    run,
)

HERE = (POINTS, 0)
PACE = Pace(debounce_s=2.0, quiet_s=5.0, deadline_s=30.0, refreshes=False)
ROUNDS = 30
"""More than any history here needs until it is at rest."""

WORDS = ("Battery lasts long", "Straps are soft", "Colour stays bright", "Zipper is smooth")


def about(words: Sequence[int], count: int) -> Reading:
    return reading(positive=band(count, [point(WORDS[one], min(3 + one, count), count) for one in words]))


READINGS = st.one_of(
    st.builds(about, st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), st.integers(5, 9)),
    st.lists(st.sampled_from(["r1", "r2", "r3"]), min_size=1, max_size=2, unique=True).map(lambda ids: quoted(*ids)),
)
NEWS = st.tuples(st.sampled_from("ppq"), READINGS, st.sampled_from([None] * 8 + ["r1", "r9", "end"]))
STEPS = st.one_of(
    st.tuples(st.just("deliver"), st.integers(1, 6)),
    st.tuples(st.just("lease")),
    st.tuples(st.just("conclude"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 40.0, 90.0])),
    st.tuples(st.just("restart")),
)


def published(news: Sequence[tuple[str, Reading, str | None]]) -> list[Points]:
    """The topic: what is forgotten stays so, and the same record may come twice."""
    told: dict[str, Forgotten] = {}
    topic = []
    for number, (product_id, said, what) in enumerate(news, 1):
        before = told.get(product_id, Forgotten())
        told[product_id] = before if what is None else before.add(what)
        rest = {"forgotten": told[product_id], "op": "delete" if what == "end" else "upsert"}
        topic.append(msgspec.structs.replace(points_of(said, number, product_id), **rest))
    return topic


def wanted_in_order(topic: Sequence[Points]) -> dict[str, list[Points | None]]:
    """Say which points of each product texts are wanted of: a loop without rows, runs or clocks."""
    wanted: dict[str, list[Points | None]] = {}
    for one in topic:
        before = wanted.setdefault(one.product_id, [None])[-1]
        if one.op == "delete":
            wanted[one.product_id].append(None)
            continue
        held = None if before is None else reading_of(before)
        gone = before is not None and cites_forgotten(cited_reviews(held), one.forgotten, before.forgotten.count)
        if gone or material_change(held, reading_of(one)):
            wanted[one.product_id].append(one)
    return wanted


class World:
    """A summarize agent whose runs, leases and calls come in any order."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.writer = FakeWriter()
        self.topic: list[Points] = []
        self.delivered = 0
        self.in_flight: list[tuple[Any, Any, Any]] = []
        self.service = self._service()
        self.begin(ledger)

    def begin(self, *also: sa.Table) -> None:
        """Forget everything but the ledger."""
        self.delivered = 0
        with self.store.write() as connection:
            for table in (summaries, work, work_inputs, outbox_table, fences_table, *also):
                connection.execute(table.delete())
            fences.create(connection, HERE, 0, "cluster", "topic")

    def _service(self) -> WorkService:
        writing = make_writing(self.store, self.writer, FakeWriter(engine="fallback"), now=self.clock)
        rest = {"owner": "summarize-0", "mine": lambda: [HERE], "limits": WorkLimits(1, 2, 0.005)}
        return WorkService(writing, self.store, NoPublisher(), now=self.clock, crash=never, **rest)

    def deliver(self, limit: int) -> None:
        news = self.topic[self.delivered : self.delivered + limit]
        if news:
            handler = SummarizeHandler(self.store, topic=SUMMARIES, pace=PACE, now=self.clock)
            at_ms = int(START_S * 1000)
            records = [raw(self.delivered + n, one, topic=POINTS, timestamp=at_ms) for n, one in enumerate(news)]
            applier(handler, self.store).apply(run(*records))
            self.delivered += len(news)
            self.check()

    def lease(self) -> None:
        leased = self.service._lease()
        jobs = self.service._performer.prepare(leased)
        outcomes = asyncio.run(self.service._performer.call(jobs))
        self.in_flight += zip(leased, jobs, outcomes, strict=True)

    def conclude(self, place: int) -> None:
        if self.in_flight:
            self.service._conclude(*self.in_flight.pop(place % len(self.in_flight)))
            self.check()

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def restart(self) -> None:
        self.in_flight = []
        self.service = self._service()
        self.service._release()

    def rest(self) -> None:
        self.deliver(len(self.topic))
        for _ in range(ROUNDS):
            self.conclude(0)
            self.wait(90.0)
            self.lease()
        assert (self.in_flight, self.rows(work)) == ([], [])

    def rows(self, table: sa.Table) -> list[sa.Row]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(table)))

    def standing(self) -> dict[str, SummaryRow]:
        return {row.product_id: SummaryRow(**row._mapping) for row in self.rows(summaries)}

    def check(self) -> None:
        """Work is recorded for what is wanted, and for nothing else."""
        waiting = {row.key: row.revision for row in self.rows(work)}
        found = {name: wanted_of(row) for name, row in self.standing().items()}
        assert waiting == {name: wanted.points_revision for name, wanted in found.items() if wanted is not None}


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    news=st.lists(NEWS, min_size=1, max_size=14),
    first=st.lists(STEPS, max_size=40),
    second=st.lists(STEPS, max_size=40),
)
def test_calls_are_those_that_the_order_of_points_wants_and_the_last_of_them_is_always_made(store, news, first, second):
    world = World(store)
    world.topic = published(news)
    wanted = wanted_in_order(world.topic)
    keys = {canonical_input(reading_of(one)) for those in wanted.values() for one in those if one is not None}
    texts = []
    for steps in (first, second):
        for name, *arguments in steps:
            getattr(world, name)(*arguments)
        world.rest()
        assert {canonical_input(request.reading) for request in world.writer.asked} <= keys
        texts.append({name: row.text_points for name, row in world.standing().items()})
        world.begin()
    assert texts[0] == texts[1]
    last = {name: those[-1] for name, those in wanted.items()}
    assert texts[0] == {
        name: None if one is None else msgspec.json.encode(reading_of(one)) for name, one in last.items()
    }


@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(news=st.lists(NEWS, min_size=1, max_size=14), cuts=st.lists(st.integers(1, 4), max_size=14))
def test_reading_again_faster_than_at_first_asks_for_nothing_new(store, news, cuts):
    world = World(store)
    world.topic = published([(name, said, None) for name, said, _ in news])
    for _ in world.topic:  # so slowly that each text is written before the next points come
        world.deliver(1)
        world.wait(40.0)
        world.lease()
        world.conclude(0)
    world.rest()
    asked = len(world.writer.asked)
    world.begin()
    for cut in cuts:
        world.deliver(cut)
        world.lease()
        world.conclude(0)
    world.rest()
    assert len(world.writer.asked) == asked
