import dataclasses
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from infra.places import StorePlace
from infra.settings_reading import Secret
from infra.store_errors import StoreFailed, StoreMissing, StoreUnusable, StoreUnwritable
from infra.stores import AgentStore, check_store, remove_schema
from schemas.tables import fences

FENCE = {"topic": "t", "partition": 0, "next_offset": 5, "cluster_id": "c", "topic_id": "i"}


def offsets(store: AgentStore) -> list[int]:
    with store.transaction() as connection:
        return list(connection.scalars(sa.select(fences.c.next_offset)))


@pytest.fixture
def outside(place: StorePlace) -> AgentStore:
    return AgentStore(place, "rw", busy_timeout_s=0.1)


def test_a_store_that_is_missing_is_told_and_never_made(fresh_place, tmp_path):
    with pytest.raises(StoreMissing, match="digest has never run here"), AgentStore(fresh_place).transaction():
        pass
    assert not (tmp_path / "state").exists()
    if fresh_place.url is not None:
        assert not remove_schema(fresh_place)


def test_a_store_that_is_missing_can_be_started_on(fresh_place):
    check_store(fresh_place)


def test_a_file_that_is_no_database_is_told_with_its_path(tmp_path):
    place = StorePlace("digest", tmp_path)
    place.path.parent.mkdir()
    place.path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnusable, match=r"not a database.*digest\.db"), AgentStore(place).transaction():
        pass
    with pytest.raises(StoreUnusable, match="not a database"):
        check_store(place)


def test_what_is_written_in_a_block_stands_after_it(outside):
    with outside.transaction() as connection:
        connection.execute(fences.insert(), FENCE)
    assert offsets(outside) == [5]


def test_a_block_that_raises_changes_nothing(outside):
    with pytest.raises(KeyError), outside.transaction() as connection:
        connection.execute(fences.insert(), FENCE)
        raise KeyError
    assert offsets(outside) == []


def test_a_reader_cannot_write(place):
    with pytest.raises(StoreUnwritable, match="can only be read"), AgentStore(place).transaction() as connection:
        connection.execute(fences.delete())


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(place, outside):
    reader = AgentStore(place, busy_timeout_s=0.1)
    with outside.transaction() as writing:
        writing.execute(fences.insert(), FENCE)
        with reader.transaction() as connection:
            assert connection.execute(sa.select(fences)).all() == []
            writing.commit()
            assert connection.execute(sa.select(fences)).all() == []
    assert offsets(reader) == [5]


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_lock_that_stays_taken_is_told(place, outside):
    holder = sqlite3.connect(place.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="lock stays taken"), outside.transaction():
        pass
    holder.close()


@pytest.mark.parametrize("database", ["postgres"])
def test_a_change_that_workers_got_in_the_way_of_is_made_again(place, outside):
    """Two transactions wait for each other; the server ends one of them."""
    with outside.transaction() as connection:
        connection.execute(fences.insert(), [FENCE, {**FENCE, "partition": 1}])
    held = threading.Barrier(2)
    calls = []

    def move(numbers: tuple[int, int], connection: sa.Connection) -> None:
        calls.append(numbers)
        for number in numbers:
            here = fences.c.partition == number
            connection.execute(fences.update().where(here).values(next_offset=fences.c.next_offset + 1))
            if len(calls) <= 2 and number == numbers[0]:
                held.wait(30)

    with ThreadPoolExecutor(2) as pool:
        moves = [pool.submit(outside.change, lambda c, n=numbers: move(n, c)) for numbers in ((0, 1), (1, 0))]
        for moved in moves:
            moved.result(30)
    assert offsets(outside) == [7, 7]
    assert len(calls) >= 3  # who comes again may be first once more


@pytest.mark.parametrize("database", ["postgres"])
def test_a_database_that_can_only_be_read_is_told_before_anything_starts(place, postgres):
    postgres.execute(
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN SUPERUSER",
        "ALTER ROLE reader SET default_transaction_read_only = on",
    )
    reading = dataclasses.replace(place, url=Secret(postgres.url(user="reader")))
    with pytest.raises(StoreUnwritable, match="can only be read"):
        check_store(reading)
