"""Rows of featurize's store: the newest revision of every event that some feature table can use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.rows.product_rows import chunks
from schemas.feature_tables import feature_log, feature_members

PAGE = 1_000
"""Events read at a time."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One event as it stands.

    Args:
        topic: Logical.
        record_id: Its event_id; of a review see ``processors.features.records.record_id``.
        revision: Its newest.
        op: ``upsert``, or ``delete`` of a tombstone.
        number: Grows with every change of the log; never reused.
        happened_us: Microseconds since 1970.
        sent_us: Kafka's timestamp, microseconds since 1970.
        record: JSON of the record, None of a tombstone.
    """

    topic: str
    record_id: str
    revision: int
    op: str
    number: int
    happened_us: int
    sent_us: int
    record: bytes | None


@dataclass(frozen=True, slots=True)
class LogChange:
    """What becomes of one event; its number is given to it when it is written.

    Args:
        row: What it is from now on.
        expected: Number it was decided from; None for one never heard of.
    """

    row: LogRow
    expected: int | None


def known_events(connection: Connection, topic: str, record_ids: Sequence[str]) -> dict[str, LogRow]:
    """Tell what stands of some events; those never heard of, or forgotten, are absent."""
    found: dict[str, LogRow] = {}
    for some in chunks(record_ids):
        query = sa.select(feature_log).where(feature_log.c.topic == topic, feature_log.c.record_id.in_(some))
        found |= {row.record_id: LogRow(**row._mapping) for row in connection.execute(query)}
    return found


def log_page(connection: Connection, after: int, until: int, limit: int = PAGE) -> list[LogRow]:
    """List events by number, tombstones among them.

    Args:
        connection: A transaction.
        after: Above this number.
        until: Up to this number, included.
        limit: Events at most.
    """
    query = sa.select(feature_log).where(feature_log.c.number > after, feature_log.c.number <= until)
    return [LogRow(**row._mapping) for row in connection.execute(query.order_by(feature_log.c.number).limit(limit))]


def iterate_log(connection: Connection, after: int = 0, page: int = PAGE) -> Iterator[LogRow]:
    """Go through all events by number, tombstones among them, page by page.

    Args:
        connection: A transaction that sees one state for as long as this takes.
        after: Above this number.
        page: Events read at a time.
    """
    until = newest_number(connection)
    while rows := log_page(connection, after, until, page):
        yield from rows
        after = rows[-1].number


def newest_number(connection: Connection) -> int:
    """Return the number of the newest change of the log; 0 of an empty one."""
    return int(connection.scalar(sa.select(sa.func.max(feature_log.c.number))) or 0)


def newest_sent_us(connection: Connection) -> int:
    """Return when the newest event was sent, microseconds since 1970; 0 of an empty log."""
    return int(connection.scalar(sa.select(sa.func.max(feature_log.c.sent_us))) or 0)


def still_there(connection: Connection, numbers: Sequence[int]) -> bool:
    """Tell whether these changes are still the newest of their events."""
    found = 0
    for some in chunks(numbers):
        query = sa.select(sa.func.count()).select_from(feature_log).where(feature_log.c.number.in_(some))
        found += int(connection.scalar(query) or 0)
    return found == len(numbers)


def write_log(connection: Connection, changes: Sequence[LogChange]) -> None:
    """Write events and number them. The caller holds the definitions: nobody else takes numbers meanwhile.

    Raises:
        Moved: If another worker wrote one of them.
    """
    number = newest_number(connection)
    values = []
    for change in changes:
        number += 1
        row = replace(change.row, number=number)
        values.append({name: getattr(row, name) for name in _COLUMNS} | {"expected": change.expected})
    if values and connection.execute(_PUT, values).rowcount != len(values):
        raise Moved("an event was changed by another worker")


def forget_events(connection: Connection, before_us: int, limit: int) -> int:
    """Forget events that can no longer be corrected, and that rows hold them; the newest change always stays.

    Args:
        connection: A write transaction that holds the definitions.
        before_us: Those sent before, microseconds since 1970.
        limit: Events at most.

    Returns:
        How many were forgotten.
    """
    columns = sa.select(feature_log.c.topic, feature_log.c.record_id).where(feature_log.c.sent_us < before_us)
    # Numbers are never reused: they go on from the largest there is.
    old = columns.where(feature_log.c.number < newest_number(connection)).order_by(feature_log.c.sent_us).limit(limit)
    places = [{"topic": row.topic, "record_id": row.record_id} for row in connection.execute(old)]
    if places:
        connection.execute(_FORGET_MEMBERS, places)
        connection.execute(_FORGET, places)
    return len(places)


_COLUMNS = tuple(column.name for column in feature_log.columns)
_PUT = sa.text(
    "INSERT INTO feature_log (topic, record_id, revision, op, number, happened_us, sent_us, record) "
    "VALUES (:topic, :record_id, :revision, :op, :number, :happened_us, :sent_us, :record) "
    "ON CONFLICT (topic, record_id) DO UPDATE SET revision = excluded.revision, op = excluded.op, "
    "number = excluded.number, happened_us = excluded.happened_us, sent_us = excluded.sent_us, "
    "record = excluded.record WHERE feature_log.number = :expected"
)
_FORGET = sa.text("DELETE FROM feature_log WHERE topic = :topic AND record_id = :record_id")
_FORGET_MEMBERS = sa.text(f"DELETE FROM {feature_members.name} WHERE topic = :topic AND record_id = :record_id")  # noqa: S608 - our own table
