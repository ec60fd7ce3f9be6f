"""``millrace features training-set``: what a spec would have served for each label, in a Parquet file."""

import gzip
import importlib
import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from infra.rows.feature_copy_rows import CopyingRow, CopyRow, put_copying, write_copies
from infra.rows.feature_log_rows import forget_events
from streams.cli.feature_commands import training_set
from streams.cli.features import command
from streams.features.reading import FeatureReader
from tests.streams.feature_shelf import DAY, HOUR, NOW, Shelf

MODULE = """
from processors.features import Count, Events, FeatureFunction, FeatureLookup, FeatureSpec, FeatureTable, Last, Sum
from processors.features import SyncedTable

customers = FeatureTable(
    "customers", "customer", Events("sale"), {"orders": Count(), "spent": Sum("price"), "last_shop": Last("shop")},
    windows=("1h", "all"),
)
shops = FeatureTable("shops", "shop", Events("sale"), {"sales": Count()})
cities = SyncedTable("cities", "shop", "sqlite:///elsewhere.db", table="cities", columns=["city"])


def per_order(spent: float, orders: int, extra: float = 0.0) -> float | None:
    if extra < 0:
        raise ValueError("extra is below zero")
    return spent / orders + extra if orders else None


fares = FeatureSpec(
    "fares",
    [
        FeatureLookup(customers, "customer", features=["orders", "orders_1h", "spent", "last_shop"]),
        FeatureLookup(shops, "last_shop", features=["sales"]),
        FeatureLookup(cities, "last_shop"),
        FeatureFunction(per_order, "per_order"),
    ],
)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "invented_features.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MILLRACE_FEATURES_MODULE", "invented_features")
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(training_set, "time", SimpleNamespace(time=lambda: NOW, monotonic=lambda: 0.0))
    sys.modules.pop("invented_features", None)
    yield importlib.import_module("invented_features")
    sys.modules.pop("invented_features", None)


@pytest.fixture
def shelf(tmp_path, module):
    shelf = Shelf(tmp_path / "home", module.customers, module.shops)
    shelf.put("e1", 3 * HOUR, price=10.0, entity={"customer": "c1", "shop": "s1"})
    shelf.put("e2", 2 * HOUR, price=20.0, entity={"customer": "c2", "shop": "s1"})
    shelf.put("e3", 1 * HOUR, price=30.0, entity={"customer": "c1", "shop": "s2"}, sent_ago_s=0)
    copying = CopyingRow("cities", module.cities.version, 1, None, NOW, 1, None)
    shelf.store.change(lambda connection: put_copying(connection, copying))
    shelf.store.change(
        lambda connection: write_copies(connection, "cities", 1, [CopyRow("s1", b'{"city":"Leipzig"}')], int(NOW * 1e6))
    )
    yield shelf
    shelf.close()


def ago(seconds):
    return (datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=seconds)).isoformat()


def run(*arguments, code=0):
    result = CliRunner().invoke(command, ["training-set", *arguments], catch_exceptions=True)
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def made(tmp_path, text, name="labels.jsonl", *options, code=0):
    (tmp_path / name).write_text(text)
    run("--labels", name, "--spec", "fares", "--out", "out.parquet", *options, code=code)
    return parquet.read_table(tmp_path / "out.parquet")


def lines(*labels):
    return "".join(json.dumps(one) + "\n" for one in labels)


def test_each_label_has_what_would_have_been_served_at_its_time(tmp_path, shelf):
    labels = [{"customer": "c1", "time": ago(seconds), "y": 1} for seconds in (0, 3 * HOUR, 3 * HOUR + 1, 1.5 * HOUR)]
    rows = made(tmp_path, lines(*labels)).to_pylist()
    assert [(one["orders"], one["orders_1h"], one["spent"], one["last_shop"]) for one in rows] == [
        (2, 1, 40.0, "s2"),
        (1, 1, 10.0, "s1"),
        (0, 0, 0.0, None),
        (1, 0, 10.0, "s1"),
    ]
    # A lookup by what another lookup made: the shop's sales as of the same moment.
    assert [one["sales"] for one in rows] == [1, 1, 0, 2]
    assert [one["city"] for one in rows] == [None, "Leipzig", None, "Leipzig"]
    assert [one["per_order"] for one in rows] == [20.0, 10.0, None, 10.0]
    assert [one["y"] for one in rows] == [1, 1, 1, 1]
    assert not any(one["__incomplete"] for one in rows)


def test_a_label_of_this_moment_has_what_a_read_online_tells(tmp_path, shelf, module):
    from processors.features.serving.ports import Lookup

    row = made(tmp_path, lines({"customer": "c1", "time": ago(0)})).to_pylist()[0]
    reader = FeatureReader(shelf.place, now=lambda: NOW)
    (found,) = reader.read([Lookup("customers", "c1")])
    reader.close()
    assert {name: row[name] for name in ("orders", "orders_1h", "spent", "last_shop")} == {
        name: found.values[name] for name in ("orders", "orders_1h", "spent", "last_shop")
    }


def test_as_known_leaves_out_what_was_sent_later(tmp_path, shelf):
    label = lines({"customer": "c1", "time": ago(HOUR / 2)})
    assert made(tmp_path, label).to_pylist()[0]["orders"] == 2
    assert made(tmp_path, label, "labels.jsonl", "--as-known", "--force").to_pylist()[0]["orders"] == 1


def test_bad_rows_are_told_with_their_lines_and_left_out(tmp_path, shelf):
    good = json.dumps({"customer": "c1", "time": ago(0)})
    text = f'{good}\n{{"customer": "c1"}}\n\nnonsense\n{json.dumps({"time": ago(0)})}\n' + good.replace("2026", "noon")
    (tmp_path / "labels.jsonl").write_text(text)
    result = run("--labels", "labels.jsonl", "--spec", "fares", "--out", "out.parquet", code=3)
    assert [line.split("  ")[0] for line in result.stderr.splitlines()] == [
        f"rejected labels.jsonl:{line}" for line in (2, 4, 5, 6)
    ]
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 1
    assert "wrote 1 rows" in result.stdout and "rejected 4" in result.stdout


def test_a_function_that_fails_fails_its_row_only(tmp_path, shelf):
    labels = [{"customer": "c1", "time": ago(0), "extra": extra} for extra in (-1.0, 1.0)]
    rows = made(tmp_path, lines(*labels)).to_pylist()
    assert rows[0]["orders"] is None and "extra is below zero" in rows[0]["__error"]
    assert rows[1]["per_order"] == 21.0 and rows[1]["__error"] is None


def test_csv_keeps_keys_as_texts_and_makes_numbers_of_numbers(tmp_path, shelf):
    text = f"customer,at,extra,y,code,note\nc1,{ago(0)},0.5,1,007,x\n007,{NOW},,0,1,\n"
    table = made(tmp_path, text, "labels.csv", "--time", "at")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["customer"] == "string" and types["y"] == "int64" and types["extra"] == "double"
    assert types["code"] == "string" and types["at"] == "timestamp[us, tz=UTC]"
    assert table.column("per_order").to_pylist() == [20.5, None]
    assert table.column("note").to_pylist() == ["x", None]


def test_packed_and_parquet_labels_are_read_too(tmp_path, shelf):
    (tmp_path / "labels.jsonl.gz").write_bytes(gzip.compress(lines({"customer": "c1", "time": ago(0)}).encode()))
    run("--labels", "labels.jsonl.gz", "--spec", "fares", "--out", "packed.parquet")
    at = pa.array([datetime.fromtimestamp(NOW, UTC)], pa.timestamp("us", tz="UTC"))
    parquet.write_table(pa.table({"customer": ["c1"], "time": at}), tmp_path / "labels.parquet")
    run("--labels", "labels.parquet", "--spec", "fares", "--out", "columns.parquet")
    packed, columns = (parquet.read_table(tmp_path / name) for name in ("packed.parquet", "columns.parquet"))
    assert packed.to_pylist() == columns.to_pylist()


def test_columns_have_types_though_no_label_has_a_value(tmp_path, shelf):
    table = made(tmp_path, lines({"customer": "nobody", "time": ago(0)}))
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["orders"], types["spent"], types["last_shop"]) == ("int64", "double", "string")


def test_the_file_says_what_it_was_made_from(tmp_path, shelf, module):
    table = made(tmp_path, lines({"customer": "c1", "time": ago(0)}))
    facts = json.loads(table.schema.metadata[b"millrace"])
    assert facts["spec"] == "fares" and facts["rows"] == 1 and facts["complete_from"] is None
    assert facts["tables"] == {"customers": module.customers.version, "shops": module.shops.version}
    assert facts["copied"].keys() == {"cities"} and facts["log_number"] == 3


def test_labels_before_what_the_log_reaches_are_marked_and_told(tmp_path, shelf):
    shelf.put("old", 200 * DAY, price=1.0, entity={"customer": "c1", "shop": "s1"})
    shelf.put("new", 0, price=1.0, entity={"customer": "c9", "shop": "s9"})
    shelf.store.change(lambda connection: forget_events(connection, int((NOW - 90 * DAY) * 1e6), 100))
    labels = [{"customer": "c1", "time": ago(100 * DAY)}, {"customer": "c1", "time": ago(0)}]
    (tmp_path / "labels.jsonl").write_text(lines(*labels))
    result = run("--labels", "labels.jsonl", "--spec", "fares", "--out", "out.parquet")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [one["__incomplete"] for one in rows] == [True, False]
    assert rows[1]["orders"] == 3, "what was forgotten one by one is still told of all time"
    assert "1 are before the log's reach" in result.stdout


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path, shelf):
    label = lines({"customer": "c1", "time": ago(0)})
    (tmp_path / "labels.jsonl").write_text(label)
    (tmp_path / "out.parquet").write_text("mine")
    run("--labels", "labels.jsonl", "--spec", "fares", "--out", "out.parquet", code=1)
    assert (tmp_path / "out.parquet").read_text() == "mine"
    assert made(tmp_path, label, "labels.jsonl", "--force").num_rows == 1


def test_a_column_that_the_set_makes_itself_is_refused_and_no_file_is_left(tmp_path, shelf):
    (tmp_path / "labels.jsonl").write_text(lines({"customer": "c1", "time": ago(0), "orders": 3}))
    result = run("--labels", "labels.jsonl", "--spec", "fares", "--out", "out.parquet", code=1)
    assert "column 'orders'" in str(result.exception)
    assert sorted(one.name for one in tmp_path.iterdir() if "out" in one.name) == []


def test_groups_of_labels_are_written_one_by_one_in_their_order(tmp_path, shelf, monkeypatch):
    monkeypatch.setattr("streams.features.training_sets.ROWS", (2, 2))
    monkeypatch.setattr("streams.features.training_past.EVENTS", 1)
    labels = [{"customer": f"c{n % 2 + 1}", "time": ago((7 - n) * HOUR / 2), "n": n} for n in range(7)]
    table = made(tmp_path, lines(*labels))
    assert table.column("n").to_pylist() == list(range(7))
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 4
    assert table.column("orders").to_pylist() == [0, 0, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--spec", "nonsense"], "It has fares"),
        (["--spec", "fares", "--time", "at"], "rejected labels.jsonl:1"),
    ],
)
def test_what_is_wrong_is_told_with_what_there_is(tmp_path, shelf, arguments, told):
    (tmp_path / "labels.jsonl").write_text(lines({"customer": "c1", "time": ago(0)}))
    result = CliRunner().invoke(command, ["training-set", "--labels", "labels.jsonl", "--out", "o.parquet", *arguments])
    assert result.exit_code != 0
    assert told in f"{result.output}{result.stderr}{result.exception}"


def test_a_table_that_stands_as_another_version_is_refused(tmp_path, module):
    shelf = Shelf(tmp_path / "home", module.customers)
    shelf.close()
    (tmp_path / "labels.jsonl").write_text(lines({"customer": "c1", "time": ago(0)}))
    result = CliRunner().invoke(
        command, ["training-set", "--labels", "labels.jsonl", "--spec", "fares", "--out", "o.parquet"]
    )
    assert result.exit_code == 1
    assert "cities" in str(result.exception) or "shops" in str(result.exception)
