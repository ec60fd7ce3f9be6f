"""Rows of featurize's store: what stands of each key of a feature table, compared before it is written."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.rows.product_rows import chunks
from schemas.feature_tables import feature_rows


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One key of one definition.

    Args:
        version: Of the definition.
        key: Parts of the primary key, joined.
        revision: Moves with every change, and goes on where a key comes back.
        state: MessagePack of ``processors.features.tiles.KeyState``.
        newest_us: When its newest event happened, microseconds since 1970.
        sent_us: Newest Kafka timestamp of its events, microseconds since 1970.
        written_us: When it was written, microseconds since 1970.
        expires_us: When nothing of it is left to tell, microseconds since 1970; none for never.
        sources: JSON of ``schemas.records.Sources``.
    """

    version: str
    key: str
    revision: int
    state: bytes
    newest_us: int
    sent_us: int
    written_us: int
    expires_us: int | None
    sources: bytes


@dataclass(frozen=True, slots=True)
class RowChange:
    """What becomes of one key.

    Args:
        row: What it is from now on.
        expected: Revision it was decided from; None for a key without row.
        gone: Nothing is left of it: no row stays.
    """

    row: FeatureRow
    expected: int | None
    gone: bool = False


def load_rows(connection: Connection, version: str, keys: Sequence[str]) -> dict[str, FeatureRow]:
    """Load rows of a definition by their keys; those without row are absent."""
    found: dict[str, FeatureRow] = {}
    for some in chunks(keys):
        query = sa.select(feature_rows).where(feature_rows.c.version == version, feature_rows.c.key.in_(some))
        found |= {row.key: FeatureRow(**row._mapping) for row in connection.execute(query)}
    return found


def rows_after(connection: Connection, version: str, key: str, limit: int) -> list[FeatureRow]:
    """List rows of a definition in the order of their keys, from the one after ``key``; every key is after ""."""
    query = sa.select(feature_rows).where(feature_rows.c.version == version, feature_rows.c.key > key)
    return [FeatureRow(**row._mapping) for row in connection.execute(query.order_by(feature_rows.c.key).limit(limit))]


def expired_rows(connection: Connection, at_us: int, limit: int) -> list[FeatureRow]:
    """List rows of which nothing is left to tell at a moment, longest expired first.

    Args:
        connection: A transaction.
        at_us: Microseconds since 1970.
        limit: Rows at most.
    """
    query = sa.select(feature_rows).where(feature_rows.c.expires_us <= at_us).order_by(feature_rows.c.expires_us)
    return [FeatureRow(**row._mapping) for row in connection.execute(query.limit(limit))]


def count_rows(connection: Connection, version: str) -> int:
    """Count the keys of a definition."""
    count = connection.scalar(sa.select(sa.func.count()).where(feature_rows.c.version == version))
    return int(count or 0)


def write_rows(connection: Connection, changes: Sequence[RowChange]) -> None:
    """Write rows whose revisions are still the expected ones, in the order of their keys.

    Raises:
        Moved: If another worker changed one of them.
    """
    changes = sorted(changes, key=lambda one: (one.row.version, one.row.key))
    put = [
        {name: getattr(one.row, name) for name in _COLUMNS} | {"expected": one.expected}
        for one in changes
        if not one.gone
    ]
    gone = [one for one in changes if one.gone and one.expected is not None]
    if put and connection.execute(_PUT, put).rowcount != len(put):
        raise Moved("features of a key were changed by another worker")
    if gone and connection.execute(_DELETE, [_place(one) for one in gone]).rowcount != len(gone):
        raise Moved("features of a key were changed by another worker")


def remove_rows(connection: Connection, version: str, keys: Sequence[str]) -> None:
    """Remove rows of a definition that nobody writes any more."""
    for some in chunks(keys):
        connection.execute(feature_rows.delete().where(feature_rows.c.version == version, feature_rows.c.key.in_(some)))


def _values(change: RowChange) -> dict[str, object]:
    return {name: getattr(change.row, name) for name in _COLUMNS} | {"expected": change.expected}


def _place(change: RowChange) -> dict[str, object]:
    return {"version": change.row.version, "key": change.row.key, "expected": change.expected}


_COLUMNS = tuple(column.name for column in feature_rows.columns)
_PUT = sa.text(
    "INSERT INTO feature_rows (version, key, revision, state, newest_us, sent_us, written_us, expires_us, sources) "
    "VALUES (:version, :key, :revision, :state, :newest_us, :sent_us, :written_us, :expires_us, :sources) "
    "ON CONFLICT (version, key) DO UPDATE SET revision = excluded.revision, state = excluded.state, "
    "newest_us = excluded.newest_us, sent_us = excluded.sent_us, written_us = excluded.written_us, "
    "expires_us = excluded.expires_us, sources = excluded.sources WHERE feature_rows.revision = :expected"
)
_DELETE = sa.text("DELETE FROM feature_rows WHERE version = :version AND key = :key AND revision = :expected")
