import asyncio
import contextlib
import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from infra.database import ATTEMPTS, Store, Waits, open_store
from infra.fences import Moved, advance, next_offset
from infra.places import StorePlace
from infra.settings_reading import Secret
from infra.store_errors import StoreUnusable, StoreUnwritable
from schemas.tables import GROUPS, fences

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


@pytest.mark.parametrize(
    ("database", "settings"),
    [
        ("sqlite", {"PRAGMA synchronous": 2, "PRAGMA journal_mode": "wal"}),  # 2 = FULL
        ("postgres", {"SHOW synchronous_commit": "on", "SHOW transaction_isolation": "repeatable read"}),
    ],
)
def test_commits_outlive_a_power_loss_and_readers_see_one_state(settings, store):
    with store.read() as connection:
        assert {query: connection.exec_driver_sql(query).scalar() for query in settings} == settings


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


@pytest.mark.parametrize("database", ["sqlite"])
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


def test_opening_a_store_that_many_open_at_once_makes_it_once(fresh_place):
    start = threading.Barrier(6)

    def open_it() -> None:
        start.wait()
        open_store(fresh_place, Waits()).close()

    with ThreadPoolExecutor(6) as pool:
        for opened in [pool.submit(open_it) for _ in range(6)]:
            opened.result(30)


def test_a_file_that_is_no_database_is_refused_with_its_path(tmp_path):
    place = StorePlace("digest", tmp_path)
    place.path.parent.mkdir()
    place.path.write_bytes(b"no database " * 100)
    with pytest.raises(StoreUnusable, match=r"no store of ours.*digest\.db"):
        open_store(place, Waits())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StoreUnusable, match="folder cannot be made"):
        open_store(StorePlace("digest", tmp_path), Waits())


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


@pytest.mark.parametrize("database", ["postgres"])
def test_a_row_that_another_worker_holds_is_waited_for_and_not_counted_as_work(store, second_store, waits):
    with store.write() as connection:
        put(connection, 1)

    def advance_it() -> None:
        with store.write() as connection:
            advance(connection, ("t", 1), 0, 5)

    with ThreadPoolExecutor(1) as pool:
        with second_store.write() as connection:
            next_offset(connection, ("t", 1), hold=True)
            later = pool.submit(advance_it)
            wait_until(lambda: waits.waiting)
        later.result(DEADLINE_S)
    assert waits.total_s > 0
    assert not waits.waiting


def test_a_statement_that_fails_ends_its_wait(store, waits):
    with pytest.raises(sa.exc.DBAPIError), store.write() as connection:
        connection.execute(sa.text("SELECT nothing FROM nowhere"))
    assert not waits.waiting


def test_a_change_that_comes_second_is_made_again(store):
    tries = []

    def change(connection: sa.Connection) -> str:
        tries.append(connection)
        put(connection, len(tries))
        if len(tries) < 3:
            raise Moved("another was first")
        return "made"

    assert store.change(change) == "made"
    assert count(store) == 1


def test_a_change_that_is_never_first_is_told(store):
    tries = []

    def change(connection: sa.Connection) -> None:
        tries.append(connection)
        raise Moved("another was first")

    with pytest.raises(Moved):
        store.change(change)
    assert len(tries) == ATTEMPTS


@pytest.mark.parametrize("database", ["postgres"])
def test_workers_that_wait_for_each_other_decide_again_and_both_succeed(store, second_store):
    with store.write() as connection:
        put(connection, 1)
        put(connection, 2)
    both = threading.Barrier(2)
    failures = []

    def move(store: Store, first: int, then: int) -> None:
        def change(connection: sa.Connection) -> None:
            here = next_offset(connection, ("t", first), hold=True)
            if not both.broken:
                with contextlib.suppress(threading.BrokenBarrierError):
                    both.wait(30)
                both.abort()
            there = next_offset(connection, ("t", then), hold=True)
            advance(connection, ("t", first), here, here + 1)
            advance(connection, ("t", then), there, there + 1)

        for _ in range(ATTEMPTS):
            try:
                with store.write() as connection:
                    change(connection)
                return
            except Moved as moved:
                failures.append(moved)

    with ThreadPoolExecutor(2) as pool:
        moves = [pool.submit(move, store, 1, 2), pool.submit(move, second_store, 2, 1)]
        for moved in moves:
            moved.result(30)
    with store.read() as connection:
        assert [next_offset(connection, ("t", number)) for number in (1, 2)] == [2, 2]
    # More than one, perhaps: who comes again may be first once more.
    assert any("deadlock" in str(failure) for failure in failures)


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


@pytest.mark.parametrize("database", ["postgres"])
def test_a_role_that_may_only_read_writes_nothing_whatever_was_read_before(place, postgres):
    postgres.execute(
        "DROP ROLE IF EXISTS looker",
        "CREATE ROLE looker LOGIN SUPERUSER",
        "ALTER ROLE looker SET default_transaction_read_only = on",
    )
    looking = dataclasses.replace(place, url=Secret(postgres.url(user="looker")))
    store = open_store(looking, Waits(), GROUPS)
    assert count(store) == 0
    with pytest.raises(StoreUnwritable, match="the database can only be read"), store.write() as connection:
        put(connection, 1)
    store.close()
