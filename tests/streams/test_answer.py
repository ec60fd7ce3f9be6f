import msgspec
import pytest
import sqlalchemy as sa

from infra import fences
from infra.rows.answer_rows import load_requests
from infra.watermarks import read_watermarks
from schemas.answer_tables import requests
from schemas.records import Unreadable
from schemas.requests import Request
from schemas.tables import outbox as outbox_table
from schemas.tables import work, work_inputs
from streams.answer import LONGEST_S, RequestsHandler
from streams.events import read_events
from tests.streams.answer_world import REQUESTS, asked
from tests.streams.fakes import START_S, Clock, applier, raw, run

HERE, THERE = (REQUESTS, 0), (REQUESTS, 1)


@pytest.fixture
def make(store):
    """Make a worker's applier."""
    with store.write() as connection:
        for place in (HERE, THERE):
            fences.create(connection, place, 0, "cluster", "topic")

    def made(on=store):
        return applier(RequestsHandler(on, deadline_ms=10_000, now=Clock(START_S + 1)), on)

    return made


def records(*values: dict, start: int = 0, **changed):
    return run(*(raw(start + n, one, topic=REQUESTS, **changed) for n, one in enumerate(values)))


def rows(store, table: sa.Table) -> list:
    with store.read() as connection:
        return list(connection.execute(sa.select(table)))


def test_a_new_question_is_kept_and_becomes_work_with_its_deadline(store, make):
    make().apply(records(asked("q"), asked("r", deadline_ms=250), start=0, headers=(("traceparent", b"t"),)))
    with store.read() as connection:
        kept = load_requests(connection, ["q", "r"])
    assert msgspec.json.decode(kept["q"].record)["question"] == "How long?"
    assert msgspec.json.decode(kept["r"].sources) == {"requests": {"0": 2}}
    assert (kept["q"].at, kept["q"].deadline) == (START_S, START_S + 10.0)
    assert kept["r"].deadline == START_S + 1 + 0.25
    tasks = {row.key: row for row in rows(store, work)}
    assert {key: row.deadline for key, row in tasks.items()} == {key: row.deadline for key, row in kept.items()}
    assert {(row.kind, row.not_before, row.trace is not None) for row in tasks.values()} == {
        ("answer", START_S + 1, True)
    }


@pytest.mark.parametrize("deadline_ms", [2**63, 10**400])
def test_a_deadline_further_away_than_anybody_waits_is_a_day(store, make, deadline_ms):
    make().apply(records(asked("q", deadline_ms=deadline_ms)))
    assert rows(store, requests)[0].deadline == START_S + LONGEST_S


@pytest.mark.parametrize("together", [True, False])
def test_the_same_question_again_changes_nothing_and_waits_for_the_answer_to_the_first(store, make, together):
    same = [asked("q", principals=["b", "a"]), asked("q", principals=["a", "b", "public"])]
    if together:
        make().apply(records(*same))
    else:
        make().apply(records(same[0]))
        make().apply(records(same[1], partition=1))
    assert len(rows(store, requests)) == 1
    with store.read() as connection:
        marks = read_watermarks(connection)
    assert {place: (mark.offset, mark.held_by) for place, mark in marks.items()} == {
        HERE: (0, "work"),
        THERE: (0, "fence" if together else "work"),
    }


def test_the_same_question_again_after_its_answer_waits_for_nothing(store, make):
    make().apply(records(asked("q")))
    with store.write() as connection:
        connection.execute(work.delete())
        connection.execute(work_inputs.delete())
    make().apply(records(asked("q"), start=1))
    assert (rows(store, work), rows(store, work_inputs), rows(store, outbox_table)) == ([], [], [])


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("changed", [{"question": "Why?"}, {"principals": ["boss"]}, {"tenant": "t"}])
def test_another_question_under_the_same_id_is_told_and_the_first_stands(store, make, together, changed):
    first, other = asked("q"), asked("q", **changed)
    if together:
        make().apply(records(first, other))
    else:
        make().apply(records(first))
        make().apply(records(other, start=1))
    (row,), (letter,) = rows(store, requests), rows(store, outbox_table)
    assert msgspec.json.decode(row.record, type=Request) == msgspec.convert(first, Request)
    told = msgspec.json.decode(letter.value)
    assert (told["reason"], told["field"], told["source"]["offset"]) == ("duplicate_request", "request_id", 1)
    assert "'q'" in told["error"]
    assert "an id of its own" in told["error"]


def test_two_workers_that_get_one_id_at_the_same_time_keep_one_question(store, second_store, make):
    """Clients hash differently: one id may come on two partitions."""
    here, there = make(), make(second_store)
    handler = there._handler
    decide, raced = handler.decide, []

    def decide_late(events, following):
        decision = decide(events, following)
        if not raced:
            raced.append(1)
            here.apply(records(asked("q")))
        return decision

    handler.decide = decide_late
    there.apply(records(asked("q", question="Why?"), partition=1))
    (row,), (letter,) = rows(store, requests), rows(store, outbox_table)
    assert msgspec.json.decode(row.record)["question"] == "How long?"
    assert msgspec.json.decode(letter.value)["reason"] == "duplicate_request"


def test_entities_that_nobody_knows_yet_are_taken(store, make):
    make().apply(records(asked("q", entities={"product_id": "p", "shop": "s"}, options={"any": [1]})))
    assert msgspec.json.decode(rows(store, requests)[0].record)["entities"] == {"product_id": "p", "shop": "s"}


def test_a_question_without_an_id_or_words_is_told(store):
    for value in ({"question": "?"}, {"request_id": "q", "question": ""}, {"request_id": "q\n", "question": "?"}):
        events, rejections = read_events([raw(0, value, topic=REQUESTS)], RequestsHandler.records["requests"])
        assert events == []
        assert isinstance(rejections[0].problem, Unreadable)
