"""Records on the ``dead-letters`` topic: events we gave up on, kept whole."""

import msgspec

from schemas.records import Timestamp


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


class HeaderCopy(msgspec.Struct, frozen=True, kw_only=True):
    """One Kafka header, as it came."""

    key: str
    value_base64: str | None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that changed nothing, with its reason and enough to replay it. Kafka key: the event's own."""

    dead_letter_id: str  # agent:topic:partition:offset
    agent: str
    source: Place
    reason: str  # stable code, see schemas.records.Unreadable
    error: str  # one sentence: what is wrong and what to send instead
    payload_base64: str | None  # cut at 4 MiB, then payload_sha256 tells the whole
    headers: list[HeaderCopy]
    failed_at: Timestamp
    field: str | None = None
    key_base64: str | None = None
    payload_bytes: int = 0  # size before any cut
    payload_sha256: str | None = None
