"""What an agent is given, and what it gives back: one shape for all agents."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from infra.outbox import Cause, Output
from schemas.records import Unreadable, decode

Record = TypeVar("Record", bound=msgspec.Struct)
Crash = Callable[[str], None]
"""Called with the name of each crash point; tests kill the process there."""

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
        return {name: value for name, value in self.raw.headers if name in ("traceparent", "tracestate")}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that changes nothing, and why."""

    raw: Any
    problem: Unreadable


class Decision(Protocol):
    """What is to be written for some events; made outside any transaction."""

    rejections: Sequence[Rejection]
    outputs: Sequence[tuple[Output, Cause]]

    def write(self, connection: Connection) -> None:
        """Write state.

        Raises:
            infra.fences.Moved: If the state is not the one that was decided from.
        """
        ...


class Handler(Protocol[Record]):
    """The one thing an agent knows: how events change its state."""

    record: type[Record]

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
            value = decode(raw.value, record)
        except Unreadable as problem:
            rejections.append(Rejection(raw, problem))
        else:
            cause = Cause(raw.topic, raw.partition, raw.offset)
            events.append(Event(cause, datetime.fromtimestamp(raw.timestamp / 1000, UTC), value, raw))
    return events, rejections


def event_headers(event_id: str, kind: str, agent: str, at: datetime, trace: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
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
