import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from infra.database import Store, Waits, open_engine
from schemas.tables import delivery, fences

DEADLINE_S = 5.0


def put(connection: sa.Connection, partition: int) -> None:
    row = {"topic": "t", "partition": partition, "next_offset": 0, "cluster_id": "c", "topic_id": "i"}
    connection.execute(fences.insert().values(row))


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(fences))


def wait_until(holds) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_commits_outlive_a_power_loss_and_readers_do_not_wait_for_writers(store):
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_transaction_that_raises_leaves_nothing_behind(store):
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        put(connection, 1)
        _ = 1 / 0
    assert count(store) == 0


def test_a_read_sees_one_state_whatever_is_committed_meanwhile(store, second_store):
    with store.read() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(fences))
        with second_store.write() as other:
            put(other, 1)
        after = connection.scalar(sa.select(sa.func.count()).select_from(fences))
    assert (before, after, count(store)) == (0, 0, 1)


def test_a_write_takes_its_lock_before_it_reads_so_a_second_writer_waits(store, second_store, waits):
    def add_second() -> None:
        with store.write() as connection:
            put(connection, 1 + connection.scalar(sa.select(sa.func.max(fences.c.partition))))

    with ThreadPoolExecutor(1) as pool:
        with second_store.write() as connection:
            later = pool.submit(add_second)
            wait_until(lambda: waits.waiting)
            put(connection, 7)
        later.result(DEADLINE_S)
    assert count(store) == 2
    assert waits.total_s > 0
    assert not waits.waiting


def test_a_held_write_lock_does_not_hold_up_readers_such_as_the_heartbeat(store, second_store):
    with second_store.write():
        started = time.monotonic()
        assert count(store) == 0
        assert time.monotonic() - started < 1


def test_opening_a_store_that_many_open_at_once_works(tmp_path):
    start = threading.Barrier(6)

    def open_it() -> None:
        start.wait()
        open_engine(tmp_path / "new" / "agent.db", [delivery]).dispose()

    with ThreadPoolExecutor(6) as pool:
        for opened in [pool.submit(open_it) for _ in range(6)]:
            opened.result(30)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "agent.db").write_bytes(b"no database " * 100)
    with pytest.raises(sa.exc.DatabaseError, match="not a database"):
        open_engine(tmp_path / "agent.db", [delivery])


async def test_what_runs_in_the_store_never_overlaps(store):
    inside = 0

    def enter() -> int:
        nonlocal inside
        inside += 1
        seen = inside
        time.sleep(0.01)
        inside -= 1
        return seen

    assert await asyncio.gather(*(store.run(enter) for _ in range(5))) == [1] * 5


def test_waits_that_overlap_count_once():
    now = 0.0
    waits = Waits(lambda: now)
    with waits():
        now = 2.0
        with waits():
            now = 5.0
        assert waits.waiting
        now = 6.0
    assert (waits.total_s, waits.waiting) == (6.0, False)


def test_a_wait_that_ends_with_an_error_ends():
    waits = Waits()
    with pytest.raises(OSError), waits():
        raise OSError
    assert not waits.waiting


def test_waits_of_several_threads_never_leave_a_worker_waiting_for_ever():
    class Unlucky(float):
        """Hands the processor over in the middle of every count."""

    def unlucky_now() -> float:
        time.sleep(0)
        return Unlucky(time.monotonic())

    waits = Waits(unlucky_now)
    depths = []

    def wait_often() -> None:
        for _ in range(2_000):
            with waits():
                depths.append(waits.waiting)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(wait_often) for _ in range(4)]:
            done.result(30)
    assert not waits.waiting
    assert all(depths)
    assert 0 < waits.total_s < 30
