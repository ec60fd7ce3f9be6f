import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.stores import StoreFile, StoreMissing, StoreUnreadable, store_path
from infra.watermarks import Watermark, make_due, read_watermarks
from schemas.tables import delivery, fences, outbox, timer_inputs, timers, work, work_inputs

TOPIC = "millrace.reviews.v1"
NOW = 1_000.0


@pytest.fixture
def store(tmp_path: Path) -> StoreFile:
    path = store_path(tmp_path, "digest")
    path.parent.mkdir()
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    delivery.create_all(engine)
    store = StoreFile(tmp_path, "digest", "rw", busy_timeout_s=0.1)
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


def test_with_nothing_pending_the_fence_is_the_watermark(store: StoreFile) -> None:
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
    assert marks[TOPIC, 0] == Watermark(50, 17, holder)
    assert marks[TOPIC, 1].offset == 50


def test_an_output_that_is_not_published_holds_the_watermark(store: StoreFile) -> None:
    with store.transaction() as connection:
        add_work(connection, "p", 30)
        add_output(connection, 12)
        assert read_watermarks(connection)[TOPIC, 0] == Watermark(50, 12, "outbox")


def test_only_timers_that_hold_back_something_below_the_target_become_due(store: StoreFile) -> None:
    with store.transaction() as connection:
        add_timer(connection, "old", 10)
        add_timer(connection, "young", 45)
        assert make_due(connection, {(TOPIC, 0): 40}, NOW) == 1
        due = dict(connection.execute(sa.select(timers.c.key, timers.c.due_at)).all())
    assert due == {"old": 0.0, "young": NOW + 30}


def test_leased_work_and_work_in_backoff_are_left_alone(store: StoreFile) -> None:
    with store.transaction() as connection:
        add_work(connection, "free", 10)
        add_work(connection, "leased", 10, lease_owner="x", lease_until=NOW + 5)
        add_work(connection, "lease ran out", 10, lease_owner="x", lease_until=NOW - 5)
        add_work(connection, "failed before", 10, attempts=1, last_error="timeout")
        add_work(connection, "given back at a stop", 10, attempts=1)
        assert make_due(connection, {(TOPIC, 0): 40}, NOW) == 3
        hurried = set(connection.scalars(sa.select(work.c.key).where(work.c.not_before == 0)))
    assert hurried == {"free", "lease ran out", "given back at a stop"}


def test_a_store_that_is_missing_is_told_and_never_created(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="digest has never run here"):
        StoreFile(tmp_path, "digest")
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_no_database_is_told_with_its_path(tmp_path: Path) -> None:
    path = store_path(tmp_path, "digest")
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    with (
        pytest.raises(StoreUnreadable, match=r"not a database.*digest\.db"),
        StoreFile(tmp_path, "digest").transaction() as connection,
    ):
        read_watermarks(connection)


def test_a_reader_neither_writes_nor_waits_for_a_writer(store: StoreFile, tmp_path: Path) -> None:
    reader = StoreFile(tmp_path, "digest", busy_timeout_s=0.1)
    with store.transaction() as writing:
        add_output(writing, 12)
        with reader.transaction() as connection:
            assert read_watermarks(connection)[TOPIC, 0].offset == 50
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                connection.execute(outbox.delete())


def test_a_lock_that_stays_taken_is_told(store: StoreFile) -> None:
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnreadable, match="locked"), store.transaction():
        pass
    holder.close()


def test_a_block_that_raises_changes_nothing(store: StoreFile) -> None:
    with pytest.raises(KeyError), store.transaction() as connection:
        add_output(connection, 12)
        raise KeyError
    with store.transaction() as connection:
        assert read_watermarks(connection)[TOPIC, 0].offset == 50
