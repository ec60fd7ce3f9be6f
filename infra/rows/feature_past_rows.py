"""Rows of featurize's store: all events of a key, read as fast as can be; training sets read every key once or more."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection


class PastRow(NamedTuple):
    """One event as it stands.

    Args:
        topic: Logical.
        record_id: See ``infra.rows.feature_log_rows.LogRow``, as all that follow.
        happened_us: As above.
        sent_us: As above.
        record: As above.
    """

    topic: str
    record_id: str
    happened_us: int
    sent_us: int
    record: bytes


def past_rows(connection: Connection, version: str, key: str) -> Sequence[PastRow]:
    """List all events that a row holds and the log still has, in any order.

    Args:
        connection: A transaction.
        version: Of the definition.
        key: Of the row.
    """
    return [PastRow(*row) for row in connection.execute(_EVENTS, {"version": version, "key": key})]


_EVENTS = sa.text(
    "SELECT feature_log.topic, feature_log.record_id, feature_log.happened_us, feature_log.sent_us, feature_log.record "
    "FROM feature_members JOIN feature_log "
    "ON feature_log.topic = feature_members.topic AND feature_log.record_id = feature_members.record_id "
    "WHERE feature_members.version = :version AND feature_members.key = :key AND feature_log.record IS NOT NULL"
)
