import pytest
import sqlalchemy as sa

from infra import fences, leases, repeats
from infra.leases import Leased, Task
from infra.outbox import Cause
from infra.watermarks import read_watermarks
from schemas.tables import work, work_inputs

TOPIC = "millrace.points.v1"
HERE = (TOPIC, 1)
NOW, LATER = 1_000.0, 90_000.0


def task(revision: int, offset: int) -> Task:
    return Task("summary", "p", revision, "news", Cause(*HERE, offset), NOW, NOW)


def take(connection: sa.Connection, now: float = NOW) -> Leased:
    (one,) = leases.lease(connection, "summary", "token", now=now, until=now + 60, partitions=[HERE], limit=9)
    return one


@pytest.fixture
def connection(store):
    with store.write() as connection:
        fences.create(connection, HERE, 7, "cluster", "topic")
        leases.record(connection, [task(1, 5)])
        yield connection


def rows(connection: sa.Connection) -> list[tuple]:
    columns = (work.c.revision, work.c.reason, work.c.not_before, work.c.deadline, work.c.lease_owner)
    return [tuple(row) for row in connection.execute(sa.select(*columns))]


def test_work_that_is_repeated_stays_when_its_lease_is_finished_and_is_owed_to_no_input(connection):
    leased = take(connection)
    repeats.repeat(connection, leased, "again", LATER)
    leases.finish(connection, leased)
    assert rows(connection) == [(1, "again", LATER, LATER, None)]
    assert connection.scalar(sa.select(sa.func.count()).select_from(work_inputs)) == 0
    again = take(connection, LATER)
    assert (again.revision, again.reason, again.attempts, again.causes) == (1, "again", 1, ())
    leases.finish(connection, again)
    assert rows(connection) == []


def test_newer_work_is_not_put_off_by_a_repetition_of_the_older(connection):
    leased = take(connection)
    leases.record(connection, [task(2, 6)])
    repeats.repeat(connection, leased, "again", LATER)
    leases.finish(connection, leased)
    assert rows(connection) == [(2, "news", NOW, NOW, None)]


def test_newer_work_takes_the_place_of_a_repetition(connection):
    leased = take(connection)
    repeats.repeat(connection, leased, "again", LATER)
    leases.finish(connection, leased)
    leases.record(connection, [task(2, 6)])
    assert rows(connection) == [(2, "news", NOW, NOW, None)]
    assert take(connection).causes == (Cause(*HERE, 6),)


def test_a_lease_that_was_taken_over_repeats_nothing(connection):
    leased = take(connection)
    (theirs,) = leases.lease(connection, "summary", "other", now=NOW + 61, until=EVER, partitions=[HERE], limit=9)
    repeats.repeat(connection, leased, "again", LATER)
    assert rows(connection) == [(1, "news", NOW, NOW, theirs.token)]


def test_an_output_that_nobody_is_owed_goes_out_by_the_works_partition_and_holds_nothing_back(connection):
    leased = take(connection)
    cause = repeats.owed_to_nobody(connection, leased)
    assert cause == Cause(*HERE, 7)
    repeats.repeat(connection, leased, "again", LATER)
    leases.finish(connection, leased)
    assert read_watermarks(connection)[HERE].offset == 7


EVER = 1e12
