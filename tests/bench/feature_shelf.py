"""A store of featurize with many rows, written without events: for reads alone."""

import random
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from infra.database import Waits, open_store
from infra.places import StorePlace
from infra.rows.feature_definition_rows import LIVE, DefinitionRow, put_definitions
from infra.rows.feature_rows import FeatureRow, RowChange, write_rows
from processors.features.contributing import contribution
from processors.features.definitions.tables import FeatureTable
from processors.features.tiles import add, expires_us, new_state

STATES = 100
"""Different states that keys share in turns."""
EVENTS = 20
"""Of each of them."""
REACH_US = 2 * 3_600_000_000
PAGE = 5_000


def fill(home: Path, tables: Sequence[FeatureTable], keys: int) -> int:
    """Write so many keys of each table, named by the table's key and a number: ``customer7``; bytes of their states."""
    store, now_us, written = open_store(StorePlace("featurize", home), Waits()), int(time.time() * 1e6), 0
    for table in tables:
        row = DefinitionRow(
            table.name, table.version, LIVE, msgspec.json.encode(table.shape), _DESCRIBED, 0, 0, 0.0, 0.0
        )
        store.change(lambda connection, row=row: put_definitions(connection, [row]))
        rows = [_row(table, number, now_us) for number in range(STATES)]
        for first in range(0, keys, PAGE):
            page = [_named(table, rows[number % STATES], number) for number in range(first, min(first + PAGE, keys))]
            store.change(lambda connection, page=page: write_rows(connection, page))
            written += sum(len(one.row.state) for one in page)
    store.close()
    return written


def a_sale(chance: random.Random, number: int) -> dict[str, object]:
    """Return the values of an invented sale."""
    return {
        "price": round(chance.lognormvariate(3, 0.8), 2),
        "weight": round(chance.uniform(0.1, 20), 2),
        "shop": f"shop{chance.randrange(40)}",
        "courier": f"courier{number % 7}",
        "gift": chance.random() < 0.2,
    }


def _row(table: FeatureTable, seed: int, now_us: int) -> FeatureRow:
    chance, state = random.Random(seed), new_state(table.shape)
    for number in range(EVENTS):
        row = {"type": "sale", "customer": "c", **a_sale(chance, number)}
        told = contribution(table, row)
        if told is not None:
            at_us = now_us - chance.randrange(REACH_US)
            add(table.shape, state, (at_us, f"e{number}"), told.values, at_us)
    encoded, expires = msgspec.msgpack.encode(state), expires_us(table.shape, state)
    return FeatureRow(table.version, "", 1, encoded, state.newest_us, state.newest_us, now_us, expires, b"{}")


def _named(table: FeatureTable, row: FeatureRow, number: int) -> RowChange:
    fields = {name: getattr(row, name) for name in FeatureRow.__slots__}
    return RowChange(FeatureRow(**{**fields, "key": f"{table.primary_key[0]}{number}"}), None)


_DESCRIBED = msgspec.json.encode({"source": "", "description": "", "place": ""})
