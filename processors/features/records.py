"""Records as feature tables see them: who they are, when they happened, and as the row a user's function is given."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.events import Event
from schemas.reviews import Review

Record = Event | Review

RECORDS: Mapping[str, type[Event] | type[Review]] = {"events": Event, "reviews": Review}
"""What a table can be made of, by logical topic."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def record_id(record: Record) -> str:
    r"""Name a record within its topic.

    Example:
        >>> record_id(Review(product_id="a/b", review_id="c", text=""))
        'a\\/b/c'
    """
    if isinstance(record, Event):
        return record.event_id
    return joined_id(record.product_id, record.review_id)


def joined_id(product_id: str, review_id: str) -> str:
    """Name a review; either part may hold anything."""
    return "/".join(one.replace("\\", "\\\\").replace("/", "\\/") for one in (product_id, review_id))


def happened(record: Record, sent: datetime) -> datetime:
    """Tell when it happened; a review that does not say when it was sent."""
    return record.occurred_at if isinstance(record, Event) else record.created_at or sent


def row_of(record: Record, sent: datetime) -> dict[str, Any]:
    """Make the row that users' functions are given.

    Args:
        record: An event, whose entities and values get their names, or a review, whose fields keep theirs.
        sent: Kafka's timestamp.

    Example:
        >>> event = Event(event_id="e", type="sale", entity={"customer": "c"}, values={"price": 3}, occurred_at=EPOCH)
        >>> sorted(row_of(event, EPOCH))
        ['customer', 'event_id', 'occurred_at', 'price', 'type']
    """
    if isinstance(record, Event):
        own = {"event_id": record.event_id, "type": record.type, "occurred_at": record.occurred_at}
        return {**record.values, **record.entity, **own}  # a value called "type" does not hide the event's
    return {**msgspec.structs.asdict(record), "occurred_at": happened(record, sent)}


def logged_row(topic: str, record: bytes, sent_us: int) -> dict[str, Any]:
    """Make the row of a record as the log keeps it.

    Args:
        topic: Logical.
        record: JSON.
        sent_us: Kafka's timestamp, microseconds since 1970.
    """
    return row_of(msgspec.json.decode(record, type=RECORDS[topic]), moment(sent_us))


def microseconds(at: datetime) -> int:
    """Count microseconds since 1970, exactly.

    Example:
        >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
        1000005
    """
    return (at - EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Return a moment told in microseconds since 1970.

    Example:
        >>> moment(1_000_005).isoformat()
        '1970-01-01T00:00:01.000005+00:00'
    """
    return EPOCH + at_us * _MICROSECOND
