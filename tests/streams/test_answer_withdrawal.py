"""Whatever is deleted, edited or hidden, and when: no standing answer cites it, and every request has its answer."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from infra import fences, outbox
from infra.database import Store
from infra.errors import InfraError
from infra.leases import Leased
from schemas.answer_tables import answer_basis, answers, gate, requests
from schemas.answers import Answer
from schemas.documents import PUBLIC
from schemas.tables import fences as fences_table
from schemas.tables import ledger, work, work_inputs
from schemas.tables import outbox as outbox_table
from streams.answer import IndexedHandler, RequestsHandler
from streams.answer_records import WITHDRAWN
from streams.answering import LATE, AnsweringJob
from streams.routing import ByTopic
from streams.work import WorkLimits, WorkService
from tests.streams.answer_world import ANSWERS, INDEXED, REQUESTS, FakeAnswerer, FakeIndex, asked, make_answering
from tests.streams.fakes import START_S, Clock, CrashAt, Killed, NoPublisher, applier, raw, run

PARTITIONS = [(REQUESTS, 0), (INDEXED, 0)]
TABLES = (answers, answer_basis, requests, gate, work, work_inputs, ledger, outbox_table, fences_table)
ROUNDS = 60
"""More than any history here needs until it is at rest."""

DOCUMENTS = st.integers(0, 2)
CHANGES = st.sampled_from(["put", "put", "hide", "delete", "open", "close"])
STEPS = st.one_of(
    st.tuples(st.just("change"), CHANGES, DOCUMENTS),
    st.tuples(st.just("ask"), st.sampled_from(["", "boss"]), st.sampled_from([1_000, 100_000])),
    st.tuples(st.just("ask_again"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("deliver"), st.sampled_from([None, None, "in_transaction", "after_commit"])),
    st.tuples(st.just("lease"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("conclude"), st.integers(0, 3), st.sampled_from([None, None, None, "work_in_transaction"])),
    st.tuples(st.just("overtake"), CHANGES, DOCUMENTS),
    st.tuples(st.just("restart"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 90.0])),
    st.tuples(st.just("publish"), st.integers(1, 3)),
)


@dataclass(frozen=True)
class InFlight:
    """A call that has been answered, but not written."""

    worker: int
    leased: Leased
    job: AnsweringJob
    outcome: Any


class World:
    """An answer agent of two workers beside an index that changes, moved by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock()
        self.index = FakeIndex()
        self.texts: dict[str, str] = {}  # every text there ever was -> its document
        self.asked: list[dict] = []
        self.at: list[float] = []
        self.delivered = {REQUESTS: 0, INDEXED: 0}
        self.in_flight: list[InFlight] = []
        self.topic: dict[str, list[Answer]] = {}
        with self.store.write() as connection:
            for table in TABLES:
                connection.execute(table.delete())
            for place in PARTITIONS:
                fences.create(connection, place, 0, "cluster", "topic")
        self.writer = FakeAnswerer()
        self.services = [self._service(0), self._service(1)]

    def _service(self, worker: int) -> WorkService:
        return WorkService(
            make_answering(self.store, self.index, self.writer, now=self.clock),
            self.store,
            NoPublisher(),
            owner=f"answer-{worker}",
            mine=lambda: PARTITIONS,
            limits=WorkLimits(1, 2, 0.005),
            now=self.clock,
            crash=lambda _: None,
        )

    def handler(self) -> ByTopic:
        taking = RequestsHandler(self.store, deadline_ms=10_000, now=self.clock)
        return ByTopic({"requests": taking, "indexed": IndexedHandler(self.index, topic=ANSWERS, now=self.clock)})

    def change(self, what: str, number: int) -> None:
        """Put or hide a new text, or open or close the one that stands: that gives its words another row."""
        kept = self.index.kept.get(f"/d{number}")
        text = kept.passage.text if kept and what in ("open", "close") else f"Fact f{len(self.texts)} holds."
        self.texts[text] = f"d{number}"
        if what == "delete":
            self.index.delete(f"d{number}")
        else:
            self.index.put(f"d{number}", text, principals=["boss"] if what in ("hide", "close") else [PUBLIC])

    def ask(self, principal: str, deadline_ms: int) -> None:
        principals = {"principals": [principal]} if principal else {}
        self._send(asked(f"q{len(self.asked)}", deadline_ms=deadline_ms, **principals))

    def ask_again(self, place: int, same: bool) -> None:
        if self.asked:
            first = self.asked[place % len(self.asked)]
            self._send(first if same else {**first, "question": "Why?"})

    def _send(self, value: dict) -> None:
        self.asked.append(value)
        self.at.append(self.clock.now)

    def deliver(self, crash: str | None = None, topics: tuple[str, ...] = (REQUESTS, INDEXED)) -> None:
        for topic in topics:
            values = self.asked if topic == REQUESTS else self.index.told
            first = self.delivered[topic]
            times = self.at if topic == REQUESTS else [self.clock.now] * len(values)
            records = [
                raw(number, values[number], topic=topic, timestamp=int(times[number] * 1000))
                for number in range(first, len(values))
            ]
            if not records:
                continue
            try:
                applier(self.handler(), self.store, crash=CrashAt(crash)).apply(run(*records))
            except Killed:
                applier(self.handler(), self.store).apply(run(*records))
            self.delivered[topic] = len(values)

    def lease(self, worker: int, quotes: int = 20) -> None:
        service = self.services[worker]
        leased = service._lease()
        if leased:
            self.writer.quotes = quotes
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

    def overtake(self, what: str, number: int) -> None:
        """Let a document change, and its withdrawals be done, while an answer that read it is on its way."""
        self.change("put", number)
        self.ask("boss", 100_000)
        self.deliver()
        self.lease(1)
        self.change(what, number)
        self.deliver()
        self.conclude(-1)

    def restart(self, worker: int) -> None:
        self.in_flight = [one for one in self.in_flight if one.worker != worker]
        self.services[worker] = self._service(worker)
        self.services[worker]._release()

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def publish(self, limit: int) -> None:
        with self.store.write() as connection:
            waiting = outbox.oldest(connection, PARTITIONS, limit)
            for one in waiting:
                if one.output.topic == ANSWERS:
                    answer = msgspec.json.decode(one.output.value, type=Answer)
                    self.topic.setdefault(answer.request_id, []).append(answer)
            if waiting:
                outbox.remove(connection, [one.seq for one in waiting])

    def do(self, name: str, *arguments: Any) -> None:
        getattr(self, name)(*arguments)

    def rest(self) -> None:
        """Let everything be delivered, answered and published."""
        self.deliver()
        while self.in_flight:
            self.conclude(0)
        for _ in range(ROUNDS):
            if not self.rows(work):
                break
            self.wait(100.0)
            self.lease(0)
            self.conclude(0)
        assert (self.rows(work), self.rows(work_inputs)) == ([], [])
        self.publish(10_000)

    def rows(self, table: sa.Table) -> list[sa.Row]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(table)))

    def seen_by(self, principals: list[str]) -> set[str]:
        """Texts that stand and that somebody may see."""
        return {
            one.passage.text for one in self.index.kept.values() if not one.principals.isdisjoint({*principals, PUBLIC})
        }

    def check(self) -> None:
        """Hold what is kept and would be published to what stands; everything told by the index is delivered."""
        first = {one["request_id"]: one for one in reversed(self.asked)}
        standing = {one.passage.text for one in self.index.kept.values()}
        gone = set(self.texts) - standing
        for row in self.rows(answers):
            hidden = set(self.texts) - self.seen_by(first[row.request_id].get("principals", []))
            assert not [text for text in hidden if text in row.record.decode()], "a standing answer cites what is gone"
        for row in self.rows(outbox_table):
            principals = first.get((row.key or b"").decode(), {}).get("principals", [])
            hidden = set(self.texts) - self.seen_by(principals)
            assert not [text for text in hidden if text in row.value.decode()], "what is gone could still be published"
        for row in self.rows(ledger):
            assert not [text for text in gone if text in row.output], "the ledger keeps words of what is gone"
        newest = [row.record for row in self.rows(answers)]
        self._check_newest({msgspec.json.decode(one, type=Answer).request_id: one for one in newest})

    def _check_newest(self, standing: dict[str, bytes]) -> None:
        waiting: dict[str, bytes] = {}
        for row in self.rows(outbox_table):
            if row.topic == ANSWERS:
                waiting[row.key.decode()] = row.value
        published = {request_id: msgspec.json.encode(told[-1]) for request_id, told in self.topic.items()}
        assert {**published, **waiting} == standing, "what was published last is not what stands"

    def check_at_rest(self) -> None:
        """Every request has one answer, in time or told so, and at most one withdrawal of it."""
        stored = {row.request_id: row for row in self.rows(answers)}
        assert stored.keys() == self.topic.keys() == {one["request_id"] for one in self.asked}
        deadlines = {row.request_id: row.deadline for row in self.rows(requests)}
        for request_id, told in self.topic.items():
            by_revision = {one.revision: one for one in told}
            assert [one for one in told if by_revision[one.revision] != one] == []
            assert sorted(by_revision) == [one for one in (1, 2) if one in by_revision]
            assert [one.revision for one in told] == sorted(one.revision for one in told)
            row, newest = stored[request_id], told[-1]
            assert row.record == msgspec.json.encode(newest)
            assert newest.abstained == (newest.text is None) == (newest.citations == [])
            assert row.withdrawn == (newest.reason == WITHDRAWN) == (newest.revision == 2)
            assert row.answered_at <= deadlines[request_id] or newest.reason is not None


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=8, max_size=35))
@example(steps=[("overtake", "delete", 1)])
@example(steps=[("change", "put", 0), ("ask", "", 1_000), ("deliver", None), ("lease", 0, 3), ("conclude", 0, None)])
def test_no_standing_answer_cites_what_is_gone_whatever_comes_late_fails_or_dies(store, steps):
    world = World(store)
    for name, *arguments in [("change", "put", 0), ("ask", "", 100_000), *steps]:
        world.do(name, *arguments)
        if world.delivered[INDEXED] == len(world.index.told):
            world.check()
    world.rest()
    world.check()
    world.check_at_rest()
    for told in world.topic.values():
        event(told[-1].reason or "answered")


STAGES = ("asked", "leased", "searched", "called", "decided", "at the gate", "in the transaction", "committed")


@pytest.mark.parametrize("what", ["delete", "put", "hide", "close"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("told", ["at once", "later"])
def test_a_change_at_any_step_of_an_answer_leaves_nothing_of_it(store, database, what, stage, told):
    """Its withdrawal runs in another thread: behind a gate that is held, it waits."""
    world = World(store)
    world.change("put", 0)
    world.ask("", 100_000)
    held = stage == "in the transaction" or (stage == "at the gate" and database == "sqlite")
    withdrawing = threading.Thread(target=world.deliver, args=(None, (INDEXED,)))

    def change(here: str) -> None:
        if here == stage and len(world.index.told) == 1:
            world.change(what, 0)
            if told == "at once":
                withdrawing.start()
                withdrawing.join(0.2 if held else 30)
                assert withdrawing.is_alive() == held

    world.deliver()
    change("asked")
    through(world, change)
    if told == "at once":
        withdrawing.join(30)
    world.deliver()
    world.rest()
    world.check()
    world.check_at_rest()
    assert standing(world).reason != WITHDRAWN or stage in ("in the transaction", "committed")


def through(world: World, reached: Callable[[str], None]) -> None:
    """Answer what is asked, and tell at each step that it is reached."""
    service = world.services[0]
    performer = service._performer
    world.index.after_search = lambda: reached("searched")
    decide, stands = performer.decide, performer.stands

    def decide_slowly(job, outcome):
        decided = decide(job, outcome)
        reached("decided")
        return decided

    def stand(connection, job):
        reached("at the gate")
        standing = stands(connection, job)
        reached("in the transaction")
        return standing

    performer.decide, performer.stands = decide_slowly, stand
    leased = service._lease()
    jobs = performer.prepare(leased)
    reached("leased")
    (outcome,) = asyncio.run(performer.call(jobs))
    reached("called")
    service._conclude(leased[0], jobs[0], outcome)
    reached("committed")


@pytest.fixture
def world(store):
    world = World(store)
    world.change("put", 0)
    return world


def answer_all(world: World, quotes: int = 20) -> None:
    world.deliver()
    while world.rows(work):
        world.lease(0, quotes)
        world.conclude(0)


def standing(world: World, request_id: str = "q0") -> Answer:
    (row,) = [row for row in world.rows(answers) if row.request_id == request_id]
    return msgspec.json.decode(row.record, type=Answer)


@pytest.mark.parametrize("what", ["delete", "put", "hide", "close"])
def test_an_answer_that_cites_what_is_gone_is_withdrawn_without_quoting_it(world, what):
    world.ask("", 100_000)
    answer_all(world)
    before = standing(world)
    world.change(what, 0)
    world.deliver()
    after = standing(world)
    assert (after.revision, after.text, after.citations, after.abstained) == (2, None, [], True)
    assert (after.reason, after.confidence, after.writer) == (WITHDRAWN, None, None)
    assert after.sources == {**before.sources, "indexed": {"0": len(world.index.told)}}
    assert (world.rows(ledger), world.rows(answer_basis)) == ([], [])
    waiting = [row for row in world.rows(outbox_table) if row.topic == ANSWERS]
    assert {row.value for row in waiting} == {msgspec.json.encode(after)}
    assert {(row.input_topic, row.input_offset) for row in waiting} == {(REQUESTS, 0), (INDEXED, 1)}


def test_who_may_see_a_row_is_asked_for_each_who_asked(world):
    """A row that stands for some is gone for others, even where the index gives it no new id."""
    world.ask("", 100_000)
    world.ask("boss", 100_000)
    answer_all(world)
    world.index.kept["/d0"] = replace(world.index.kept["/d0"], principals=frozenset({"boss"}))
    world.index.told.append(world.index.told[0])
    world.deliver()
    assert (standing(world, "q0").reason, standing(world, "q1").reason) == (WITHDRAWN, None)


def test_while_the_index_cannot_be_read_a_question_waits_and_by_its_deadline_that_is_told(world):
    world.ask("", 100_000)
    world.index.failures = [InfraError("index has never run here", "Start it.")] * 100
    world.deliver()
    for _ in range(ROUNDS):
        world.lease(0)
        world.conclude(0)
        if not world.rows(work):
            break
        (row,) = world.rows(work)
        assert "never run" in row.last_error
        world.clock.now = row.not_before
    assert (standing(world).reason, world.clock.now) == (LATE, START_S + 100)


def test_a_withdrawal_is_told_once(world):
    world.ask("", 100_000)
    answer_all(world)
    for what in ("delete", "put", "delete"):
        world.change(what, 0)
        world.deliver()
    assert standing(world).revision == 2
    world.rest()
    assert [one.revision for one in world.topic["q0"]] == [2, 2]


def test_what_is_hidden_from_some_stays_told_to_those_who_may_see_it(world):
    world.ask("", 100_000)
    world.change("hide", 1)
    world.ask("boss", 100_000)
    answer_all(world)
    texts = list(world.texts)
    assert [one.quote for one in standing(world, "q1").citations] == texts
    world.index.put("other", "Nobody cites this.")
    world.deliver()
    assert (standing(world, "q0").revision, standing(world, "q1").revision) == (1, 1)
    world.change("delete", 1)
    world.deliver()
    assert (standing(world, "q0").revision, standing(world, "q1").revision) == (1, 2)


def test_an_answer_that_does_not_cite_what_is_gone_stays_but_what_its_writer_said_does_not(world):
    world.change("put", 1)
    world.ask("", 100_000)
    answer_all(world, quotes=1)
    before = standing(world)
    world.change("delete", 1)
    world.deliver()
    assert standing(world) == before
    assert world.rows(ledger) == []
    assert [(row.source_key, row.cited) for row in world.rows(answer_basis)] == [("/d0", True)]
    world.change("delete", 0)
    world.deliver()
    assert standing(world).reason == WITHDRAWN


def test_a_review_that_is_edited_or_deleted_takes_its_answers_with_it(world):
    world.texts["Runs small."] = "r1"
    world.index.review("p", "r1", "Runs small.")
    world._send(asked("q0", deadline_ms=100_000, entities={"product_id": "p"}))
    answer_all(world)
    assert standing(world).citations[0].document_id == "r1"
    world.index.delete_review("other", "r1")
    world.deliver()
    assert standing(world).revision == 1
    world.index.delete_review("p", "r1")
    world.deliver()
    assert standing(world).reason == WITHDRAWN
    world.check()


def test_words_of_a_call_whose_answer_was_never_written_go_too(world):
    """Its lease was lost, and another worker's call read something else."""
    world.ask("", 100_000)
    world.deliver()
    world.lease(0)
    world.wait(90.0)
    world.change("put", 1)
    world.deliver()
    world.lease(1)
    world.conclude(0)
    assert (len(world.rows(ledger)), world.rows(answers)) == (1, [])
    world.conclude(0)
    assert len(world.rows(ledger)) == 2
    world.change("delete", 0)
    world.deliver()
    assert world.rows(ledger) == []
    world.check()
