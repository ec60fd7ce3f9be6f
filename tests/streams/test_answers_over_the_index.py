"""Answers beside the real index: what a change of a document or review means for who was told of it."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import fences
from infra.database import Store
from infra.leases import Leased
from schemas.answer_tables import answer_basis, answers
from schemas.answers import Answer
from schemas.tables import ledger
from streams.answer import IndexedHandler, RequestsHandler
from streams.answer_records import WITHDRAWN
from streams.answering import AnsweringJob
from streams.retrieval import Retrieval
from streams.work import WorkLimits, WorkService
from tests.fake_vectors import FakeVectorStore
from tests.streams.answer_world import ANSWERS, REQUESTS, FakeAnswerer, asked, make_answering
from tests.streams.fakes import REVIEWS, Clock, Encoder, NoPublisher, applier, never, raw, review, run
from tests.streams.index_worker import DOCUMENTS, INDEXED, Worker, deletion, document, emptied, indexed, prepare, rows

PUMPS, VALVES, PIPES = "A pump moves water.", "A valve stops it.", "A pipe is hollow."
HERS = {"principals": ["sales", "boss"]}


def written(*texts: str, **changed: Any) -> dict:
    """A document of one chunk a text."""
    text = "\n\n".join(f"# {text.split()[1].title()}\n\n{text}" for text in texts)
    return document(1, text, **{**HERS, **changed})


class World:
    """An index worker and an answer worker on one store; both do all they can at each step."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = prepare(store), Clock()
        with store.write() as connection:
            for place in ((REQUESTS, 0), (INDEXED, 0)):
                fences.create(connection, place, 0, "cluster", "topic")
        self.index = Worker(store, self.clock, FakeVectorStore())
        self.retrieval = Retrieval(store.read, None, None, Encoder())
        self.sent = Counter[str]()  # by topic
        self.heard = self.asked = 0
        self.away = False  # whether the vector store refuses everything
        self.writer = FakeAnswerer()

    def change(self, value: dict) -> None:
        """Let a document or review be what it says, and answers follow."""
        topic = REVIEWS if "review_id" in value else DOCUMENTS
        value = {**value, "revision": self.sent[topic]}
        self.index.apply(raw(self.sent[topic], value, topic=topic))
        self.sent[topic] += 1
        self.follow()

    def follow(self) -> None:
        """Do what is due, all of it unless vectors are away, and let answers follow what is told of it."""
        self.index.work() if self.away else self.index.rest()
        told = indexed(self.store)[self.heard :]
        news = [raw(offset, one, topic=INDEXED) for offset, one in enumerate(told, self.heard)]
        self.heard += len(told)
        if news:
            handler = IndexedHandler(self.retrieval, topic=ANSWERS, now=self.clock)
            applier(handler, self.store).apply(run(*news))

    def lose_vectors(self) -> None:
        self.index.vectors.fail()
        self.away = True

    def find_vectors(self) -> None:
        self.index.vectors.recover()
        self.away = False
        self.follow()

    def ask(self, question: str, **changed: Any) -> Answer:
        request = asked(f"q{self.asked}", question, **changed)
        handler = RequestsHandler(self.store, deadline_ms=10_000, now=self.clock)
        at = int(self.clock.now * 1000)
        applier(handler, self.store).apply(run(raw(self.asked, request, topic=REQUESTS, timestamp=at)))
        self.asked += 1
        service = self.service()
        asyncio.run(service._work(service._lease()))
        return self.answer(request["request_id"])

    def service(self) -> WorkService[Leased, AnsweringJob]:
        answering = make_answering(self.store, self.retrieval, self.writer, now=self.clock)
        limits, mine = WorkLimits(1, 2, 0.005), lambda: [(REQUESTS, 0)]
        return WorkService(
            answering,
            self.store,
            NoPublisher(),
            owner="answer-0",
            mine=mine,
            limits=limits,
            now=self.clock,
            crash=never,
        )

    def answer(self, request_id: str = "q0") -> Answer:
        (row,) = [row for row in rows(self.store, answers) if row["request_id"] == request_id]
        return msgspec.json.decode(row["record"], type=Answer)

    def count(self, table: sa.Table) -> int:
        return len(rows(self.store, table))

    def fate(self, request_id: str = "q0") -> str:
        answer = self.answer(request_id)
        return "withdrawn" if answer.reason == WITHDRAWN else "stands" if answer.text and answer.revision == 1 else "?"


@pytest.fixture
def world(store):
    world = World(store)
    world.change(written(PUMPS, VALVES))
    return world


def test_what_an_answer_rests_on_is_named_by_its_document_and_its_words(world):
    (citation,) = world.ask("What moves water?", principals=["sales"]).citations
    (row,) = rows(world.store, answer_basis)
    assert (row["source_key"], row["chunk_id"], row["cited"]) == ("/d1.md", citation.chunk_id, True)


@pytest.mark.parametrize(
    "change",
    [
        written(PUMPS, VALVES, principals=["sales", "boss", "legal"]),
        written(PUMPS, VALVES, principals=["sales"]),
        written(PUMPS, VALVES, principals=["public"]),
        written(PUMPS, VALVES, metadata={"team": "x"}),
        written(PUMPS, PIPES),
        written(VALVES, PUMPS),
        written(PUMPS),
        document(2, "A pump moves water."),
    ],
    ids=["opened", "closed to others", "public", "labelled", "edited elsewhere", "moved", "cut elsewhere", "copied"],
)
def test_an_answer_whose_words_stand_for_who_asked_stands(world, change):
    before = world.ask("What moves water?", principals=["sales"])
    world.change(change)
    assert world.answer() == before
    assert (world.fate(), world.count(answer_basis), world.count(ledger)) == ("stands", 1, 1)


GONE = [
    written(PUMPS, VALVES, principals=["boss"]),
    written(PUMPS, VALVES, principals=[]),
    written("A pump moves air.", VALVES),
    written(PUMPS, VALVES, title="Manual"),
    written(VALVES),
    deletion(1),
]


@pytest.mark.parametrize("change", GONE, ids=["hidden", "from all", "edited", "titled", "cut", "deleted"])
@pytest.mark.parametrize("opened", [False, True], ids=["at once", "after it was opened"])
def test_an_answer_whose_words_are_gone_for_who_asked_is_withdrawn(world, change, opened):
    world.ask("What moves water?", principals=["sales"])
    if opened:
        world.change(written(PUMPS, VALVES, principals=["sales", "boss", "legal"]))
        world.change(written(PUMPS, PIPES))
    world.change(change)
    assert (world.fate(), world.count(answer_basis), world.count(ledger)) == ("withdrawn", 0, 0)


@pytest.mark.parametrize("change", GONE, ids=["hidden", "from all", "edited", "titled", "cut", "deleted"])
def test_what_is_gone_is_withdrawn_while_the_vector_store_refuses_everything_and_once(world, change):
    world.ask("What moves water?", principals=["sales"])
    world.lose_vectors()
    world.change(change)
    assert (world.fate(), world.count(answer_basis), world.count(ledger)) == ("withdrawn", 0, 0)
    withdrawn = world.answer()
    world.find_vectors()
    assert (world.answer(), withdrawn.revision) == (withdrawn, 2)


step = st.one_of(
    st.builds(
        written,
        *[st.sampled_from([PUMPS, VALVES, PIPES, "A pump moves air."])] * 2,
        title=st.sampled_from([None, None, None, "Manual"]),
        principals=st.sampled_from([["sales", "boss"], ["sales"], ["public"], ["boss"], []]),
        metadata=st.sampled_from([{}, {"team": "x"}]),
    ),
    st.just(deletion(1)),
)


def found_by_sales(value: dict) -> bool:
    """Whether who asked may still read, word for word and below the same headings, what the answer cites."""
    seen = {"sales", "public"} & set(value.get("principals", []))
    return bool(seen) and PUMPS in value["text"] and value["title"] is None


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(st.tuples(st.booleans(), step), min_size=1, max_size=6))
def test_whatever_changes_while_vectors_come_and_go_an_answer_stands_as_long_as_what_it_cites(store, history):
    world = World(emptied(store))
    world.change(written(PUMPS, VALVES))
    world.ask("What moves water?", principals=["sales"])
    stands = True
    for away, value in history:
        if away != world.away:
            world.lose_vectors() if away else world.find_vectors()
        world.change(value)
        stands = stands and found_by_sales(value)
        assert world.fate() == ("stands" if stands else "withdrawn")
    world.find_vectors()
    assert (world.fate(), world.answer().revision) == (("stands", 1) if stands else ("withdrawn", 2))


def test_each_who_asked_keeps_their_answer_as_long_as_they_may_see_its_words(world):
    for who in ("sales", "boss"):
        world.ask("What moves water?", principals=[who])
    world.change(written(PUMPS, VALVES, principals=["boss", "legal"]))
    assert (world.fate("q0"), world.fate("q1")) == ("withdrawn", "stands")
    world.change(written(PUMPS, VALVES, principals=["legal"]))
    assert (world.fate("q0"), world.fate("q1")) == ("withdrawn", "withdrawn")


def test_an_answer_from_two_chunks_goes_with_either(world):
    world.ask("What moves water, what stops it?", principals=["sales"])
    assert world.count(answer_basis) == 2
    world.change(written(PUMPS, PIPES))
    assert world.fate() == "withdrawn"


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        (review(1, text="Runs small.", rating=5), "stands"),
        (review(1, "other", text="Runs large."), "stands"),
        (review(1, text="Runs large."), "withdrawn"),
        (review(1, text="Runs small.", title="Fit"), "withdrawn"),
        ({"review_id": "r1", "product_id": "p", "op": "delete"}, "withdrawn"),
    ],
    ids=["rated", "of another product", "edited", "titled", "deleted"],
)
def test_an_answer_from_a_review_stands_as_long_as_its_words_do(world, change, fate):
    world.change(review(1, text="Runs small."))
    world.ask("Does it run small?", entities={"product_id": "p"})
    assert world.fate() == "stands"
    world.change(change)
    assert world.fate() == fate
