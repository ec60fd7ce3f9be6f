"""Read a stretch of a log once, from outside every consumer group."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from infra.errors import BrokerUnreachable
from infra.fences import Partition
from infra.kafka import admin_options, translated
from infra.kafka_admin import Broker
from infra.settings import KafkaSettings
from infra.watermarks import LogRange

SILENCE_S = 10.0
"""A broker that brings nothing new for so long is taken for gone."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the broker keeps it."""

    topic: str
    partition: int
    offset: int
    timestamp_s: float  # unix seconds
    key: bytes | None
    value: bytes | None


def topic_ranges(broker: Broker, topics: list[str]) -> dict[Partition, LogRange]:
    """Tell what the broker keeps of every partition of some topics.

    Raises:
        TopicMissing: If one does not exist.
        BrokerUnreachable: If nothing answers.
    """
    told = broker.identify(topics)
    return broker.log_ranges([(name, number) for name in topics for number in range(told[name].partitions)])


def read_ranges(settings: KafkaSettings, ranges: Mapping[Partition, LogRange]) -> Iterator[Record]:
    """Read every committed record of some ranges, in order within a partition.

    Args:
        settings: Where the broker is and how to log in.
        ranges: First offset and end (excluded) by partition.

    Raises:
        BrokerUnreachable: If it stops answering before all is read.
    """
    wanted = {TopicPartition(*place): span for place, span in ranges.items() if span[0] < span[1]}
    if not wanted:
        return
    with translated(settings):
        consumer = KafkaConsumer(
            **admin_options(settings), group_id=None, enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            consumer.assign(list(wanted))
            for place, (first, _) in wanted.items():
                consumer.seek(place, first)
            yield from _read(consumer, {place: end for place, (_, end) in wanted.items()}, settings.address)
        finally:
            consumer.close()


def record_time(settings: KafkaSettings, place: Partition, offset: int, end: int) -> float | None:
    """Tell when the first readable record at or above an offset was produced; none if there is none.

    Returns:
        Unix seconds.

    Raises:
        BrokerUnreachable: If nothing answers.
    """
    first = next(read_ranges(settings, {place: (offset, end)}), None)
    return None if first is None else first.timestamp_s


def _read(consumer: KafkaConsumer, ends: dict[TopicPartition, int], address: str) -> Iterator[Record]:
    moved_at = time.monotonic()
    while ends:
        batch = consumer.poll(timeout_ms=200)
        for place, records in batch.items():
            for one in records:
                if one.offset < ends.get(place, 0):
                    yield Record(one.topic, one.partition, one.offset, one.timestamp / 1_000, one.key, one.value)
        done = [place for place, end in ends.items() if consumer.position(place) >= end]
        for place in done:
            consumer.pause(place)
            del ends[place]
        now = time.monotonic()
        moved_at = now if batch or done else moved_at
        if now - moved_at > SILENCE_S:
            raise BrokerUnreachable(address, f"no record for {SILENCE_S:.0f} s")
