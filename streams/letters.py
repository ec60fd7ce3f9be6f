"""Dead letters: what we gave up on, kept whole and told why."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from infra.fences import Partition
from infra.outbox import Cause, Output, Waiting
from schemas.dead_letters import DeadLetter, HeaderCopy, Place
from schemas.records import Unreadable
from streams.events import Rejection, event_headers
from streams.holes import Lost

PAYLOAD_LIMIT_BYTES = 4 * 2**20
"""Bytes of a value kept in its dead letter; beyond them its hash tells the whole."""


def dead_letter(rejection: Rejection, agent: str, topic: str, failed_at: datetime) -> tuple[Output, Cause]:
    """Make the output that keeps an unreadable record whole.

    Args:
        rejection: What was wrong with which record.
        agent: Who could not read it.
        topic: The physical dead-letters topic.
        failed_at: When.
    """
    raw, problem = rejection.raw, rejection.problem
    letter = DeadLetter(
        dead_letter_id=f"{agent}:{raw.topic}:{raw.partition}:{raw.offset}",
        agent=agent,
        source=Place(topic=raw.topic, partition=raw.partition, offset=raw.offset),
        reason=problem.reason,
        field=problem.field,
        error=problem.error,
        key_base64=_base64(raw.key),
        payload_base64=_base64(raw.value and raw.value[:PAYLOAD_LIMIT_BYTES]),
        payload_bytes=len(raw.value or b""),
        payload_sha256=_sha256(raw.value),
        headers=[HeaderCopy(key=name, value_base64=_base64(value)) for name, value in raw.headers],
        failed_at=failed_at,
    )
    return _publishable(letter, topic, raw.key), Cause(raw.topic, raw.partition, raw.offset)


@dataclass(frozen=True, slots=True)
class _Gone:
    """Stands for records that the broker deleted: only their place is known."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[()] = ()


def lost_range(partition: Partition, lost: Lost, agent: str, topic: str, failed_at: datetime) -> tuple[Output, Cause]:
    """Make the output that tells of records nobody can read any more; see ``dead_letter``."""
    what = f"offsets {lost.start} to {lost.end - 1} were deleted by the broker before they were read; send them again"
    gone = Rejection(_Gone(*partition, lost.start), Unreadable("records_lost", what))
    return dead_letter(gone, agent, topic, failed_at)


def refused_output(waiting: Waiting, agent: str, topic: str, now: float) -> Output:
    """Make the dead letter of an output that the broker refuses for its size.

    Args:
        waiting: The output in the outbox.
        agent: Whose outbox.
        topic: The physical dead-letters topic.
        now: Unix seconds.

    Raises:
        ValueError: If it is a dead letter that was stripped before: the topic takes nothing at all.
    """
    output, cause = waiting.output, waiting.cause
    if output.topic == topic:
        return _stripped(output)
    what = f"an output of {len(output.value or b''):,} bytes for {output.topic} was refused"
    letter = DeadLetter(
        dead_letter_id=f"{agent}:{cause.topic}:{cause.partition}:{cause.offset}:{output.topic}",
        agent=agent,
        source=Place(topic=cause.topic, partition=cause.partition, offset=cause.offset),
        reason="output_too_large",
        error=f"{what}; raise the topic's max.message.bytes",
        key_base64=_base64(output.key),
        payload_base64=_base64(output.value and output.value[:PAYLOAD_LIMIT_BYTES]),
        payload_bytes=len(output.value or b""),
        payload_sha256=_sha256(output.value),
        headers=[HeaderCopy(key=name, value_base64=_base64(value)) for name, value in output.headers.items()],
        failed_at=datetime.fromtimestamp(now, UTC),
    )
    return _publishable(letter, topic, output.key)


def without_payload(output: Output) -> Output:
    """Make a dead letter that still tells what happened, but holds nothing of the event itself.

    Args:
        output: A dead letter that waits to be published.
    """
    letter = msgspec.json.decode(output.value or b"", type=DeadLetter)
    bare = msgspec.structs.replace(letter, payload_base64=None, headers=[])
    return _publishable(bare, output.topic, output.key)


def _stripped(output: Output) -> Output:
    letter = msgspec.json.decode(output.value or b"", type=DeadLetter)
    if letter.payload_base64 is None and output.key is None:
        raise ValueError(f"{output.topic} refuses even a stripped dead letter: {letter.dead_letter_id}")
    short = msgspec.structs.replace(letter, payload_base64=None, key_base64=None, headers=[])
    return _publishable(short, output.topic, None)


def _publishable(letter: DeadLetter, topic: str, key: bytes | None) -> Output:
    headers = event_headers(letter.dead_letter_id, "dead-letter", letter.agent, letter.failed_at)
    return Output(topic, key, msgspec.json.encode(letter), headers)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _sha256(value: bytes | None) -> str | None:
    return None if value is None else hashlib.sha256(value).hexdigest()
