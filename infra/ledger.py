"""The ledger: every answer a writer gave, by everything that decided it, so that none is paid twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.locking import hold, insert_new
from schemas.tables import ledger


@dataclass(frozen=True, slots=True, weakref_slot=True)
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
    cost: float = 0.0
    said: str | None = None  # the model's own words where the output was made out of them
    failure: str | None = None  # why it brought nothing and never will; the output is then empty


def find(connection: Connection, keys: Sequence[str]) -> dict[str, Entry]:
    """Look calls up; keys never paid are absent."""
    rows = connection.execute(sa.select(ledger).where(ledger.c.ledger_key.in_(keys)))
    return {row.ledger_key: Entry(**row._mapping) for row in rows}


def settle(connection: Connection, entry: Entry) -> Entry:
    """Write a call down; one found there already wins, so that repeats agree, but a failure gives way to an output.

    Raises:
        Moved: If another worker writes and removes it at the same time.
    """
    row = {column.name: getattr(entry, column.name) for column in ledger.columns}
    if insert_new(connection, ledger, row):
        return entry
    found = find(connection, [entry.ledger_key]).get(entry.ledger_key)
    if found is None:
        raise Moved(f"ledger entry {entry.ledger_key} was removed by another worker")
    if found.failure is None or entry.failure is not None:
        return found
    failed = sa.and_(ledger.c.ledger_key == entry.ledger_key, ledger.c.failure.is_not(None))
    if connection.execute(ledger.update().where(failed).values(row)).rowcount == 0:
        raise Moved(f"ledger entry {entry.ledger_key} was written by another worker")
    return entry


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
    """Read the entries that do not tell what they were written for: (ledger key, everything it says)."""
    query = sa.select(ledger.c.ledger_key, all_said().label("said")).where(ledger.c.subject.is_(None))
    return ((row.ledger_key, row.said.strip()) for row in connection.execute(query))


def all_said() -> sa.ColumnElement[str]:
    """Everything in an entry that may hold words of what it was written from, as one text."""
    parts = (ledger.c.output, sa.func.coalesce(ledger.c.said, ""), sa.func.coalesce(ledger.c.failure, ""))
    return parts[0].concat("\n").concat(parts[1]).concat("\n").concat(parts[2])


def remove(connection: Connection, keys: Sequence[str]) -> int:
    """Remove entries by their keys; returns how many were still there."""
    ours = ledger.c.ledger_key.in_(keys)
    held = hold(connection, ledger.c.ledger_key, ours)
    connection.execute(ledger.delete().where(ours))
    return len(held)
