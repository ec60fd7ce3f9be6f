"""Rows of featurize's store: copies of tables and files elsewhere, and how far the copying of each is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks
from schemas.feature_tables import feature_copies, feature_copyings


@dataclass(frozen=True, slots=True)
class CopyRow:
    """One row of a copied table.

    Args:
        key: Parts of its primary key, joined.
        record: JSON object of its values.
    """

    key: str
    record: bytes


@dataclass(frozen=True, slots=True)
class CopyingRow:
    """How far the copying of one table is.

    Args:
        name: Of the table.
        version: Of the definition it was copied by; "" before the first copying is done.
        round: Number of the copying that was begun last.
        newest: Largest value of the column it is kept in sync by, JSON.
        copied_at: When it was copied last, unix seconds; 0 for never.
        row_count: Of the copy.
        error: Why the last try failed, or which rows were left out.
    """

    name: str
    version: str
    round: int
    newest: bytes | None
    copied_at: float
    row_count: int
    error: str | None


def list_copyings(connection: Connection) -> dict[str, CopyingRow]:
    """Tell how far all copying is, by table."""
    return {row.name: CopyingRow(**row._mapping) for row in connection.execute(sa.select(feature_copyings))}


def begin_round(connection: Connection, name: str) -> CopyingRow:
    """Begin a copying: it gets a number of its own. Returns what stands, with that number."""
    before = list_copyings(connection).get(name) or CopyingRow(name, "", 0, None, 0.0, 0, None)
    begun = replace(before, round=before.round + 1)
    put_copying(connection, begun)
    return begun


def put_copying(connection: Connection, row: CopyingRow) -> None:
    """Note how far the copying of a table is, over what stands."""
    connection.execute(_PUT_COPYING, {name: getattr(row, name) for name in _COPYING})


def write_copies(
    connection: Connection, name: str, number: int, rows: Sequence[CopyRow], as_of_us: int
) -> list[CopyRow]:
    """Write rows of a page.

    Args:
        connection: A write transaction.
        name: Of the table.
        number: Of the copying.
        rows: No two with one key.
        as_of_us: When they were read, microseconds since 1970.

    Returns:
        Those that were not written: the same copying brought another row of their key before.
    """
    known: set[str] = set()
    for some in chunks([row.key for row in rows]):
        mine = sa.and_(feature_copies.c.name == name, feature_copies.c.key.in_(some))
        known |= set(connection.scalars(sa.select(feature_copies.c.key).where(mine, feature_copies.c.round == number)))
    values = [
        {"name": name, "key": row.key, "record": row.record, "round": number, "as_of_us": as_of_us}
        for row in rows
        if row.key not in known
    ]
    if values:
        connection.execute(_PUT, values)
    return [row for row in rows if row.key in known]


def remove_gone(connection: Connection, name: str, number: int, limit: int) -> int:
    """Remove rows that a copying of everything has not seen, some at a time; returns how many."""
    old = sa.and_(feature_copies.c.name == name, feature_copies.c.round < number)
    keys = list(connection.scalars(sa.select(feature_copies.c.key).where(old).limit(limit)))
    for some in chunks(keys):
        connection.execute(feature_copies.delete().where(feature_copies.c.name == name, feature_copies.c.key.in_(some)))
    return len(keys)


def count_copies(connection: Connection, name: str) -> int:
    """Count the rows of a copied table."""
    query = sa.select(sa.func.count()).select_from(feature_copies).where(feature_copies.c.name == name)
    return int(connection.scalar(query) or 0)


def forget_copying(connection: Connection, name: str) -> None:
    """Forget a table of which no row is left."""
    connection.execute(feature_copyings.delete().where(feature_copyings.c.name == name))


_COPYING = tuple(column.name for column in feature_copyings.columns)
_PUT_COPYING = sa.text(
    "INSERT INTO feature_copyings (name, version, round, newest, copied_at, row_count, error) "
    "VALUES (:name, :version, :round, :newest, :copied_at, :row_count, :error) ON CONFLICT (name) DO UPDATE SET "
    "version = excluded.version, round = excluded.round, newest = excluded.newest, copied_at = excluded.copied_at, "
    "row_count = excluded.row_count, error = excluded.error"
)
_PUT = sa.text(
    "INSERT INTO feature_copies (name, key, record, round, as_of_us) "
    "VALUES (:name, :key, :record, :round, :as_of_us) ON CONFLICT (name, key) DO UPDATE SET "
    "record = excluded.record, round = excluded.round, as_of_us = excluded.as_of_us"
)
