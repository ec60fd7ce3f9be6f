import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.rows.usage_rows import (
    SpendingRow,
    UsageRow,
    add_spending,
    add_usage,
    day_of,
    spent_for,
    spent_on,
    usage_since,
)

DAY, BEFORE = "2026-11-22", "2026-11-21"
ROW = UsageRow(DAY, "openai", "m1", "summary@1/ab", 3, 1, 2, 100, 40, 0.25, 812.5)


def test_calls_of_one_model_and_prompt_are_added_up_by_the_day(store):
    others = [
        dataclasses.replace(ROW, day=BEFORE),
        dataclasses.replace(ROW, model="m2"),
        dataclasses.replace(ROW, prompt_version="summary@2/cd"),
    ]
    with store.write() as connection:
        for row in (ROW, *others, dataclasses.replace(ROW, calls=4, failures=0, cost=0.5)):
            add_usage(connection, row)
    both = dataclasses.replace(
        ROW, calls=7, failures=1, hits=4, tokens_in=200, tokens_out=80, cost=0.75, latency_ms=1625.0
    )
    with store.read() as connection:
        assert usage_since(connection, BEFORE) == [others[0], both, others[2], others[1]]
        assert usage_since(connection, DAY) == [both, others[2], others[1]]
        assert usage_since(connection, "2026-11-23") == []


def test_what_was_spent_is_told_of_a_day_and_of_a_key(store):
    with store.write() as connection:
        add_usage(connection, ROW)
        add_usage(connection, dataclasses.replace(ROW, model="m2"))
        add_usage(connection, dataclasses.replace(ROW, day=BEFORE, cost=9.0))
        add_spending(connection, [SpendingRow(DAY, "q", 7, 0.5), SpendingRow(DAY, "p", 5, 0.25)])
        add_spending(connection, [SpendingRow(DAY, "p", 5, 0.25), SpendingRow(BEFORE, "p", 99, 9.0)])
    with store.read() as connection:
        assert spent_on(connection, DAY) == (0.5, 280)
        assert spent_on(connection, "2026-11-23") == (0.0, 0)
        assert [spent_for(connection, DAY, key) for key in ("p", "q", "r")] == [(0.5, 10), (0.5, 7), (0.0, 0)]


def test_workers_that_count_at_the_same_time_lose_nothing(store, second_store):
    def count(place):
        for _ in range(25):
            place.change(lambda connection: add_usage(connection, ROW))
            place.change(lambda connection: add_spending(connection, [SpendingRow(DAY, key, 1, 0.25) for key in "qp"]))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(count, (store, second_store)))
    with store.read() as connection:
        assert [row.calls for row in usage_since(connection, DAY)] == [150]
        assert spent_for(connection, DAY, "p") == (12.5, 50)


@pytest.mark.parametrize(("now", "day"), [(1_763_769_599.9, "2025-11-21"), (1_763_769_600.0, "2025-11-22")])
def test_a_day_ends_at_midnight_utc_wherever_we_are(now, day, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assert day_of(now) == day
