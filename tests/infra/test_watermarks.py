import pytest
import sqlalchemy as sa

from infra.leases import Task, record
from infra.outbox import Cause
from infra.places import StorePlace
from infra.stores import AgentStore
from infra.timers import Waiter, schedule
from infra.watermarks import Watermark, can_hurry, make_due, outbox_end, read_unpublished, read_watermarks
from schemas.tables import fences, outbox, timer_inputs, timers, work, work_inputs

TOPIC = "millrace.reviews.v1"
NOW = 1_000.0


@pytest.fixture
def store(place: StorePlace) -> AgentStore:
    store = AgentStore(place, "rw", busy_timeout_s=0.1)
    with store.transaction() as connection:
        for partition in (0, 1):
            add(connection, fences, topic=TOPIC, partition=partition, next_offset=50, cluster_id="c", topic_id="t")
    return store


def add(connection: sa.Connection, table: sa.Table, **values: object) -> None:
    connection.execute(table.insert().values(**values))


def add_timer(connection: sa.Connection, key: str, oldest: int, due_at: float = NOW + 30) -> None:
    add(connection, timers, kind="read", key=key, due_at=due_at, deadline=due_at)
    add(connection, timer_inputs, kind="read", key=key, topic=TOPIC, partition=0, oldest_offset=oldest)


def add_work(connection: sa.Connection, key: str, oldest: int, **changed: object) -> None:
    row = {"kind": "write", "key": key, "revision": 1, "reason": "new", "input_topic": TOPIC, "input_partition": 0}
    row |= {"input_offset": oldest, "not_before": NOW + 30, "deadline": NOW + 60, "attempts": 0} | changed
    add(connection, work, **row)
    add(connection, work_inputs, kind="write", key=key, topic=TOPIC, partition=0, leased=False, oldest_offset=oldest)


def add_output(connection: sa.Connection, offset: int) -> None:
    add(connection, outbox, input_topic=TOPIC, input_partition=0, input_offset=offset, topic="points", headers=b"[]")


def test_with_nothing_pending_the_fence_is_the_watermark(store: AgentStore) -> None:
    with store.transaction() as connection:
        assert read_watermarks(connection) == {
            (TOPIC, 0): Watermark(50, 50, "fence"),
            (TOPIC, 1): Watermark(50, 50, "fence"),
        }


@pytest.mark.parametrize(("hold", "holder"), [(add_work, "work"), (add_timer, "timers")])
def test_the_oldest_pending_input_holds_the_watermark_of_its_own_partition_only(store, hold, holder) -> None:
    with store.transaction() as connection:
        hold(connection, "late", 41)
        hold(connection, "early", 17)
        marks = read_watermarks(connection)
    kind = "write" if hold is add_work else "read"
    assert marks[TOPIC, 0] == Watermark(50, 17, holder, kind)
    assert marks[TOPIC, 1].offset == 50


def test_an_output_that_is_not_published_holds_the_watermark(store: AgentStore) -> None:
    with store.transaction() as connection:
        add_work(connection, "p", 30)
        add_output(connection, 12)
        assert read_watermarks(connection)[TOPIC, 0] == Watermark(50, 12, "outbox")


def test_of_several_kinds_the_one_with_the_oldest_input_is_named(store: AgentStore) -> None:
    with store.transaction() as connection:
        add_work(connection, "p", 30)
        add(connection, work_inputs, kind="fold", key="p", topic=TOPIC, partition=0, leased=True, oldest_offset=20)
        assert read_watermarks(connection)[TOPIC, 0] == Watermark(50, 20, "work", "fold")


def test_what_waits_in_the_outbox_is_told_by_its_inputs_up_to_where_it_ended_when_asked(store: AgentStore) -> None:
    with store.transaction() as connection:
        assert outbox_end(connection) == 0
        assert read_unpublished(connection, 99) == {}
        for offset in (12, 17, 15):
            add_output(connection, offset)
        until = outbox_end(connection)
        add_output(connection, 30)
        assert read_unpublished(connection, until) == {(TOPIC, 0): (12, 18)}
        connection.execute(outbox.delete().where(outbox.c.seq <= until))
        assert read_unpublished(connection, until) == {}
        assert outbox_end(connection) > until


def test_only_timers_that_hold_back_something_below_the_target_become_due(store: AgentStore) -> None:
    with store.transaction() as connection:
        add_timer(connection, "old", 10)
        add_timer(connection, "young", 45)
        assert can_hurry(connection, {(TOPIC, 0): 40}, NOW)
        assert make_due(connection, {(TOPIC, 0): 40}, NOW) == 1
        assert not can_hurry(connection, {(TOPIC, 0): 40}, NOW)
        assert make_due(connection, {(TOPIC, 0): 40}, NOW) == 0
        due = dict(connection.execute(sa.select(timers.c.key, timers.c.due_at)).all())
    assert due == {"old": 0.0, "young": NOW + 30}


def test_news_of_a_busy_key_does_not_push_back_what_was_hurried(store: AgentStore) -> None:
    cause = Cause(TOPIC, 0, 11)
    with store.transaction() as connection:
        add_timer(connection, "p", 10)
        add_work(connection, "p", 10)
        make_due(connection, {(TOPIC, 0): 40}, NOW)
        schedule(connection, "read", [Waiter("p", cause)], due_at=NOW + 5, deadline=NOW + 30)
        record(connection, [Task("write", "p", 2, "news", cause, NOW + 2, NOW + 30)])
        assert connection.scalar(sa.select(timers.c.due_at)) == 0
        assert connection.execute(sa.select(work.c.revision, work.c.not_before)).all() == [(2, 0.0)]


def test_leased_work_and_work_in_backoff_are_left_alone(store: AgentStore) -> None:
    with store.transaction() as connection:
        add_work(connection, "free", 10)
        add_work(connection, "leased", 10, lease_owner="x", lease_until=NOW + 5)
        add_work(connection, "lease ran out", 10, lease_owner="x", lease_until=NOW - 5)
        add_work(connection, "failed before", 10, attempts=1, last_error="timeout")
        add_work(connection, "given back at a stop", 10, attempts=1)
        assert can_hurry(connection, {(TOPIC, 0): 40}, NOW)
        assert make_due(connection, {(TOPIC, 0): 40}, NOW) == 3
        assert not can_hurry(connection, {(TOPIC, 0): 40}, NOW)
        hurried = set(connection.scalars(sa.select(work.c.key).where(work.c.not_before == 0)))
    assert hurried == {"free", "lease ran out", "given back at a stop"}
