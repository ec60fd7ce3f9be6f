"""What an agent is given, and what it gives back: one shape for all agents."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from infra.outbox import Cause, Output
from schemas.records import Sources, Unreadable, decode

Record = TypeVar("Record", bound=msgspec.Struct)
Crash = Callable[[str], None]
"""Called with the name of each crash point; tests kill the process there."""

LATEST_MS = 253_370_764_800_000
"""The year 9999, in milliseconds: a producer may set any timestamp, and datetimes end there."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)

TRACE = ("traceparent", "tracestate")
TRACE_BYTES = 512
"""What W3C Trace Context asks everyone to pass on; a longer header is somebody's mistake."""

_PREFIX = re.compile(r"^[^.]+\.(.+)\.v\d+$")


@dataclass(frozen=True, slots=True)
class Event(Generic[Record]):
    """One readable record and where it stands."""

    cause: Cause
    at: datetime  # Kafka's timestamp
    record: Record
    raw: Any  # the aiokafka ConsumerRecord, for dead letters

    @property
    def trace(self) -> Mapping[str, bytes]:
        """The trace context its producer sent, to be passed on."""
        return {
            name: value for name, value in self.raw.headers if name in TRACE and value and len(value) <= TRACE_BYTES
        }


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that changes nothing, and why."""

    raw: Any
    problem: Unreadable


class Decision(Protocol):
    """What is to be written for some events; made outside any transaction."""

    @property
    def rejections(self) -> Sequence[Rejection]:
        """Events that become dead letters."""
        ...

    @property
    def outputs(self) -> Sequence[tuple[Output, Cause]]:
        """What is published, each with the input it is owed to."""
        ...

    def write(self, connection: Connection) -> None:
        """Write state.

        Raises:
            infra.fences.Moved: If the state is not the one that was decided from.
        """
        ...

    def committed(self) -> None:
        """Let memory follow: what was written is durable. Called once, in the store's thread."""
        ...


class Handler(Protocol[Record]):
    """The one thing an agent knows: how events change its state."""

    @property
    def records(self) -> Mapping[str, type[Record]]:
        """What a value is, by logical topic."""
        ...

    def decide(self, events: Sequence[Event[Record]], following: int) -> Decision:
        """Decide for events of one partition; ``following`` is the offset after the last of the run."""
        ...

    def forget(self) -> None:
        """Drop cached state: somebody else has changed it."""
        ...


def read_events(records: Iterable[Any], record: type[Record]) -> tuple[list[Event[Record]], list[Rejection]]:
    """Decode raw records one by one; what cannot be read delays nobody."""
    events, rejections = [], []
    for raw in records:
        try:
            if raw.value is None:
                raise Unreadable("not_json", "The value is null; deletions are sent as a record with op = delete")
            at = _kafka_time(raw.timestamp)
            value = decode(raw.value, record)
        except Unreadable as problem:
            rejections.append(Rejection(raw, problem))
        else:
            cause = Cause(raw.topic, raw.partition, raw.offset)
            events.append(Event(cause, at, value, raw))
    return events, rejections


def _kafka_time(timestamp_ms: int) -> datetime:
    if not 0 <= timestamp_ms <= LATEST_MS:
        what = f"the record's Kafka timestamp {timestamp_ms} ms is not between 1970 and 9999; let the client set it"
        raise Unreadable("date_out_of_range", what)
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def check_date(field: str, written: datetime | None, sent: datetime) -> None:
    """Hold a date that a producer set to the limits of all dates.

    Args:
        field: Its name.
        written: The date, if there is one.
        sent: Kafka's timestamp of the record.

    Raises:
        Unreadable: If it is before 1970, or more than a day after the record was sent.
    """
    if written is None or EARLIEST <= written <= sent + AHEAD:
        return
    what = f"{written.isoformat()} is not between 1970 and a day after the record was sent ({sent.isoformat()})"
    raise Unreadable("date_out_of_range", f"{field}: {what}", field)


def event_headers(
    event_id: str, kind: str, agent: str, at: datetime, trace: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Make CloudEvents 1.0 headers in Kafka's binary mode, with the trace passed on."""
    return {
        "ce_specversion": b"1.0",
        "ce_id": event_id.encode(),
        "ce_type": f"millrace.{kind}.v1".encode(),
        "ce_source": f"/millrace/{agent}".encode(),
        "ce_time": at.isoformat().encode(),
        "content-type": b"application/json",
        **(trace or {}),
    }


def logical(topic: str) -> str:
    """Take a topic's logical name out of its physical one.

    Example:
        >>> logical("millrace.dead-letters.v1")
        'dead-letters'
    """
    found = _PREFIX.match(topic)
    return found.group(1) if found else topic


def include(sources: Sources, cause: Cause, following: int) -> Sources:
    """Say that everything of the cause's partition below ``following`` is included."""
    topic = logical(cause.topic)
    return {**sources, topic: {**sources.get(topic, {}), str(cause.partition): following}}


def oldest_causes(causes: Sequence[Cause]) -> list[Cause]:
    """Keep the oldest cause of each partition: what depends on several holds all their watermarks."""
    oldest: dict[tuple[str, int], Cause] = {}
    for cause in causes:
        place = (cause.topic, cause.partition)
        if place not in oldest or cause.offset < oldest[place].offset:
            oldest[place] = cause
    return list(oldest.values())
