"""The ledger: every answer a writer gave, by everything that decided it, so that none is paid twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from tests.releases.v0_1.schemas.tables import ledger


@dataclass(frozen=True, slots=True)
class Entry:
    """One paid call."""

    ledger_key: str
    engine: str
    model: str
    prompt_version: str
    output: str
    tokens_in: int
    tokens_out: int
    latency_ms: float
    created_at: float  # unix seconds


def find(connection: Connection, keys: Sequence[str]) -> dict[str, Entry]:
    """Look calls up; keys never paid are absent."""
    rows = connection.execute(sa.select(ledger).where(ledger.c.ledger_key.in_(keys)))
    return {row.ledger_key: Entry(**row._mapping) for row in rows}


def settle(connection: Connection, entry: Entry) -> Entry:
    """Write a call down; one found there already wins, so that repeats agree."""
    found = find(connection, [entry.ledger_key]).get(entry.ledger_key)
    if found is not None:
        return found
    values = {column.name: getattr(entry, column.name) for column in ledger.columns}
    connection.execute(ledger.insert().values(values))
    return entry
