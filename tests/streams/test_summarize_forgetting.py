"""Random histories of one product's points, and of calls that come late, fail or die: what is gone leaves no word."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from infra import fences, outbox
from infra.database import Store
from infra.leases import Leased
from models.extractive import ExtractiveWriter
from models.ports import WriteFailure, WriteRequest, Written
from processors.texts.material import material_change
from schemas.points import Evidence, Forgotten, Point, Points, Reading
from schemas.summaries import Summary
from schemas.tables import fences as fences_table
from schemas.tables import ledger, summaries, work, work_inputs
from schemas.tables import outbox as outbox_table
from streams.summarize import Pace, SummarizeHandler
from streams.summary_records import reading_of
from streams.work import WorkLimits, WorkService
from streams.writing import WritingJob
from tests.examples import examples
from tests.processors.any_points import ANY
from tests.processors.readings import band, reading
from tests.streams.fakes import (
    POINTS,
    SUMMARIES,
    Clock,
    CrashAt,
    Encoder,
    Killed,
    NoPublisher,
    applier,
    make_writing,
    points_of,
    raw,
    run,
)

PARTITIONS = [(POINTS, 0), (POINTS, 1)]
ROUNDS = 50
"""More than any history here needs until it is at rest."""

WEIGHT = 5
"""Reviews that each one stands for, so that few are enough for a material change."""

PLACES = st.sampled_from([-1, -1, 0, 1, 2, 3])
"""Of a review among those that stand; -1 is the newest."""

STEPS = st.one_of(
    st.tuples(st.just("add")),
    st.tuples(st.just("edit"), PLACES),
    st.tuples(st.just("delete"), PLACES),
    st.tuples(st.just("clear")),
    st.tuples(st.just("deliver"), st.integers(1, 4), st.sampled_from([None, None, "in_transaction", "after_commit"])),
    st.tuples(st.just("lease"), st.integers(0, 1), st.sampled_from(["text", "text", "busy", "refused", "rejected"])),
    st.tuples(st.just("conclude"), st.integers(0, 3), st.sampled_from([None, None, None, "work_in_transaction"])),
    st.tuples(st.just("restart"), st.integers(0, 1)),
    st.tuples(st.just("write")),
    st.tuples(st.just("overtake"), st.sampled_from(["edit", "delete", "delete", "clear"]), PLACES),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 6.0, 40.0, 90.0])),
    st.tuples(st.just("publish"), st.integers(1, 3)),
)


@dataclass
class Digest:
    """Publishes the points of one product: every review is counted, not every one is quoted."""

    standing: dict[int, int] = field(default_factory=dict)  # review -> how often it was edited
    added: int = 0
    forgotten: Forgotten = field(default_factory=Forgotten)
    published: list[Points] = field(default_factory=list)
    words: list[set[str]] = field(default_factory=list)  # of the reviews behind each of them
    counted: dict[str, set[str]] = field(default_factory=dict)  # by what a text says of its reading

    def add(self) -> None:
        self.standing[self.added] = 0
        self.added += 1
        self._publish()

    def edit(self, place: int) -> None:
        if self.standing:
            number = sorted(self.standing)[place % len(self.standing)]
            self.standing[number] += 1
            self.forgotten = self.forgotten.add(f"r{number}")
            self._publish()

    def delete(self, place: int) -> None:
        if self.standing:
            number = sorted(self.standing)[place % len(self.standing)]
            del self.standing[number]
            self.forgotten = self.forgotten.add(f"r{number}")
            self._publish()

    def clear(self) -> None:
        while self.standing:
            self.delete(0)

    def _publish(self) -> None:
        revision = len(self.published) + 1
        points = msgspec.structs.replace(points_of(self._read(), revision), forgotten=self.forgotten)
        self.published.append(points if self.standing else msgspec.structs.replace(points, op="delete"))
        self.words.append({quote(*one) for one in self.standing.items()})

    def _read(self) -> Reading:
        words = sorted(quote(*one) for one in self.standing.items())
        name = hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]
        self.counted[name] = set(words)
        shown = [self._point(name, odd) for odd in (0, 1)]
        return reading(positive=band(WEIGHT * len(words), [point for point in shown if point]))

    def _point(self, name: str, odd: int) -> Point | None:
        behind = [number for number in sorted(self.standing) if number % 2 == odd]
        quoted = [number for number in behind if number % 3][-2:]
        evidence = [Evidence(review_id=f"r{number}", quote=quote(number, self.standing[number])) for number in quoted]
        share, count = len(behind) / max(1, len(self.standing)), WEIGHT * len(behind)
        rest = {"label": name, "headline": evidence[0].quote if evidence else "", "evidence": evidence}
        return Point(point_id=str(odd), review_count=count, share=share, trend=1.0, **rest) if behind else None


def quote(number: int, edits: int) -> str:
    return f"<{number}.{edits}>"


def text_of(given: Reading) -> str:
    points = given.bands.positive.points
    return " ".join([point.label for point in points[:1]] + [one.quote for point in points for one in point.evidence])


class Quoting:
    """A writer that quotes whatever it is given, also when it fails for ever."""

    model, prompt_version, parameters, endpoint = "m1", "v1", "{}", ""

    def __init__(self, engine: str, refreshes: bool) -> None:
        self.engine = engine
        self.refreshes = refreshes
        self.mood = "text"

    async def write(self, requests: Sequence[WriteRequest]) -> list[Written | WriteFailure]:
        if self.mood == "text":
            return [Written(f"{self.engine} {text_of(request.reading)}") for request in requests]
        if self.mood == "rejected":
            said = [f"{self.engine} {text_of(request.reading)}" for request in requests]
            return [WriteFailure(one, retryable=False, lasting=True) for one in said]
        return [WriteFailure(self.mood, self.mood == "busy") for _ in requests]


@dataclass(frozen=True)
class InFlight:
    """A call that has been answered, but not written."""

    worker: int
    leased: Leased
    job: WritingJob
    outcome: Any


class World:
    """A summarize agent of two workers, its broker and its writers, moved by hand."""

    def __init__(self, store: Store, refreshes: bool) -> None:
        self.store = store
        self.clock = Clock()
        self.digest = Digest()
        self.pace = Pace(debounce_s=2.0, quiet_s=5.0, deadline_s=30.0, refreshes=refreshes)
        self.writer = Quoting("fake", refreshes)
        self.delivered = 0
        self.in_flight: list[InFlight] = []
        self.topic: dict[int, bytes] = {}  # by revision
        self.wipe()
        self.services = [self._service(0), self._service(1)]

    def wipe(self) -> None:
        with self.store.write() as connection:
            for table in (summaries, work, work_inputs, ledger, outbox_table, fences_table):
                connection.execute(table.delete())
            for place in PARTITIONS:
                fences.create(connection, place, 0, "cluster", "topic")

    def _service(self, worker: int, crash: Callable[[str], None] = lambda _: None) -> WorkService:
        fallback = Quoting("fallback", True)
        writing = make_writing(self.store, self.writer, fallback, now=self.clock)
        return WorkService(
            writing,
            self.store,
            NoPublisher(),
            owner=f"summarize-{worker}",
            mine=lambda: PARTITIONS,
            limits=WorkLimits(4, 2, 0.005),
            now=self.clock,
            crash=crash,
        )

    def deliver(self, limit: int, crash: str | None = None) -> None:
        news = self.digest.published[self.delivered : self.delivered + limit]
        if not news:
            return
        handler = SummarizeHandler(self.store, topic=SUMMARIES, pace=self.pace, now=self.clock)
        records = run(*(raw(self.delivered + n, one, topic=POINTS) for n, one in enumerate(news)))
        try:
            applier(handler, self.store, crash=CrashAt(crash)).apply(records)
        except Killed:
            applier(handler, self.store).apply(records)
        self.delivered += len(news)

    def write(self) -> None:
        """Let a call for everything that is published be made and written at once."""
        self.deliver(len(self.digest.published))
        self.wait(40.0)
        self.lease(0, "text")
        self.conclude(-1)

    def overtake(self, news: str, place: int) -> None:
        """Let news come while a call for everything before them is made."""
        self.digest.add()
        self.deliver(len(self.digest.published))
        self.wait(40.0)
        self.lease(1, "text")
        self.do(news, *([] if news == "clear" else [place]))
        self.deliver(len(self.digest.published))
        self.conclude(-1)

    def lease(self, worker: int, mood: str) -> None:
        service = self.services[worker]
        leased = service._lease()
        if leased:
            self.writer.mood = mood
            jobs = service._performer.prepare(leased)
            outcomes = asyncio.run(service._performer.call(jobs))
            self.in_flight += [InFlight(worker, *one) for one in zip(leased, jobs, outcomes, strict=True)]

    def conclude(self, place: int, crash: str | None = None) -> None:
        if not self.in_flight:
            return
        one = self.in_flight.pop(place % len(self.in_flight))
        service = self.services[one.worker]
        service._crash = CrashAt(crash)
        try:
            service._conclude(one.leased, one.job, one.outcome)
        except Killed:
            self.restart(one.worker)
        event(type(one.outcome).__name__)

    def restart(self, worker: int) -> None:
        self.in_flight = [one for one in self.in_flight if one.worker != worker]
        self.services[worker] = self._service(worker)
        self.services[worker]._release()

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def publish(self, limit: int) -> None:
        with self.store.write() as connection:
            waiting = outbox.oldest(connection, PARTITIONS, limit)
            values = [one.output.value for one in waiting if one.output.topic == SUMMARIES]
            self.topic.update(revision_and_value(value) for value in values)
            if waiting:
                outbox.remove(connection, [one.seq for one in waiting])

    def do(self, name: str, *arguments: Any) -> None:
        owner = self.digest if name in ("add", "edit", "delete", "clear") else self
        getattr(owner, name)(*arguments)

    def rest(self) -> None:
        """Let everything be delivered, written and published."""
        self.deliver(len(self.digest.published))
        while self.in_flight:
            self.conclude(0)
        for _ in range(ROUNDS):
            if not self.rows(work):
                break
            self.wait(400.0)
            self.lease(0, "text")
            self.conclude(0)
        assert (self.rows(work), self.rows(work_inputs)) == ([], [])
        self.publish(10_000)

    def rows(self, table: sa.Table) -> list[sa.Row]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(table)))

    @property
    def gone(self) -> set[str]:
        """Words that the agent has been told to forget."""
        told = self.digest.words[: self.delivered]
        return set().union(*told) - told[-1] if told else set()

    def kept(self) -> list[str]:
        """Everything that is kept and could hold a review's words."""
        stored = [
            bytes(one)
            for row in self.rows(summaries)
            for one in (row.points, row.text_points, row.record, row.wanted)
            if one
        ]
        waiting = [row.value for row in self.rows(outbox_table)]
        calls = [row.failure or row.output for row in self.rows(ledger)]
        return [value.decode() for value in stored + waiting] + calls

    def check(self) -> None:
        """Hold what stands to what is forgotten; at rest or not."""
        for value in self.kept():
            assert not [words for words in self.gone if words in value]
        newest = max([revision_and_value(row.value) for row in self.rows(outbox_table)] + [*self.topic.items()])
        assert not [words for words in self.gone if words in newest[1].decode()], "nothing newer was published"
        for entry in self.rows(ledger):
            name = (entry.failure or entry.output).split()[1]
            assert self.digest.counted[name].isdisjoint(self.gone), "the ledger kept an answer that counted it"
        for row in self.rows(summaries):
            assert (row.text_points is None) == (row.text_forgotten is None)
            assert (row.text_points is None) == (msgspec.json.decode(row.record, type=Summary).text is None)


def revision_and_value(value: bytes) -> tuple[int, bytes]:
    return msgspec.json.decode(value, type=Summary).revision, value


def alike(summary: Summary) -> Summary:
    """Leave out what may differ from that of a product that never had what is forgotten."""
    same = {"revision": 0, "text_revision": None, "sources": {}, "updated_at": None}
    return msgspec.structs.replace(summary, **same)


@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refreshes=st.booleans(), steps=st.lists(STEPS, min_size=12, max_size=40))
@example(refreshes=True, steps=[("add",), ("write",), ("overtake", "delete", -1)])  # what no text quotes came and went
def test_nothing_of_a_forgotten_review_stays_whatever_comes_late_fails_or_dies(store, refreshes, steps):
    world = World(store, refreshes)
    for name, *arguments in [("add",), ("add",), ("write",), *steps]:
        world.do(name, *arguments)
        if name in ("deliver", "conclude", "write", "overtake"):
            world.check()
    world.rest()
    world.check()
    check_at_rest(world)


def check_at_rest(world: World) -> None:
    (row,) = world.rows(summaries)
    newest = world.topic[max(world.topic)]
    assert newest == row.record
    summary = msgspec.json.decode(row.record, type=Summary)
    last = world.digest.published[-1]
    world.wipe()
    world.digest.published, world.delivered = [msgspec.structs.replace(last, revision=1)], 0
    world.rest()
    fresh = msgspec.json.decode(world.rows(summaries)[0].record, type=Summary)
    if not world.pace.refreshes and last.op == "upsert":  # its text may be of earlier points that still fit
        written_from = msgspec.json.decode(row.text_points, type=Reading)
        assert summary.text is not None
        assert material_change(written_from, reading_of(last)) is None
        summary = msgspec.structs.replace(summary, text=fresh.text, writer=fresh.writer)
    if summary.writer is not None and summary.writer.engine == "fallback":  # its writer had refused
        summary = msgspec.structs.replace(summary, text=fresh.text, writer=fresh.writer)
    assert alike(summary) == alike(fresh)


class Extractive(Quoting):
    """The extractive writer, in this thread."""

    async def write(self, requests: Sequence[WriteRequest]) -> list[Written | WriteFailure]:
        return ExtractiveWriter(Encoder(), "table")._compose(requests)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refreshes=st.booleans(), points=st.lists(ANY, max_size=4), limit=st.integers(1, 3))
def test_no_points_that_decode_end_the_agent_whatever_they_say(store, refreshes, points, limit):
    world = World(store, refreshes)
    world.writer = Extractive("extractive", refreshes)
    world.restart(0)
    world.digest.published = [*points, points_of(reading(), 2**63 - 1, product_id="end")]
    while world.delivered < len(world.digest.published):
        world.deliver(limit)
        world.lease(0, "text")
        world.conclude(0)
    world.rest()
    assert "end" in {row.product_id for row in world.rows(summaries)}
