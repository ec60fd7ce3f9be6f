import dataclasses

import pytest
import sqlalchemy as sa

from infra import leases
from infra.leases import LeaseLost, Task
from infra.outbox import Cause
from infra.watermarks import read_watermarks
from schemas.tables import fences, work

POINTS = "millrace.points.v1"
MINE = [(POINTS, 0), (POINTS, 1)]
NOW = 1_000.0
OURS, THEIRS = "summarize-0:aaa", "summarize-1:bbb"


@pytest.fixture
def connection(store):
    with store.write() as connection:
        yield connection


def task(revision: int, offset: int, *, key: str = "p", partition: int = 0, **changed: object) -> Task:
    cause = Cause(POINTS, partition, offset)
    return dataclasses.replace(Task("write", key, revision, "new points", cause, NOW, NOW + 30), **changed)


def lease(connection, token: str = OURS, now: float = NOW, partitions=MINE, limit: int = 10) -> list[leases.Leased]:
    due = leases.due(connection, "write", token, now=now, partitions=partitions)
    taken = leases.lease(connection, "write", token, now=now, until=now + 60, partitions=partitions, limit=limit)
    assert due == bool(taken)
    return taken


def row(connection, key: str = "p"):
    return connection.execute(sa.select(work).where(work.c.key == key)).one()


def offsets(leased: leases.Leased) -> list[int]:
    return [cause.offset for cause in leased.causes]


def test_of_one_key_only_the_newest_revision_is_done(connection):
    leases.record(connection, [task(3, 10, reason="first"), task(4, 11, reason="newer"), task(2, 12, reason="older")])
    (leased,) = lease(connection)
    assert (leased.revision, leased.reason, leased.attempts) == (4, "newer", 1)
    assert offsets(leased) == [10]


def test_work_waits_for_its_time_and_news_push_it_back_but_not_past_the_first_deadline(connection):
    leases.record(connection, [task(1, 10, not_before=NOW + 2, deadline=NOW + 5)])
    assert lease(connection) == []
    leases.record(connection, [task(2, 11, not_before=NOW + 4, deadline=NOW + 8)])
    assert lease(connection, now=NOW + 3) == []
    leases.record(connection, [task(3, 12, not_before=NOW + 9, deadline=NOW + 12)])
    assert [one.revision for one in lease(connection, now=NOW + 5)] == [3]


def test_the_most_urgent_work_is_leased_first(connection):
    leases.record(connection, [task(1, 1, key="b"), task(1, 2, key="a"), task(1, 3, key="c", deadline=NOW + 1)])
    assert [one.key for one in lease(connection, limit=2)] == ["c", "a"]
    assert [one.key for one in lease(connection)] == ["b"]


def test_work_of_other_partitions_is_left_to_others(connection):
    leases.record(connection, [task(1, 1, partition=0), task(1, 1, key="q", partition=2)])
    assert [one.key for one in lease(connection)] == ["p"]


def test_leased_work_is_not_leased_again_until_the_lease_ends(connection):
    leases.record(connection, [task(1, 10)])
    lease(connection, OURS)
    assert lease(connection, THEIRS, NOW + 59) == []
    leases.renew(connection, "write", OURS, NOW + 100)
    assert lease(connection, THEIRS, NOW + 99) == []
    (taken,) = lease(connection, THEIRS, NOW + 101)
    assert (taken.attempts, offsets(taken)) == (2, [10])


def test_our_own_lease_that_ended_unrenewed_is_still_in_hand(connection):
    leases.record(connection, [task(1, 10)])
    lease(connection, OURS)
    assert lease(connection, OURS, NOW + 1_000) == []


def test_inputs_that_come_during_a_lease_are_kept_apart_and_replace_the_finished_ones(connection):
    leases.record(connection, [task(1, 10)])
    (leased,) = lease(connection)
    leases.record(connection, [task(2, 14), task(3, 15)])
    leases.finish(connection, leased)
    (again,) = lease(connection)
    assert (again.revision, again.attempts, offsets(again)) == (3, 1, [14])
    leases.finish(connection, again)
    assert leases.depth(connection) == 0


def test_an_older_input_that_is_recorded_again_during_a_lease_is_the_oldest(connection):
    leases.record(connection, [task(1, 10)])
    (first,) = lease(connection)
    leases.record(connection, [task(2, 11)])
    leases.record(connection, [task(3, 10)])  # what was just done does not fit any more
    leases.finish(connection, first)
    (again,) = lease(connection)
    assert offsets(again) == [10]


def test_the_watermark_stays_at_the_oldest_input_until_the_lease_is_finished(connection):
    place = {"topic": POINTS, "partition": 0, "next_offset": 50, "cluster_id": "c", "topic_id": "t"}
    connection.execute(fences.insert().values(place))
    marks = []

    def mark() -> None:
        marks.append(read_watermarks(connection)[POINTS, 0].offset)

    leases.record(connection, [task(1, 10)])
    (leased,) = lease(connection)
    leases.record(connection, [task(2, 14)])
    mark()
    leases.finish(connection, leased)
    mark()
    leases.finish(connection, lease(connection)[0])
    mark()
    assert marks == [10, 14, 50]


def test_inputs_of_several_partitions_are_all_told(connection):
    leases.record(connection, [task(1, 10), task(2, 70, partition=1), task(3, 12)])
    (leased,) = lease(connection)
    assert leased.causes == (Cause(POINTS, 0, 10), Cause(POINTS, 1, 70))


def test_work_taken_over_by_somebody_else_cannot_be_finished(connection):
    leases.record(connection, [task(1, 10)])
    (ours,) = lease(connection, OURS)
    assert leases.holds(connection, ours)
    (theirs,) = lease(connection, THEIRS, NOW + 61)
    assert not leases.holds(connection, ours)
    with pytest.raises(LeaseLost):
        leases.finish(connection, ours)
    leases.finish(connection, theirs)
    assert leases.depth(connection) == 0


def test_postponed_work_keeps_its_inputs_and_comes_back_when_its_wait_is_over(connection):
    leases.record(connection, [task(1, 10)])
    (leased,) = lease(connection)
    leases.postpone(connection, leased, NOW + 8, "429 " * 1_000)
    assert len(row(connection).last_error) == 500
    assert lease(connection, now=NOW + 7) == []
    (again,) = lease(connection, now=NOW + 8)
    assert (again.attempts, offsets(again)) == (2, [10])


def test_only_tries_that_asked_somebody_count(connection):
    leases.record(connection, [task(1, 10)])
    for tried, attempts in ((True, 1), (False, 2), (False, 2), (True, 2)):
        (leased,) = lease(connection)
        assert leased.attempts == attempts
        leases.postpone(connection, leased, NOW, "503", tried=tried)
    assert row(connection).attempts == 2


def test_work_that_is_not_ours_any_more_is_not_postponed(connection):
    leases.record(connection, [task(1, 10)])
    (ours,) = lease(connection, OURS)
    lease(connection, THEIRS, NOW + 61)
    leases.postpone(connection, ours, NOW + 500, "too late")
    assert (row(connection).lease_owner.split("/")[0], row(connection).last_error) == (THEIRS, None)


def test_news_do_not_cut_short_the_wait_after_a_failure(connection):
    leases.record(connection, [task(1, 10)])
    (leased,) = lease(connection)
    leases.postpone(connection, leased, NOW + 300, "429")
    leases.record(connection, [task(2, 11, not_before=NOW + 2)])
    assert lease(connection, now=NOW + 299) == []
    (again,) = lease(connection, now=NOW + 300)
    assert (again.revision, offsets(again)) == (2, [10])


def test_news_that_come_during_a_call_get_a_deadline_of_their_own(connection):
    leases.record(connection, [task(1, 10, deadline=NOW + 1)])
    (leased,) = lease(connection)
    leases.record(connection, [task(2, 11, not_before=NOW + 50 + 2, deadline=NOW + 50 + 30)])
    leases.finish(connection, leased)
    assert lease(connection, now=NOW + 51) == []
    assert len(lease(connection, now=NOW + 52)) == 1


def test_a_restarted_worker_takes_its_own_leases_back_and_no_others(connection):
    leases.record(connection, [task(1, 10), task(1, 20, key="q")])
    lease(connection, "summarize-1:old", limit=1)
    lease(connection, "summarize-10:other")
    leases.release(connection, "write", "summarize-1:")
    (back,) = lease(connection, "summarize-1:new")
    assert (back.key, back.attempts, offsets(back)) == ("p", 2, [10])


def test_owners_with_the_wildcards_of_like_are_taken_literally(connection):
    leases.record(connection, [task(1, 10)])
    lease(connection, "summarizeX0:old")
    leases.release(connection, "write", "summarize_0:")
    assert row(connection).lease_owner.startswith("summarizeX0:old/")
    leases.renew(connection, "write", "summarize_0:old", NOW + 500)
    assert row(connection).lease_until == NOW + 60


def test_a_lease_of_work_recorded_anew_is_another_one_even_in_the_same_process(connection):
    leases.record(connection, [task(1, 10)])
    (first,) = lease(connection)
    leases.cancel(connection, "write", ["p"])
    leases.record(connection, [task(5, 20)])
    (second,) = lease(connection)
    assert (leases.holds(connection, first), leases.holds(connection, second)) == (False, True)
    leases.give_back(connection, first)
    leases.postpone(connection, first, NOW + 9, "late")
    with pytest.raises(LeaseLost):
        leases.finish(connection, first)
    assert (row(connection).lease_owner, row(connection).last_error) == (second.token, None)
    assert leases.inputs(connection, "write", ["p"]) == {"p": [Cause(POINTS, 0, 20)]}


def test_cancelled_work_is_gone_with_all_its_inputs_whoever_holds_it(connection):
    leases.record(connection, [task(1, 10), task(1, 11, key="q"), dataclasses.replace(task(1, 12), kind="other")])
    lease(connection, limit=1)
    leases.record(connection, [task(2, 13)])
    leases.cancel(connection, "write", ["p", "unknown"])
    leases.cancel(connection, "write", [])
    assert [one.key for one in lease(connection)] == ["q"]
    assert leases.inputs(connection, "write", ["p", "q"]) == {"q": [Cause(POINTS, 0, 11)]}
    assert leases.inputs(connection, "other", ["p"]) == {"p": [Cause(POINTS, 0, 12)]}


def test_work_that_is_given_back_may_be_leased_at_once_with_all_its_inputs(connection):
    leases.record(connection, [task(1, 10)])
    (leased,) = lease(connection)
    leases.record(connection, [task(2, 14)])
    leases.give_back(connection, leased)
    (again,) = lease(connection)
    assert (again.revision, again.attempts, offsets(again)) == (2, 1, [10])


def test_inputs_are_the_oldest_of_each_partition_leased_or_not(connection):
    leases.record(connection, [task(1, 10)])
    lease(connection)
    leases.record(connection, [task(2, 14), task(3, 70, partition=1)])
    assert leases.inputs(connection, "write", ["p", "q"]) == {"p": [Cause(POINTS, 0, 10), Cause(POINTS, 1, 70)]}


def test_work_carries_the_trace_of_its_newest_input_that_had_one(connection):
    leases.record(connection, [task(1, 10, trace={"traceparent": b"old"}), task(2, 11, trace={"traceparent": b"new"})])
    leases.record(connection, [task(3, 12), task(2, 13, trace={"traceparent": b"late and older"})])
    assert lease(connection)[0].trace == {"traceparent": b"new"}
    leases.record(connection, [task(1, 14, key="q")])
    assert lease(connection)[0].trace == {}


def test_work_that_only_mends_is_leased_and_ended_without_inputs_and_holds_no_watermark(connection):
    leases.record(connection, [task(1, 10)], owed=False)
    assert leases.inputs(connection, "write", ["p"]) == {}
    (leased,) = lease(connection)
    assert leased.causes == ()
    leases.finish(connection, leased)
    assert leases.depth(connection) == 0


def test_news_that_join_work_that_only_mends_wait_for_it(connection):
    leases.record(connection, [task(1, 10)], owed=False)
    leases.record(connection, [task(2, 11)])
    (leased,) = lease(connection)
    assert (leased.revision, offsets(leased)) == (2, [11])
