import dataclasses

import pytest

from infra.fences import Moved
from infra.rows.summary_rows import SummaryRow, load_summaries, lock_summary, put_summary

ROW = SummaryRow("p", 1, 7, b"{}", None, None, b"{}", 12, 1_700_000_000.5)


def put(store, row: SummaryRow, expected: int) -> None:
    with store.write() as connection:
        put_summary(connection, row, expected)


def standing(store) -> SummaryRow | None:
    with store.read() as connection:
        return load_summaries(connection, ["p", "unknown"]).get("p")


def test_a_row_comes_back_as_it_was_put(store):
    assert standing(store) is None
    put(store, ROW, 0)
    assert standing(store) == ROW
    newer = dataclasses.replace(ROW, revision=2, text_points=b"{1}", text_forgotten=3)
    put(store, newer, 1)
    assert standing(store) == newer


@pytest.mark.parametrize("expected", [0, 2])
def test_a_row_that_another_worker_changed_is_not_overwritten(store, expected):
    put(store, ROW, 0)
    with pytest.raises(Moved):
        put(store, dataclasses.replace(ROW, revision=9), expected)
    assert standing(store) == ROW


def test_a_locked_row_is_the_row_and_none_where_there_is_none(store):
    put(store, ROW, 0)
    with store.write() as connection:
        assert lock_summary(connection, "p") == ROW
        assert lock_summary(connection, "unknown") is None
