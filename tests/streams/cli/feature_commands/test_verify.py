import msgspec
import pytest

from schemas.feature_tables import feature_log, feature_rows
from streams.cli.errors import CommandError
from streams.features import verifying
from tests.streams.cli.feature_commands.conftest import MODULE
from tests.streams.feature_shelf import DAY, HOUR, MINUTE


def fill(shelf, keys=3):
    for number in range(keys):
        shelf.put(f"a{number}", 3 * HOUR, entity={"customer": f"c{number}"}, price=5 + number)
        shelf.put(f"b{number}", 10 * MINUTE, entity={"customer": f"c{number}"}, price=7 + number)
    shelf.put("a0", 2 * HOUR, entity={"customer": "c0"}, price=9, revision=1)
    shelf.take("b1")


def change(shelf, statement):
    shelf.store.change(lambda connection: connection.execute(statement))


def verified(run, *more):
    lines = [msgspec.json.decode(line) for line in run("verify", "--json", *more).stdout.splitlines()]
    return [one for one in lines if "feature" in one], {one["table"]: one for one in lines if "keys" in one}


def test_rows_that_are_what_the_events_say_are_ok(run, shelf):
    fill(shelf)
    done = run("verify")
    assert done.stdout.splitlines() == [
        "ok      carriers  0 values of 0 keys, 6 events",
        "ok      spending  18 values of 3 keys, 6 events",
    ]
    assert done.exit_code == 0


def test_a_row_that_lacks_an_event_is_told_value_by_value(run, shelf):
    fill(shelf)
    old = feature_rows.select().where(feature_rows.c.key == "c2")
    with shelf.store.read() as connection:
        before = connection.execute(old).one()
    shelf.put("more", 5 * MINUTE, entity={"customer": "c2"}, price=1.5)
    change(shelf, feature_rows.update().where(feature_rows.c.key == "c2").values(state=before.state))
    mismatches, tables = verified(run)
    assert {(one["key"], one["feature"], one["kept"], one["true"]) for one in mismatches} == {
        ("c2", "sales_1h", 1, 2), ("c2", "sales", 2, 3), ("c2", "spent_1h", 9.0, 10.5), ("c2", "spent", 16.0, 17.5),
        ("c2", "cheapest_1h", 9.0, 1.5), ("c2", "cheapest", 7.0, 1.5),
    }  # fmt: skip
    assert tables["spending"]["mismatches"] == 6
    done = run("verify")
    assert "spending c2 sales: read 2, the events say 3" in done.stdout
    assert isinstance(done.exception, CommandError)
    assert (done.exception.code, done.exception.message) == (1, "6 values differ from what the events say")


def test_a_row_that_is_not_there_is_told(run, shelf):
    fill(shelf)
    change(shelf, feature_rows.delete().where(feature_rows.c.key == "c2"))
    mismatches, _ = verified(run, "spending")
    assert {one["key"] for one in mismatches} == {"c2"}


def test_a_row_without_events_is_told(run, shelf):
    fill(shelf)
    change(shelf, feature_log.delete().where(feature_log.c.record_id.in_(["a2", "b2"])))
    mismatches, _ = verified(run)
    assert {(one["key"], one["feature"]) for one in mismatches} >= {("c2", "sales"), ("c2", "spent_1h")}


def test_a_sample_is_spread_over_the_keys(run, shelf):
    fill(shelf, keys=10)
    _, tables = verified(run, "--limit", "4")
    assert tables["spending"]["keys"] in (3, 4)


def test_a_long_log_is_walked_in_parts_and_no_key_is_left_out(run, shelf, monkeypatch):
    monkeypatch.setattr(verifying, "HELD", 3)
    monkeypatch.setattr(verifying, "PAGE", 2)
    fill(shelf, keys=10)
    _, tables = verified(run)
    assert (tables["spending"]["keys"], tables["spending"]["mismatches"]) == (10, 0)


def test_values_of_all_time_whose_events_are_forgotten_are_counted_but_not_compared(run, shelf):
    shelf.put("old", 300 * DAY, sent_ago_s=300 * DAY, price=5)
    shelf.put("new", 10 * MINUTE, price=7)
    _, tables = verified(run)
    assert (tables["spending"]["values"], tables["spending"]["forgotten"]) == (6, 0)
    change(shelf, feature_log.delete().where(feature_log.c.record_id == "old"))
    mismatches, tables = verified(run)
    assert (mismatches, tables["spending"]["values"], tables["spending"]["forgotten"]) == ([], 3, 3)
    assert "3 values of all time not compared" in run("verify").stdout


def test_an_event_the_functions_fail_on_now_is_left_out_and_told(run, shelf):
    fill(shelf)
    shelf.tables.clear()
    shelf.put("bad", MINUTE, price="much")
    mismatches, tables = verified(run)
    assert (mismatches, tables["spending"]["unfit"]) == ([], 1)
    assert "1 event left out: your functions fail on them" in run("verify").stdout


@pytest.mark.parametrize("arguments", [("verify",), ("verify", "spending")])
def test_a_table_of_another_version_is_not_checked_and_that_is_no_success(run, shelf, module, arguments):
    module(MODULE.replace('"1h", ', '"1d", '))
    done = run(*arguments)
    assert isinstance(done.exception, CommandError)
    assert (done.exception.code, done.exception.message) == (1, "not checked: spending")


def test_an_unknown_table_is_not_found(run, shelf):
    assert run("verify", "nothing").exception.code == 5
