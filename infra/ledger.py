"""The ledger: every answer a writer gave, by everything that decided it, so that none is paid twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.locking import hold, insert_new
from schemas.tables import ledger


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
    subject: str | None = None  # key of what it was written for, once it is written down


def find(connection: Connection, keys: Sequence[str]) -> dict[str, Entry]:
    """Look calls up; keys never paid are absent."""
    rows = connection.execute(sa.select(ledger).where(ledger.c.ledger_key.in_(keys)))
    return {row.ledger_key: Entry(**row._mapping) for row in rows}


def settle(connection: Connection, entry: Entry) -> Entry:
    """Write a call down; one found there already wins, so that repeats agree.

    Raises:
        Moved: If another worker writes and removes it at the same time.
    """
    if insert_new(connection, ledger, {column.name: getattr(entry, column.name) for column in ledger.columns}):
        return entry
    found = find(connection, [entry.ledger_key])
    if not found:
        raise Moved(f"ledger entry {entry.ledger_key} was removed by another worker")
    return found[entry.ledger_key]


def forget(connection: Connection, subjects: Sequence[str]) -> None:
    """Remove every call that was made for these: their inputs held what must be forgotten.

    Args:
        connection: A write transaction.
        subjects: Keys of what was written for.
    """
    ours = ledger.c.subject.in_(subjects)
    hold(connection, ledger.c.ledger_key, ours)
    connection.execute(ledger.delete().where(ours))


def unowned(connection: Connection) -> Iterator[tuple[str, str]]:
    """Read the entries that do not tell what they were written for: (ledger key, output)."""
    query = sa.select(ledger.c.ledger_key, ledger.c.output).where(ledger.c.subject.is_(None))
    return ((row.ledger_key, row.output) for row in connection.execute(query))


def remove(connection: Connection, keys: Sequence[str]) -> int:
    """Remove entries by their keys; returns how many were still there."""
    ours = ledger.c.ledger_key.in_(keys)
    held = hold(connection, ledger.c.ledger_key, ours)
    connection.execute(ledger.delete().where(ours))
    return len(held)
