"""Rows of featurize's store: which events each row of a definition holds; what is here was added, and nothing else."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.feature_log_rows import LogRow
from infra.rows.product_rows import chunks
from schemas.feature_tables import feature_log, feature_members


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One event that was added to a row.

    Args:
        version: Of the definition.
        topic: Logical.
        record_id: Of the event.
        key: Of the row.
        happened_us: Of the event, as it was added; microseconds since 1970.
    """

    version: str
    topic: str
    record_id: str
    key: str
    happened_us: int


Place = tuple[str, str]
"""(version, record_id) of a member; its topic is known."""


def members_of(connection: Connection, topic: str, record_ids: Sequence[str]) -> dict[Place, MemberRow]:
    """Tell which rows hold some events, of all definitions."""
    found: dict[Place, MemberRow] = {}
    for some in chunks(record_ids):
        query = sa.select(feature_members).where(
            feature_members.c.topic == topic, feature_members.c.record_id.in_(some)
        )
        found |= {(row.version, row.record_id): MemberRow(**row._mapping) for row in connection.execute(query)}
    return found


def members_between(connection: Connection, version: str, key: str, begin_us: int | None, end_us: int) -> list[LogRow]:
    """List the events a row holds that happened in a span of time, as the log has them.

    Args:
        connection: A transaction.
        version: Of the definition.
        key: Of the row.
        begin_us: Included, microseconds since 1970; None for everything before ``end_us``.
        end_us: Not included.
    """
    same_topic = feature_log.c.topic == feature_members.c.topic
    same_id = feature_log.c.record_id == feature_members.c.record_id
    query = sa.select(feature_log).join(feature_members, sa.and_(same_topic, same_id))
    query = query.where(feature_members.c.version == version, feature_members.c.key == key)
    query = query.where(feature_members.c.happened_us < end_us, feature_log.c.record.is_not(None))
    if begin_us is not None:
        query = query.where(feature_members.c.happened_us >= begin_us)
    return [LogRow(**row._mapping) for row in connection.execute(query.order_by(feature_members.c.happened_us))]


def write_members(connection: Connection, put: Collection[MemberRow], gone: Collection[MemberRow]) -> None:
    """Note which events rows hold from now on. The caller holds the definitions.

    Args:
        connection: A write transaction.
        put: Added, or added to another row than before.
        gone: Taken back.
    """
    if gone:
        connection.execute(_DELETE, [{name: getattr(one, name) for name in _PLACE} for one in gone])
    if put:
        connection.execute(_PUT, [{name: getattr(one, name) for name in _COLUMNS} for one in put])


def remove_members(connection: Connection, version: str, limit: int) -> int:
    """Remove some members of a definition that nobody writes any more; returns how many."""
    query = sa.select(feature_members.c.topic, feature_members.c.record_id).where(feature_members.c.version == version)
    gone = [{"version": version, **row._mapping} for row in connection.execute(query.limit(limit))]
    if gone:
        connection.execute(_DELETE, gone)
    return len(gone)


_PLACE = ("version", "topic", "record_id")
_COLUMNS = tuple(column.name for column in feature_members.columns)
_PUT = sa.text(
    "INSERT INTO feature_members (version, topic, record_id, key, happened_us) "
    "VALUES (:version, :topic, :record_id, :key, :happened_us) ON CONFLICT (version, topic, record_id) DO UPDATE SET "
    "key = excluded.key, happened_us = excluded.happened_us"
)
_DELETE = sa.text("DELETE FROM feature_members WHERE version = :version AND topic = :topic AND record_id = :record_id")
