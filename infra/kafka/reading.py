"""Read a stretch of a log once, from outside every consumer group."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from infra.errors import BrokerUnreachable
from infra.fences import Partition
from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options, translated
from infra.kafka.header_names import tolerate_names
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


def topic_ranges(broker: Broker, topics: list[str], *, committed: bool = True) -> dict[Partition, LogRange]:
    """Tell what the broker keeps of every partition of some topics.

    Args:
        broker: Asked.
        topics: Full names.
        committed: See ``Broker.log_ranges``.

    Raises:
        TopicMissing: If one does not exist.
        BrokerUnreachable: If nothing answers.
    """
    told = broker.identify(topics)
    places = [(name, number) for name in topics for number in range(told[name].partitions)]
    return broker.log_ranges(places, committed=committed)


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
    ends = {place: end for place, (_, end) in wanted.items()}
    with _opened(settings, wanted, "read_committed") as consumer:
        for batch in _batches(consumer, ends, settings.address):
            for place, records in batch.items():
                for one in records:
                    if wanted[place][0] <= one.offset < ends.get(place, 0):
                        yield Record(one.topic, one.partition, one.offset, one.timestamp / 1_000, one.key, one.value)


def first_times(settings: KafkaSettings, ranges: Mapping[Partition, LogRange]) -> dict[Partition, float]:
    """Tell when the first record of each range was produced, also of one whose transaction is open.

    Args:
        settings: Where the broker is and how to log in.
        ranges: First offset and end (excluded) by partition.

    Returns:
        Unix seconds; a range without any record is absent.

    Raises:
        BrokerUnreachable: If nothing answers before all is known.
    """
    wanted = {TopicPartition(*place): span for place, span in ranges.items() if span[0] < span[1]}
    times: dict[Partition, float] = {}
    if not wanted:
        return times
    ends = {place: end for place, (_, end) in wanted.items()}
    with _opened(settings, wanted, "read_uncommitted") as consumer:
        for batch in _batches(consumer, ends, settings.address):
            for place, records in batch.items():
                consumer.pause(place)
                if place in ends and records[0].offset < ends.pop(place):
                    times[place.topic, place.partition] = records[0].timestamp / 1_000
    return times


@contextmanager
def _opened(
    settings: KafkaSettings, wanted: Mapping[TopicPartition, LogRange], isolation: str
) -> Iterator[KafkaConsumer]:
    tolerate_names()
    with translated(settings):
        consumer = KafkaConsumer(
            **admin_options(settings),
            group_id=None,
            enable_auto_commit=False,
            isolation_level=isolation,
            check_crcs=False,  # in pure Python that is two thirds of all the time; the broker has checked them
            auto_offset_reset="earliest",  # below the log's start it begins at the start
        )
        try:
            consumer.assign(list(wanted))
            for place, (first, _) in wanted.items():
                consumer.seek(place, first)
            yield consumer
        finally:
            consumer.close()


def _batches(
    consumer: KafkaConsumer, ends: dict[TopicPartition, int], address: str
) -> Iterator[dict[TopicPartition, list[Any]]]:
    """Poll until every partition has reached its end, or has been taken out by who reads."""
    moved_at = time.monotonic()
    while ends:
        batch = consumer.poll(timeout_ms=200)
        yield batch
        done = [place for place, end in ends.items() if consumer.position(place) >= end]
        for place in done:
            consumer.pause(place)
            del ends[place]
        now = time.monotonic()
        moved_at = now if batch or done else moved_at
        if now - moved_at > SILENCE_S:
            raise BrokerUnreachable(address, f"no record for {SILENCE_S:.0f} s")
