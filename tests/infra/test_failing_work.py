import pytest

from infra import leases
from infra.failing_work import FailingWork, find_failing
from infra.leases import Task
from infra.outbox import Cause

POINTS = "millrace.points.v1"


def record(connection, *keys: tuple[str, float]) -> None:
    for key, deadline in keys:
        task = Task("summary", key, 1, "new", Cause(POINTS, 0, 1), not_before=0.0, deadline=deadline)
        leases.record(connection, [task])


def lease(connection, now: float = 1.0):
    return leases.lease(connection, "summary", "me", now=now, until=now + 9, partitions=[(POINTS, 0)], limit=9)


@pytest.fixture
def connection(store):
    with store.write() as connection:
        yield connection


def test_work_that_waits_for_its_first_try_does_not_fail(connection):
    record(connection, ("a", 10.0))
    assert find_failing(connection) == FailingWork()
    lease(connection)
    assert find_failing(connection) == FailingWork()


def test_the_most_urgent_of_what_failed_says_why_also_while_it_is_tried_again(connection):
    record(connection, ("late", 20.0), ("first", 10.0))
    for leased in lease(connection):
        leases.postpone(connection, leased, 5.0, f"{leased.key} failed")
    record(connection, ("new", 1.0))
    expected = FailingWork(2, "first failed", 10.0)
    assert find_failing(connection) == expected
    again = lease(connection, now=6.0)
    assert find_failing(connection) == expected
    for leased in again:
        if leased.key == "first":
            leases.finish(connection, leased)
    assert find_failing(connection) == FailingWork(1, "late failed", 20.0)
