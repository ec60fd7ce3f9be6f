"""Tables elsewhere are copied as they are: what is new, what changed, what is gone, and nothing half."""

import asyncio
import sqlite3
import time
from contextlib import suppress

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from infra import feature_sources
from infra.alone import alone
from infra.rows.feature_copy_rows import list_copyings
from processors.features import Env, SyncedTable
from streams.features import copying
from streams.features.copying import Copying
from streams.features.standing import load_copies


class Shop:
    """A database elsewhere."""

    def __init__(self, path):
        self.path = path
        self.run("CREATE TABLE hotels (hotel TEXT, city TEXT, stars INTEGER, changed INTEGER)")

    def run(self, statement, *rows):
        with sqlite3.connect(self.path) as connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)

    def put(self, *rows):
        self.run("INSERT INTO hotels VALUES (?, ?, ?, ?)", *rows)


class Bench:
    """Featurize's store with a copying on it."""

    def __init__(self, place, store):
        self.place = place
        self.store = store
        self.now = 1_700_000_000.0
        self.environment = {}

    def copying(self, *tables):
        return Copying(self.store, self.place, tables, now=lambda: self.now, environment=self.environment)

    def copy(self, table):
        return asyncio.run(self.copying(table).copy(table))

    def rows(self, *keys, name="hotels"):
        with self.store.read() as connection:
            return {key: values for key, (values, _) in load_copies(connection, name, keys).items()}

    def standing(self, name="hotels"):
        with self.store.read() as connection:
            return list_copyings(connection)[name]


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def bench(place, store):
    return Bench(place, store)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(feature_sources.read_pages, "__defaults__", (None, 2))
    monkeypatch.setattr(copying, "REMOVED", 2)


def hotels(shop, **options):
    return SyncedTable("hotels", "hotel", f"sqlite:///{shop.path}", table="hotels", **options)


def test_a_full_copying_brings_what_is_new_and_removes_what_is_gone(shop, bench):
    shop.put(*((f"h{number}", "Leipzig", number, 0) for number in range(7)))
    table = hotels(shop, columns=["city", "stars"])
    assert bench.copy(table).written == 7
    assert bench.rows("h3") == {"h3": {"city": "Leipzig", "stars": 3}}
    shop.run("DELETE FROM hotels WHERE stars < 5")
    shop.run("UPDATE hotels SET city = 'Halle' WHERE stars = 5")
    copied = bench.copy(table)
    assert (copied.written, copied.removed) == (2, 5)
    assert bench.rows("h4", "h5") == {"h5": {"city": "Halle", "stars": 5}}
    assert bench.standing().row_count == 2 and bench.standing().version == table.version


def test_an_incremental_copying_reads_ties_again_and_nothing_older(shop, bench):
    shop.put(("h1", "Leipzig", 1, 10), ("h2", "Halle", 2, 20))
    table = hotels(shop, incremental_by="changed", columns=["city"])
    bench.copy(table)
    shop.run("UPDATE hotels SET city = 'unseen' WHERE hotel = 'h1'")  # the column does not grow with it
    shop.put(("h3", "Dresden", 3, 20), ("h4", "Berlin", 4, 30))
    copied = bench.copy(table)
    assert (copied.full, copied.written) == (False, 3)
    assert bench.rows("h1", "h3", "h4") == {
        "h1": {"city": "Leipzig"},
        "h3": {"city": "Dresden"},
        "h4": {"city": "Berlin"},
    }


def test_every_so_often_everything_is_read_so_that_deletions_are_noticed(shop, bench):
    shop.put(("h1", "Leipzig", 1, 10), ("h2", "Halle", 2, 20))
    table = hotels(shop, incremental_by="changed", full_every=3)
    bench.copy(table)
    shop.run("DELETE FROM hotels WHERE hotel = 'h1'")
    assert [bench.copy(table).full for _ in range(2)] == [False, True]
    assert bench.rows("h1", "h2").keys() == {"h2"}


def test_another_definition_copies_everything_again(shop, bench):
    shop.put(("h1", "Leipzig", 1, 10))
    bench.copy(hotels(shop, incremental_by="changed", columns=["city"]))
    copied = bench.copy(hotels(shop, incremental_by="changed", columns=["stars"]))
    assert copied.full
    assert bench.rows("h1") == {"h1": {"stars": 1}}


def test_rows_without_key_or_with_one_that_came_before_are_told(shop, bench):
    shop.put(("h1", "Leipzig", 1, 0), ("h1", "Halle", 2, 0), (None, "x", 0, 0), ("", "y", 0, 0), ("h1", "z", 3, 0))
    copied = bench.copy(hotels(shop))
    assert (copied.written, copied.keyless, copied.doubled) == (1, 2, 2)
    told = bench.standing().error
    assert told.startswith("left out 2 without a key and 2 with a key that another row has")


def test_a_try_that_fails_leaves_what_stands_and_is_recorded(shop, bench, monkeypatch):
    shop.put(*((f"h{number}", "Leipzig", number, 0) for number in range(5)))
    table = hotels(shop)
    bench.copy(table)
    copied_at = bench.standing().copied_at
    bench.now += 100
    shop.run("DELETE FROM hotels WHERE stars < 2")
    shop.run("ALTER TABLE hotels ADD COLUMN photo")
    shop.run("UPDATE hotels SET photo = x'00' WHERE stars = 4")
    assert bench.copy(table) is None
    standing = bench.standing()
    assert len(bench.rows(*(f"h{number}" for number in range(5)))) == 5
    assert standing.copied_at == copied_at
    assert "column photo: bytes" in standing.error
    shop.run("UPDATE hotels SET photo = NULL")
    assert bench.copy(table).removed == 2
    assert bench.standing().error is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": ["nonsense"]}, "has no column nonsense. It has hotel, city, stars, changed"),
        ({"incremental_by": "never"}, "has no column never"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_those_that_are(shop, bench, options, told):
    assert bench.copy(hotels(shop, **options)) is None
    assert told in bench.standing().error


def test_a_table_or_file_that_is_not_there_is_told(shop, bench, tmp_path):
    assert bench.copy(SyncedTable("hotels", "hotel", f"sqlite:///{shop.path}", table="motels")) is None
    assert "there is no table motels" in bench.standing().error
    assert bench.copy(SyncedTable("hotels", "hotel", str(tmp_path / "no.parquet"))) is None
    assert "there is no file" in bench.standing().error


def test_no_password_is_told_or_stored(bench):
    bench.environment["SHOP"] = "postgresql://me:hunter2@127.0.0.1:1/shop?password=hunter3"
    table = SyncedTable("hotels", "hotel", Env("SHOP"), table="hotels")
    assert bench.copy(table) is None
    error = bench.standing().error
    assert "127.0.0.1" in error and "hunter" not in error


def test_an_address_that_is_not_set_is_told(bench):
    assert bench.copy(SyncedTable("hotels", "hotel", Env("SHOP_DB"), table="hotels")) is None
    assert "the environment has no SHOP_DB" in bench.standing().error


def test_a_parquet_file_is_copied_in_full_and_by_a_column(bench, tmp_path):
    path = tmp_path / "hotels.parquet"
    changed = pa.array([1, 2, 3], pa.timestamp("us", tz="UTC"))
    parquet.write_table(pa.table({"hotel": [1, 2, 3], "city": ["a", None, "c"], "changed": changed}), path)
    table = SyncedTable("hotels", "hotel", str(path), incremental_by="changed")
    assert bench.copy(table).written == 3
    assert bench.rows("2") == {"2": {"city": None, "changed": "1970-01-01T00:00:00.000002Z"}}
    assert bench.copy(table).written == 1
    path.write_bytes(b"PAR1 no more")
    assert bench.copy(table) is None
    assert "cannot be read" in bench.standing().error


def test_keys_of_several_columns_are_joined(shop, bench):
    shop.put(("h|1", "Leipzig", 1, 0))
    bench.copy(SyncedTable("hotels", ["hotel", "stars"], f"sqlite:///{shop.path}", table="hotels", columns=["city"]))
    assert bench.rows("h\\|1|1") == {"h\\|1|1": {"city": "Leipzig"}}


def test_only_one_worker_copies(shop, bench):
    shop.put(("h1", "Leipzig", 1, 0))
    table = hotels(shop)
    with alone(bench.place, "copying-hotels") as ours:
        assert ours
        assert bench.copy(table) is None
    assert bench.copy(table).written == 1


def test_tables_nobody_defines_any_more_are_forgotten(shop, bench):
    shop.put(*((f"h{number}", "Leipzig", number, 0) for number in range(5)))
    bench.copy(hotels(shop))
    asyncio.run(bench.copying().forget_others())
    assert bench.rows("h1", "h2") == {}
    with bench.store.read() as connection:
        assert list_copyings(connection) == {}


def test_the_service_copies_whenever_a_table_is_due(shop, bench):
    shop.put(("h1", "Leipzig", 1, 0))
    table = hotels(shop, every_s=1)

    async def serve():
        copying = Copying(bench.store, bench.place, [table], now=time.time)
        service = asyncio.create_task(copying.run())
        async with asyncio.timeout(30):
            while not await bench.store.run(lambda: bool(bench.rows("h1"))):
                await asyncio.sleep(0.01)
            shop.put(("h2", "Halle", 2, 0))
            while not await bench.store.run(lambda: bool(bench.rows("h2"))):
                await asyncio.sleep(0.01)
        service.cancel()
        with suppress(asyncio.CancelledError):
            await service

    asyncio.run(serve())
    assert bench.standing().round >= 2


def test_values_say_in_json_what_databases_hold(shop, bench):
    shop.run("CREATE TABLE kinds (id INTEGER PRIMARY KEY, a REAL, b TEXT, c)")
    shop.run("INSERT INTO kinds VALUES (?, ?, ?, ?)", (1, 1.5, "\u00e4", None), (2, float("inf"), "", 2**62))
    bench.copy(SyncedTable("kinds", "id", f"sqlite:///{shop.path}", table="kinds"))
    assert bench.rows("1", "2", name="kinds") == {
        "1": {"a": 1.5, "b": "\u00e4", "c": None},
        "2": {"a": None, "b": "", "c": 2**62},
    }
    assert msgspec.json.decode(bench.standing("kinds").newest or b"null") is None
