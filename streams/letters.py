"""Dead letters: what we gave up on, kept whole and told why."""

import base64
import hashlib
from datetime import UTC, datetime

import msgspec

from infra.outbox import Cause, Output, Waiting
from schemas.dead_letters import DeadLetter, HeaderCopy, Place
from streams.events import Rejection, event_headers

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


def refused_output(waiting: Waiting, agent: str, topic: str, now: float) -> Output:
    """Make the dead letter of an output that the broker refuses for its size.

    Args:
        waiting: The output in the outbox.
        agent: Whose outbox.
        topic: The physical dead-letters topic.
        now: Unix seconds.
    """
    output, cause = waiting.output, waiting.cause
    letter = DeadLetter(
        dead_letter_id=f"{agent}:{cause.topic}:{cause.partition}:{cause.offset}:{output.topic}",
        agent=agent,
        source=Place(topic=cause.topic, partition=cause.partition, offset=cause.offset),
        reason="output_too_large",
        error=f"an output of {len(output.value or b''):,} bytes for {output.topic} was refused; raise the topic's max.message.bytes",
        key_base64=_base64(output.key),
        payload_base64=_base64(output.value and output.value[:PAYLOAD_LIMIT_BYTES]),
        payload_bytes=len(output.value or b""),
        payload_sha256=_sha256(output.value),
        headers=[HeaderCopy(key=name, value_base64=_base64(value)) for name, value in output.headers.items()],
        failed_at=datetime.fromtimestamp(now, UTC),
    )
    return _publishable(letter, topic, output.key)


def _publishable(letter: DeadLetter, topic: str, key: bytes | None) -> Output:
    headers = event_headers(letter.dead_letter_id, "dead-letter", letter.agent, letter.failed_at)
    return Output(topic, key, msgspec.json.encode(letter), headers)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _sha256(value: bytes | None) -> str | None:
    return None if value is None else hashlib.sha256(value).hexdigest()
