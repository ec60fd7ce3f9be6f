"""How long topics keep what is in them, by the broker's own settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.kafka.admin import Broker


@dataclass(frozen=True, slots=True)
class TopicRetention:
    """How long a topic keeps a record.

    Args:
        retention_ms: A segment goes once its newest record is so old; none keeps them for ever.
        segment_ms: A segment takes records for so long.
        retention_bytes: A larger partition loses its oldest segments earlier; none is no bound.
        deletes: Whether old segments go at all: a compacted topic keeps the newest record of a key.
        by_broker: Whether the broker's clock says how old a record is, not its producer's.
    """

    retention_ms: int | None
    segment_ms: int
    retention_bytes: int | None
    deletes: bool
    by_broker: bool

    def until(self, at: float) -> float | None:
        """Tell when a record is gone at the latest, but for the minutes between two looks of the broker.

        Args:
            at: When the broker took it, unix seconds.

        Returns:
            Unix seconds; None when nobody can tell.

        Example:
            >>> day_ms = 86_400_000
            >>> TopicRetention(7 * day_ms, day_ms, None, True, True).until(0.0) == 8 * 86_400
            True
        """
        if self.retention_ms is None or not self.deletes or not self.by_broker:
            return None
        return at + (self.retention_ms + self.segment_ms) / 1_000


def topic_retention(broker: Broker, topics: Sequence[str]) -> dict[str, TopicRetention]:
    """Ask how long some topics keep what is in them.

    Args:
        broker: Asked.
        topics: Full names of topics that exist.

    Raises:
        BrokerUnreachable: If nothing answers.
        BrokerRefused: If it does not tell us.
    """
    return {topic: read_retention(told) for topic, told in broker.configurations(topics).items()}


def read_retention(told: Mapping[str, str]) -> TopicRetention:
    """Read a topic's settings.

    Args:
        told: In Kafka's words, all of them.
    """
    kept_ms, kept_bytes = int(told["retention.ms"]), int(told["retention.bytes"])
    return TopicRetention(
        retention_ms=kept_ms if kept_ms >= 0 else None,
        segment_ms=int(told["segment.ms"]),
        retention_bytes=kept_bytes if kept_bytes >= 0 else None,
        deletes="delete" in told["cleanup.policy"],
        by_broker=told["message.timestamp.type"] == "LogAppendTime",
    )
