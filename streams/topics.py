"""Every topic's name and shape, in one place."""

from collections.abc import Mapping

from infra.kafka.admin import TopicDeclaration
from infra.settings import KafkaSettings

VERSION = "v1"
"""Of every topic's record; a change that breaks readers is a new version."""

MEBIBYTE = 1 << 20
OVERHEAD_BYTES = 64 << 10
"""Key, headers and batch framing around a value."""

TOPICS: Mapping[str, int] = {
    "reviews": 4 * MEBIBYTE,
    "documents": 4 * MEBIBYTE,
    "events": 4 * MEBIBYTE,
    "requests": 4 * MEBIBYTE,
    "feedback": 4 * MEBIBYTE,
    "points": 1 * MEBIBYTE,
    "summaries": 1 * MEBIBYTE,
    "features": 1 * MEBIBYTE,
    "indexed": 1 * MEBIBYTE,
    "answers": 1 * MEBIBYTE,
    "dead-letters": 8 * MEBIBYTE,
}
"""Logical name to the largest value it takes, in bytes: inputs are wide so that too large ones can be told."""


def topic_name(prefix: str, logical: str) -> str:
    """Name a topic on the broker.

    Raises:
        KeyError: If there is no such topic.

    Example:
        >>> topic_name("millrace", "reviews")
        'millrace.reviews.v1'
    """
    if logical not in TOPICS:
        raise KeyError(logical)
    return f"{prefix}.{logical}.{VERSION}"


def declarations(settings: KafkaSettings) -> list[TopicDeclaration]:
    """Declare every topic as it should be on this broker."""
    return [
        TopicDeclaration(
            name=topic_name(settings.prefix, logical),
            partitions=settings.partitions,
            replication=settings.replication,
            retention_ms=settings.retention_hours * 3_600_000,
            max_message_bytes=value_bytes + OVERHEAD_BYTES,
        )
        for logical, value_bytes in TOPICS.items()
    ]
