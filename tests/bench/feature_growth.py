"""What a month of events leaves in featurize's store, by a clock of its own."""

import random
import tempfile
from pathlib import Path

import sqlalchemy as sa

from infra.database import Store, Waits, open_store
from infra.places import StorePlace
from schemas.feature_tables import feature_log, feature_members, feature_rows
from tests.bench.feature_busy import busy
from tests.bench.feature_shelf import a_sale
from tests.streams.fakes import START_S
from tests.streams.feature_world import Worker, begin, event, sent

DAYS = 30
DAY_S = 86_400
HALF = 15
"""Day from which nothing should grow: windows and corrections reach back seven."""
Figures = dict[str, float | None]


def growth(keys: int, per_key: int) -> Figures:
    """Let thirty days pass with as many events each, and compare the store at their end with that of day fifteen.

    Args:
        keys: Customers.
        per_key: Events of each a day.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(StorePlace("featurize", Path(folder)), Waits())
        begin(store)
        worker, chance, sizes = Worker(store, [busy]), random.Random(7), dict[int, int]()
        for day in range(1, DAYS + 1):
            _live_a_day(worker, chance, day, keys, per_key)
            sizes[day] = _bytes(store)
        store.close()
    return {
        "growth_bytes_day_15": sizes[HALF],
        "growth_bytes_day_30": sizes[DAYS],
        "growth_ratio_30_to_15": round(sizes[DAYS] / sizes[HALF], 3),
    }


def _live_a_day(worker: Worker, chance: random.Random, day: int, keys: int, per_key: int) -> None:
    times = sorted((day - 1) * DAY_S + chance.random() * DAY_S for _ in range(keys * per_key))
    first = (day - 1) * len(times)
    records = []
    for number, at_s in enumerate(times, first):
        told = event(f"e{number}", f"customer{number % keys}", at_s=at_s, **a_sale(chance, number))
        records.append(sent(number, told, at_s=at_s))
    worker.apply(*records)
    worker.clock.now = START_S + day * DAY_S
    worker.keep()


def _bytes(store: Store) -> int:
    """Bytes of all rows, and of what the log keeps for corrections."""
    with store.read() as connection:
        rows = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(feature_rows.c.state)), 0)))
        log = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(feature_log.c.record)), 0)))
        members = connection.scalar(sa.select(sa.func.count()).select_from(feature_members))
    return int(rows or 0) + int(log or 0) + _MEMBER_BYTES * int(members or 0)


_MEMBER_BYTES = 60
