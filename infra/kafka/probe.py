"""What an independent reader sees: the judge of holes in a log, and of records nobody takes."""

import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Self

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options, translated
from infra.kafka.header_names import tolerate_names
from infra.settings import KafkaSettings

FETCH_BYTES = 262_144
"""Fetched at once: a probe looks at one run, what follows it is thrown away."""

MOST_RECORDS = 500
"""Decoded at once."""

LINGER_MS = 20
"""How long the broker may hold a fetch at the log's end: the next probe must wait for it."""


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


class Prober:
    """Looks with a read_committed consumer of no group at which records there are.

    It stays connected: a probe takes some 10 ms instead of 300. Several threads take turns.

    Args:
        settings: Where the broker is and how to log in.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._broker = Broker(settings)
        self._consumer: KafkaConsumer | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._broker.close()
        with self._lock:
            self._drop()

    def look(
        self, place: tuple[str, int], offset: int, until: int, timeout_s: float, limit: int | None = None
    ) -> Probe:
        """Look at one range of a log.

        Args:
            place: (topic, partition).
            offset: First offset to look at; below the log's start it begins at the start.
            until: Offset to stop before.
            timeout_s: Seconds to look at the longest.
            limit: Records after which to stop.

        Raises:
            TopicMissing: If there is no such topic or partition.
            BrokerUnreachable: If nothing answers.
        """
        start, _ = self._broker.log_ranges([place])[place]
        with self._lock, translated(self._settings):
            try:
                if self._consumer is None:
                    self._consumer = _consumer(self._settings)
                here = TopicPartition(*place)
                self._consumer.assign([here])
                self._consumer.seek(here, max(offset, start))
                return Probe(start, *_look(self._consumer, here, until, timeout_s, limit))
            except BaseException:
                self._drop()
                raise

    def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


def probe(
    settings: KafkaSettings, place: tuple[str, int], offset: int, until: int, timeout_s: float, limit: int | None = None
) -> Probe:
    """Look once; see ``Prober.look``."""
    with closing(Prober(settings)) as prober:
        return prober.look(place, offset, until, timeout_s, limit)


def _consumer(settings: KafkaSettings) -> KafkaConsumer:
    tolerate_names()
    return KafkaConsumer(
        **admin_options(settings),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=LINGER_MS,
    )


def _look(
    consumer: KafkaConsumer, here: TopicPartition, until: int, timeout_s: float, limit: int | None
) -> tuple[list[int], int]:
    deadline = time.monotonic() + timeout_s
    offsets: list[int] = []
    position = consumer.position(here)
    while position < until and time.monotonic() < deadline:
        wanted = min(until - position, MOST_RECORDS)  # what lies behind is not even decoded
        for record in consumer.poll(timeout_ms=100, max_records=wanted).get(here, []):
            if record.offset < until:
                offsets.append(record.offset)
            if limit is not None and len(offsets) >= limit:
                return offsets, record.offset + 1
        position = consumer.position(here)
    return offsets, position
