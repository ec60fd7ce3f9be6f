import pytest

from infra import timers
from infra.fences import Moved
from infra.outbox import Cause
from infra.timers import Waiter
from infra.watermarks import read_watermarks
from schemas.tables import fences

REVIEWS = "millrace.reviews.v1"
MINE = [(REVIEWS, 0), (REVIEWS, 1)]
NOW = 1_000.0


@pytest.fixture
def connection(store):
    with store.write() as connection:
        yield connection


def schedule(
    connection, key: str, offset: int, *, partition: int = 0, due_at: float, deadline: float, **trace: bytes
) -> None:
    waiter = Waiter(key, Cause(REVIEWS, partition, offset), trace)
    timers.schedule(connection, "read", [waiter], due_at=due_at, deadline=deadline)


def due(connection, now: float = NOW, partitions=MINE, limit: int = 10) -> list[timers.Timer]:
    return timers.due(connection, "read", now, partitions, limit)


def test_a_timer_is_due_when_its_time_has_come(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW + 30)
    assert due(connection, NOW - 0.001) == []
    (timer,) = due(connection)
    assert timer == timers.Timer("read", "p", NOW, (Cause(REVIEWS, 0, 7),))


def test_news_push_a_timer_back_but_never_past_its_first_deadline(connection):
    schedule(connection, "p", 7, due_at=NOW + 5, deadline=NOW + 12)
    schedule(connection, "p", 8, due_at=NOW + 9, deadline=NOW + 16)
    assert due(connection, NOW + 8) == []
    schedule(connection, "p", 9, due_at=NOW + 14, deadline=NOW + 21)
    (timer,) = due(connection, NOW + 12)
    assert timer.due_at == NOW + 12


def test_a_timer_keeps_the_oldest_input_of_each_partition(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW)
    schedule(connection, "p", 9, due_at=NOW, deadline=NOW)
    schedule(connection, "p", 40, partition=1, due_at=NOW, deadline=NOW)
    (timer,) = due(connection)
    assert timer.inputs == (Cause(REVIEWS, 0, 7), Cause(REVIEWS, 1, 40))


def test_only_timers_that_wait_for_our_partitions_are_ours_and_then_with_all_their_inputs(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW)
    schedule(connection, "p", 40, partition=1, due_at=NOW, deadline=NOW)
    schedule(connection, "other", 9, partition=2, due_at=NOW, deadline=NOW)
    (timer,) = due(connection, partitions=[(REVIEWS, 1)])
    assert (timer.key, len(timer.inputs)) == ("p", 2)


def test_the_longest_due_come_first(connection):
    for key, due_at in (("c", NOW - 1), ("a", NOW - 3), ("b", NOW - 1)):
        schedule(connection, key, 1, due_at=due_at, deadline=NOW)
    assert [timer.key for timer in due(connection)] == ["a", "b", "c"]
    assert [timer.key for timer in due(connection, limit=1)] == ["a"]


def test_a_timer_that_is_taken_is_gone_with_its_inputs(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW)
    schedule(connection, "q", 8, due_at=NOW, deadline=NOW)
    first, _ = due(connection)
    timers.take(connection, first)
    assert [timer.key for timer in due(connection)] == ["q"]
    assert timers.inputs(connection, "read", ["p", "q"]) == {"q": [Cause(REVIEWS, 0, 8)]}
    with pytest.raises(Moved):
        timers.take(connection, first)


def test_a_timer_that_was_pushed_back_meanwhile_is_not_taken(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW + 30)
    (timer,) = due(connection)
    schedule(connection, "p", 8, due_at=NOW + 5, deadline=NOW + 35)
    with pytest.raises(Moved):
        timers.take(connection, timer)
    assert timers.inputs(connection, "read", ["p"]) == {"p": [Cause(REVIEWS, 0, 7)]}


def test_a_cancelled_timer_is_gone_with_its_inputs_and_others_stay(connection):
    for key in ("p", "q"):
        schedule(connection, key, 7, due_at=NOW, deadline=NOW)
    timers.schedule(connection, "other", [Waiter("p", Cause(REVIEWS, 0, 1))], due_at=NOW, deadline=NOW)
    timers.cancel(connection, "read", ["p", "unknown"])
    timers.cancel(connection, "read", [])
    assert [timer.key for timer in due(connection)] == ["q"]
    assert timers.inputs(connection, "read", ["p"]) == {}
    assert timers.depth(connection) == 2


def test_a_timer_starts_anew_after_it_was_served(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW)
    timers.take(connection, due(connection)[0])
    schedule(connection, "p", 50, due_at=NOW + 5, deadline=NOW + 30)
    (timer,) = due(connection, NOW + 5)
    assert timer.inputs == (Cause(REVIEWS, 0, 50),)


def test_a_timer_carries_the_trace_of_its_newest_input_that_had_one(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW, traceparent=b"old")
    schedule(connection, "p", 8, due_at=NOW, deadline=NOW, traceparent=b"new")
    schedule(connection, "p", 9, due_at=NOW, deadline=NOW)
    schedule(connection, "q", 10, due_at=NOW, deadline=NOW)
    assert [timer.trace for timer in due(connection)] == [{"traceparent": b"new"}, {}]


def test_inputs_join_a_timer_that_is_set_without_moving_it_and_keep_its_oldest(connection):
    schedule(connection, "p", 7, due_at=NOW, deadline=NOW + 30, traceparent=b"first")
    timers.join(connection, "read", [Waiter("p", Cause(REVIEWS, 0, 9)), Waiter("p", Cause(REVIEWS, 1, 4))])
    (timer,) = due(connection)
    assert timer == timers.Timer(
        "read", "p", NOW, (Cause(REVIEWS, 0, 7), Cause(REVIEWS, 1, 4)), {"traceparent": b"first"}
    )


def test_an_input_that_joins_after_a_newer_one_of_the_same_run_was_scheduled_is_the_oldest(connection):
    schedule(connection, "p", 9, partition=1, due_at=NOW, deadline=NOW + 30)
    timers.join(connection, "read", [Waiter("p", Cause(REVIEWS, 1, 8)), Waiter("p", Cause(REVIEWS, 1, 7))])
    assert timers.inputs(connection, "read", ["p"]) == {"p": [Cause(REVIEWS, 1, 7)]}


def test_where_no_timer_is_set_nothing_waits_so_no_watermark_is_held(connection):
    place = {"topic": REVIEWS, "partition": 0, "next_offset": 50, "cluster_id": "c", "topic_id": "t"}
    connection.execute(fences.insert().values(place))
    timers.join(connection, "read", [Waiter("p", Cause(REVIEWS, 0, 9))])
    timers.join(connection, "read", [])
    assert timers.inputs(connection, "read", ["p"]) == {}
    assert read_watermarks(connection)[REVIEWS, 0].offset == 50


def test_nobody_waiting_sets_no_timer(connection):
    timers.schedule(connection, "read", [], due_at=NOW, deadline=NOW)
    assert timers.depth(connection) == 0
