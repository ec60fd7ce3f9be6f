"""What an independent reader sees: the judge of holes in a log, and of records nobody takes."""

import time
from contextlib import closing
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from infra.kafka import admin_options, translated
from infra.kafka_admin import Broker
from infra.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Probe:
    """What an independent read_committed consumer saw.

    Args:
        log_start: The first offset the broker still has.
        offsets: Offsets of readable records, ascending.
        position: Everything below it was looked at; below ``until`` only if time or limit ran out.
    """

    log_start: int
    offsets: list[int]
    position: int


def probe(
    settings: KafkaSettings, place: tuple[str, int], offset: int, until: int, timeout_s: float, limit: int | None = None
) -> Probe:
    """Look with a read_committed consumer of no group at which records there are.

    Args:
        settings: Where the broker is and how to log in.
        place: (topic, partition).
        offset: First offset to look at; below the log's start it begins at the start.
        until: Offset to stop before.
        timeout_s: Seconds to look at the longest.
        limit: Records after which to stop.

    Raises:
        TopicMissing: If there is no such topic or partition.
        BrokerUnreachable: If nothing answers.
    """
    with Broker(settings) as broker:
        start, _ = broker.log_ranges([place])[place]
    with translated(settings), closing(_consumer(settings)) as consumer:
        here = TopicPartition(*place)
        consumer.assign([here])
        consumer.seek(here, max(offset, start))
        offsets, position = _look(consumer, here, until, timeout_s, limit)
    return Probe(start, offsets, position)


def _consumer(settings: KafkaSettings) -> KafkaConsumer:
    options = admin_options(settings)
    return KafkaConsumer(**options, group_id=None, enable_auto_commit=False, isolation_level="read_committed")


def _look(
    consumer: KafkaConsumer, here: TopicPartition, until: int, timeout_s: float, limit: int | None
) -> tuple[list[int], int]:
    deadline = time.monotonic() + timeout_s
    offsets: list[int] = []
    position = consumer.position(here)
    while position < until and time.monotonic() < deadline:
        for record in consumer.poll(timeout_ms=100).get(here, []):
            if record.offset < until:
                offsets.append(record.offset)
            if limit is not None and len(offsets) >= limit:
                return offsets, record.offset + 1
        position = consumer.position(here)
    return offsets, position
