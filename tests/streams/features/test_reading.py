import threading

import pytest

from infra.fences import Partition
from infra.places import StorePlace
from infra.store_errors import StoreMissing
from processors.features import Count, Events, FeatureTable, Last, Min, Sum
from processors.features.serving.ports import Lookup
from schemas.feature_tables import feature_copies, feature_copyings
from schemas.tables import fences
from streams.features.past import StreamTables, TooEarly
from streams.features.reading import FeatureReader, NoSuchTable, NotReached
from tests.streams.feature_shelf import DAY, HOUR, MINUTE, NOW, Shelf

SPENDING = FeatureTable(
    "spending",
    "customer",
    Events("sale"),
    {"sales": Count(), "spent": Sum("price"), "cheapest": Min("price", default=-1.0)},
    windows=("1h", "all"),
)
CARRIERS = FeatureTable("carriers", ("customer", "parcel"), Events("scan"), {"where": Last("city")})


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path, SPENDING, CARRIERS)
    yield shelf
    shelf.close()


@pytest.fixture
def reader(shelf):
    reader = FeatureReader(shelf.place, StreamTables({"spending": SPENDING, "carriers": CARRIERS}), now=lambda: NOW)
    yield reader
    reader.close()


@pytest.fixture
def simple(shelf):
    """A reader without the module."""
    reader = FeatureReader(shelf.place, now=lambda: NOW)
    yield reader
    reader.close()


def one(reader, table="spending", key="c1", at=None):
    return reader.stand([Lookup(table, key)], None if at is None else int(at * 1e6))[0]


def test_rows_of_many_tables_come_in_the_order_they_were_asked_for(shelf, reader):
    shelf.put("a", 2 * HOUR, price=5)
    shelf.put("b", 10 * MINUTE, price=7)
    shelf.put("s", MINUTE, kind="scan", entity={"customer": "c1", "parcel": "p|1"}, city="Halle")
    asked = [Lookup("carriers", "c1|p\\|1"), Lookup("spending", "c1"), Lookup("carriers", "c1|p\\|1")]
    first, second, third = reader.read(asked)
    assert (first.values, third.values) == ({"where": "Halle"}, {"where": "Halle"})
    assert second.values == {
        "sales_1h": 1, "sales": 2, "spent_1h": 7.0, "spent": 12.0, "cheapest_1h": 7.0, "cheapest": 5.0,
    }  # fmt: skip
    assert second.version == SPENDING.version


def test_a_value_tells_when_its_newest_event_happened_and_how_long_ago(shelf, reader):
    shelf.put("a", 90, price=5)
    row = one(reader)
    assert (row.as_of_us, row.age_s, row.missing) == (int((NOW - 90) * 1e6), 90.0, False)
    assert row.sources == {"events": {"0": 2}}


def test_windows_move_on_with_the_clock_though_nothing_happens(shelf, reader):
    shelf.put("a", 10 * MINUTE, price=5)
    assert one(reader).values["sales_1h"] == 1
    assert one(reader, at=NOW + HOUR).values["sales_1h"] == 0


def test_a_missing_key_has_defaults_and_says_that_it_is_missing(shelf, reader):
    row = one(reader, key="nobody")
    assert row.values == {
        "sales_1h": 0, "sales": 0, "spent_1h": 0.0, "spent": 0.0, "cheapest_1h": -1.0, "cheapest": -1.0,
    }  # fmt: skip
    assert (row.missing, row.as_of_us, row.age_s, row.revision) == (True, None, None, 0)
    assert row.version == SPENDING.version


def test_a_table_nobody_knows_is_told_with_the_nearest_name(reader):
    with pytest.raises(NoSuchTable, match="no feature table 'spendin'") as told:
        one(reader, table="spendin")
    assert told.value.remedy == "Did you mean spending? See `millrace features list`."


def test_while_a_new_version_is_built_the_old_one_is_read_and_that_is_told(shelf, reader):
    shelf.put("a", 10 * MINUTE, price=5)
    newer = FeatureTable("spending", "customer", Events("sale"), {"sales": Count()}, windows=("1d",))
    shelf.define(newer, "building", cursor=25, goal=100)
    assert one(reader).values["spent"] == 5.0
    filling = reader.tables()["spending"].filling
    assert (filling.version, filling.share) == (newer.version, 0.25)


def test_the_new_version_is_read_as_soon_as_it_is_live_by_a_reader_that_is_open(shelf, reader):
    shelf.put("a", 10 * MINUTE, price=5)
    assert one(reader).version == SPENDING.version
    newer = FeatureTable("spending", "customer", Events("sale"), {"sales": Count()}, windows=("1d",))
    shelf.define(SPENDING, "retired")
    shelf.define(newer)
    row = one(reader)
    assert (row.version, row.values, row.missing) == (newer.version, {"sales_1d": 0}, True)


def test_a_first_version_that_is_being_built_cannot_be_read_yet(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.define(SPENDING, "building", cursor=1, goal=2)
    reader = FeatureReader(shelf.place)
    with pytest.raises(NoSuchTable, match="is being built: 50%"):
        one(reader)
    assert not reader.tables()["spending"].live
    reader.close()
    shelf.close()


def test_an_event_of_later_does_not_count_yet_though_its_tile_is_under_way(shelf, reader, simple):
    shelf.put("a", 30, price=5)
    shelf.put("b", -20, sent_ago_s=0, price=7)
    assert one(reader, at=NOW + 10).values["spent"] == 5.0
    assert one(reader, at=NOW + 20).values["spent"] == 12.0
    assert not one(reader, at=NOW + 10).partial
    assert one(simple, at=NOW + 10).values["spent"] == 12.0
    assert one(simple, at=NOW + 10).partial
    assert not one(simple, at=NOW + 20).partial


def test_a_moment_before_the_newest_event_is_read_from_the_log(shelf, reader, simple):
    shelf.put("a", 3.5 * HOUR, price=5)
    shelf.put("b", 2.5 * HOUR, price=6)
    shelf.put("c", MINUTE, price=7)
    row = one(reader, at=NOW - 2 * HOUR)
    assert (row.values["sales_1h"], row.values["spent_1h"], row.values["sales"], row.partial) == (1, 6.0, 2, False)
    assert (row.as_of_us, row.age_s) == (int((NOW - 2.5 * HOUR) * 1e6), 0.5 * HOUR)
    before = one(reader, at=NOW - 4 * HOUR)
    assert (before.values["sales"], before.missing, before.as_of_us) == (0, True, None)
    assert one(simple, at=NOW - 2 * HOUR).partial


def test_a_moment_the_log_has_forgotten_is_refused(shelf, reader):
    shelf.put("a", 3 * HOUR, price=5)
    with pytest.raises(TooEarly, match="events are kept since 2026-08-24"):
        one(reader, at=NOW - 91 * DAY)


def test_a_key_of_which_every_event_was_taken_back_tells_nothing(shelf, reader):
    shelf.put("a", 3 * HOUR, price=5)
    shelf.take("a")
    assert one(reader).values["sales"] == 0
    assert one(reader).values["cheapest"] == -1.0


def copy(shelf, rows, version="v1", error=None):
    def write(connection):
        told = {"name": "stock", "version": version, "round": 1, "copied_at": NOW, "row_count": len(rows)}
        told |= {"error": error}
        connection.execute(feature_copyings.insert(), [told])
        for key, record in rows.items():
            row = {"name": "stock", "key": key, "record": record, "round": 1, "as_of_us": int((NOW - 5) * 1e6)}
            connection.execute(feature_copies.insert(), [row])

    shelf.store.change(write)


def test_a_table_kept_in_sync_is_read_like_any_other(shelf, reader):
    shelf.put("a", 3 * HOUR, price=5)
    copy(shelf, {"shoe": b'{"left":4,"shelf":"A7"}'})
    asked = [Lookup("stock", "shoe"), Lookup("stock", "hat"), Lookup("spending", "c1")]
    shoe, hat, spent = reader.stand(asked)
    assert (shoe.values, shoe.missing, shoe.age_s) == ({"left": 4, "shelf": "A7"}, False, 5.0)
    assert (hat.values, hat.missing, hat.version) == ({"left": None, "shelf": None}, True, "v1")
    assert spent.values["spent"] == 5.0


def test_a_table_that_was_never_copied_cannot_be_read_and_that_is_told(shelf, reader):
    copy(shelf, {}, version="", error="the source does not answer")
    with pytest.raises(NoSuchTable, match="'stock' was never copied yet: the source does not answer"):
        one(reader, table="stock")


def test_where_featurize_never_ran_the_store_is_missing_until_it_did(tmp_path):
    reader = FeatureReader(StorePlace("featurize", tmp_path))
    assert reader.tables() == {}
    with pytest.raises(StoreMissing, match="featurize has never run here"):
        one(reader)
    shelf = Shelf(tmp_path, SPENDING)
    assert one(reader).missing
    shelf.close()
    reader.close()


def test_a_store_that_was_removed_and_made_anew_is_read_anew(shelf, reader, tmp_path):
    shelf.put("a", HOUR, price=5)
    assert not one(reader).missing
    shelf.close()
    for path in (tmp_path / "state").iterdir():
        path.unlink()
    again = Shelf(tmp_path, SPENDING)
    assert one(reader).missing
    again.close()


def reach(shelf, place: Partition, offset: int) -> None:
    row = {"topic": place[0], "partition": place[1], "next_offset": offset, "cluster_id": "c", "topic_id": "t"}
    shelf.store.change(lambda connection: connection.execute(fences.insert(), [row]))


def test_a_receipt_is_waited_for_until_its_event_is_in_the_rows(shelf, reader):
    waiting = threading.Thread(target=reader.await_receipts, args=(["millrace.events.v1:3:41"], 10.0))
    waiting.start()
    reach(shelf, ("millrace.events.v1", 3), 42)
    waiting.join(10.0)
    assert not waiting.is_alive()


def test_a_receipt_that_is_not_reached_in_time_is_told(shelf, reader):
    reach(shelf, ("millrace.events.v1", 3), 41)
    with pytest.raises(NotReached, match=r"has not read millrace\.events\.v1:3:41 after 0 s"):
        reader.await_receipts(["millrace.events.v1:3:41", "millrace.events.v1:3:40"], 0.0)
    with pytest.raises(ValueError, match="'events:3' is no receipt"):
        reader.await_receipts(["events:3"], 0.0)
