"""Two workers of one agent on one Postgres: whoever comes second waits, decides again, or takes something else."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from infra import fences, leases, ledger, outbox, timers
from infra.fences import Moved
from infra.leases import LeaseLost, Task
from infra.ledger import Entry
from infra.locking import hold, insert_new
from infra.outbox import Cause, Output
from infra.rows import summary_rows
from infra.rows.summary_rows import SummaryRow
from infra.timers import Waiter
from infra.watermarks import make_due, read_watermarks
from schemas import tables

REVIEWS = "millrace.reviews.v1"
HERE = (REVIEWS, 0)
NOW = 1_000.0
DEADLINE_S = 30.0

pytestmark = pytest.mark.parametrize("database", ["postgres"])


@contextmanager
def meanwhile(store, change):
    """Begin a transaction in another thread once the block is entered; end it after the block has committed."""
    with ThreadPoolExecutor(1) as pool:
        begun = threading.Event()

        def write() -> object:
            with store.write() as connection:
                begun.set()
                return change(connection)

        later: Future[object] = pool.submit(write)
        assert begun.wait(DEADLINE_S)
        yield later


def until_waiting(second_store) -> None:
    """Wait until the second worker waits for a lock."""
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with second_store.read() as connection:
            if connection.scalar(waiting):
                return
        assert time.monotonic() < deadline, "nobody waits"


def fence(store) -> int:
    with store.read() as connection:
        return fences.next_offset(connection, HERE)


def create_fence(store) -> None:
    with store.write() as connection:
        fences.create(connection, HERE, 0, "cluster", "topic")


def task(key: str, revision: int = 1, offset: int = 10) -> Task:
    return Task("write", key, revision, "news", Cause(*HERE, offset), NOW, NOW + 30)


def lease(connection, token: str = "a", limit: int = 10):
    return leases.lease(connection, "write", token, now=NOW, until=NOW + 60, partitions=[HERE], limit=limit)


def entry(key: str, output: str = "text") -> Entry:
    return Entry(key, "engine", "model", "1", output, 1, 1, 1.0, NOW, "p")


def summary(revision: int, record: bytes = b"{}") -> SummaryRow:
    return SummaryRow("p", revision, 1, b"{}", None, None, record, 1, NOW)


def test_of_two_workers_with_one_partition_the_second_finds_the_fence_moved(store, second_store):
    create_fence(store)

    def apply(connection) -> None:
        if fences.next_offset(connection, HERE, hold=True) != 0:
            raise Moved("another was first")
        fences.advance(connection, HERE, 0, 5)

    with store.write() as connection:
        assert fences.next_offset(connection, HERE, hold=True) == 0
        with meanwhile(second_store, apply) as second:
            until_waiting(store)
            fences.advance(connection, HERE, 0, 5)
            connection.commit()
            with pytest.raises(Moved, match="another was first"):
                second.result(DEADLINE_S)
    assert fence(store) == 5


def test_a_fence_that_two_workers_create_at_once_is_the_first_ones(store, second_store):
    with store.write() as connection:
        fences.create(connection, HERE, 3, "cluster", "topic")
        with meanwhile(second_store, lambda c: fences.create(c, HERE, 7, "cluster", "topic")) as second:
            until_waiting(store)
            connection.commit()
            second.result(DEADLINE_S)
    assert fence(store) == 3


def test_work_that_another_worker_is_about_to_lease_is_left_to_it(store, second_store):
    with store.write() as connection:
        leases.record(connection, [task("p"), task("q"), task("r")])
    with store.write() as connection:
        first = lease(connection, "a", limit=2)
        with second_store.write() as other:
            second = lease(other, "b")
    assert ([one.key for one in first], [one.key for one in second]) == (["p", "q"], ["r"])


def test_a_lease_that_is_taken_over_while_its_result_is_written_is_lost_and_may_be_decided_again(store, second_store):
    with store.write() as connection:
        leases.record(connection, [task("p")])
        (ours,) = lease(connection)
    with second_store.write() as other:
        leases.release(other, "write", "a")
        lease(other, "b")
        with meanwhile(store, lambda c: leases.finish(c, ours)) as finishing:
            until_waiting(second_store)
            other.commit()
            with pytest.raises(LeaseLost):
                finishing.result(DEADLINE_S)
    assert issubclass(LeaseLost, Moved)


def test_news_that_come_while_work_is_finished_are_work_again(store, second_store):
    create_fence(store)
    with store.write() as connection:
        leases.record(connection, [task("p")])
        (ours,) = lease(connection)
    with store.write() as connection:
        leases.finish(connection, ours)
        with meanwhile(second_store, lambda c: leases.record(c, [task("p", 2, 14)])) as news:
            until_waiting(store)
            connection.commit()
            news.result(DEADLINE_S)
    with store.write() as connection:
        (again,) = lease(connection)
    assert (again.revision, [cause.offset for cause in again.causes]) == (2, [14])


def test_work_finished_while_news_come_keeps_the_news_and_their_input(store, second_store):
    with store.write() as connection:
        leases.record(connection, [task("p")])
        (ours,) = lease(connection)
    with second_store.write() as other:
        leases.record(other, [task("p", 2, 14)])
        with meanwhile(store, lambda c: leases.finish(c, ours)) as finishing:
            until_waiting(second_store)
            other.commit()
            finishing.result(DEADLINE_S)
    with store.write() as connection:
        (again,) = lease(connection)
    assert (again.revision, [cause.offset for cause in again.causes]) == (2, [14])


def test_an_input_that_joins_a_timer_which_is_served_meanwhile_waits_for_nothing(store, second_store):
    """Otherwise it would hold its watermark for ever."""
    create_fence(store)
    with store.write() as connection:
        fences.advance(connection, HERE, 0, 50)
        timers.schedule(connection, "read", [Waiter("p", Cause(*HERE, 10))], due_at=NOW, deadline=NOW)
    with store.write() as connection:
        (due,) = timers.due(connection, "read", NOW, [HERE], 10)
        timers.take(connection, due)
        with meanwhile(second_store, lambda c: timers.join(c, "read", [Waiter("p", Cause(*HERE, 20))])) as joining:
            until_waiting(store)
            connection.commit()
            joining.result(DEADLINE_S)
    with store.read() as connection:
        assert read_watermarks(connection)[HERE].offset == 50


def test_a_nudge_leaves_what_a_worker_holds_alone(store, second_store):
    create_fence(store)
    later = {"due_at": NOW + 30, "deadline": NOW + 30}
    with store.write() as connection:
        timers.schedule(connection, "read", [Waiter("p", Cause(*HERE, 1)), Waiter("q", Cause(*HERE, 2))], **later)
    with store.write() as connection:
        timers.schedule(connection, "read", [Waiter("p", Cause(*HERE, 3))], **later)
        with second_store.write() as other:
            assert make_due(other, {HERE: 9}, NOW) == 1
    with store.read() as connection:
        assert [one.key for one in timers.due(connection, "read", NOW, [HERE], 10)] == ["q"]


def test_of_two_answers_to_one_call_the_first_is_kept_and_returned(store, second_store):
    with store.write() as connection:
        assert ledger.settle(connection, entry("k", "first")).output == "first"
        with meanwhile(second_store, lambda c: ledger.settle(c, entry("k", "second"))) as second:
            until_waiting(store)
            connection.commit()
            assert second.result(DEADLINE_S).output == "first"


def test_of_two_first_summaries_the_second_is_decided_again(store, second_store):
    with store.write() as connection:
        summary_rows.put_summary(connection, summary(1), 0)
        with meanwhile(second_store, lambda c: summary_rows.put_summary(c, summary(1, b"other"), 0)) as second:
            until_waiting(store)
            connection.commit()
            with pytest.raises(Moved, match="summary of p"):
                second.result(DEADLINE_S)


def test_of_two_next_summaries_the_second_is_decided_again(store, second_store):
    with store.write() as connection:
        summary_rows.put_summary(connection, summary(1), 0)
    with store.write() as connection:
        summary_rows.put_summary(connection, summary(2), 1)
        with meanwhile(second_store, lambda c: summary_rows.put_summary(c, summary(2, b"other"), 1)) as second:
            until_waiting(store)
            connection.commit()
            with pytest.raises(Moved, match="summary of p"):
                second.result(DEADLINE_S)


def test_numbers_of_outputs_are_never_used_again(store):
    output = [(Output("points", b"k", b"v"), Cause(*HERE, 1))]
    for expected in (1, 2):
        with store.write() as connection:
            outbox.add(connection, output)
            (waiting,) = outbox.oldest(connection, [HERE], 10)
            assert waiting.seq == expected
            outbox.remove(connection, [waiting.seq])


def test_rows_are_held_in_one_order_whatever_the_language_of_the_database(store):
    keys = ["b", "B", "a", "Ä", "a-1", "a1"]
    with store.write() as connection:
        for key in keys:
            assert insert_new(connection, tables.ledger, vars_of(entry(key)))
        assert not insert_new(connection, tables.ledger, vars_of(entry("a")))
        assert hold(connection, tables.ledger.c.ledger_key, sa.true()) == sorted(keys)


def vars_of(one: Entry) -> dict[str, object]:
    return {column.name: getattr(one, column.name) for column in tables.ledger.columns}
