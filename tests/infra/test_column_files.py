"""Columns get the type that all their values have, whenever it shows."""

import json
from datetime import UTC, datetime

import pytest
from pyarrow import parquet

from infra.column_files import ColumnFile, FileUnwritable


def written(tmp_path, *groups, hints=None, guessed=()):
    path = tmp_path / "out.parquet"
    told = []
    with ColumnFile(path, hints or {}) as file:
        for group in groups:
            file.append(group, guessed)
        file.finish({"millrace": b"{}"}, told.append)
    assert [one.name for one in tmp_path.iterdir()] == ["out.parquet"]
    return parquet.read_table(path), told


@pytest.mark.parametrize(
    ("first", "second", "kind", "read"),
    [
        ([1], [2], "int64", [1, 2]),
        ([1], [0.5], "double", [1.0, 0.5]),
        ([None], [True], "bool", [None, True]),
        (["a"], [None], "string", ["a", None]),
        (["a"], [1], "string", ['"a"', "1"]),
        ([{"a": 1}], [[2]], "string", ['{"a":1}', "[2]"]),
    ],
)
def test_a_type_that_shows_late_is_that_of_the_whole_column(tmp_path, first, second, kind, read):
    table, told = written(tmp_path, {"x": first}, {"x": second})
    assert (str(table.schema.field("x").type), table.column("x").to_pylist()) == (kind, read)
    assert told == [1, 2]


def test_what_is_written_as_json_says_so(tmp_path):
    table, _ = written(tmp_path, {"x": ["a", 1]})
    assert table.schema.field("x").metadata[b"encoding"] == b"json"
    assert [json.loads(one) for one in table.column("x").to_pylist()] == ["a", 1]


def test_times_keep_their_microseconds(tmp_path):
    at = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    table, _ = written(tmp_path, {"at": [at]})
    assert table.column("at").to_pylist() == [at]


@pytest.mark.parametrize(
    ("texts", "kind"), [(["1", "-2"], "int64"), (["1", "2.5e3"], "double"), (["1", "007"], "string"), ([""], "string")]
)
def test_texts_become_numbers_only_if_all_of_them_are(tmp_path, texts, kind):
    table, _ = written(tmp_path, {"x": texts}, guessed=["x"])
    assert str(table.schema.field("x").type) == kind


def test_a_column_without_values_has_the_type_that_was_expected(tmp_path):
    table, _ = written(tmp_path, {"x": [None], "y": [None]}, hints={"x": "int"})
    assert [str(one.type) for one in table.schema] == ["int64", "string"]


def test_columns_may_come_later(tmp_path):
    table, _ = written(tmp_path, {"x": [1]}, {"x": [2], "y": ["late"]})
    assert table.column("y").to_pylist() == [None, "late"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileUnwritable, match="cannot be written"), ColumnFile(tmp_path / "no" / "x.parquet", {}):
        pass
