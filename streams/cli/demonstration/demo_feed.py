"""What a demo sends and sees: simulated reviews in, published summaries out, and the time between."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from infra.kafka.connection import admin_options, translated
from infra.settings import KafkaSettings
from processors.simulator import Simulator, with_broken_lines
from schemas.summaries import Summary
from streams.topics import topic_name

BROKEN_SHARE = 0.002
TICK_S = 0.05


@dataclass(slots=True)
class Coverage:
    """Which reviews a published summary covers, and how long that took. Safe to use from several threads."""

    sent: int = 0  # readable reviews the broker confirmed
    broken: int = 0  # events sent that no one can read
    summaries: int = 0
    latest: dict[str, Summary] = field(default_factory=dict)
    _waiting: dict[tuple[str, int], deque[tuple[int, float]]] = field(default_factory=dict)
    _delays_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_sent(self, product_id: str, partition: int, offset: int, at: float) -> None:
        """Note a review and where the broker put it.

        Args:
            product_id: What it is about.
            partition: Of the reviews topic.
            offset: In that partition.
            at: When it was sent, unix seconds.
        """
        with self._lock:
            self.sent += 1
            self._waiting.setdefault((product_id, partition), deque()).append((offset, at))

    def add_summary(self, summary: Summary, at: float) -> None:
        """Note a published summary.

        Args:
            summary: As published.
            at: When, unix seconds.
        """
        with self._lock:
            self.summaries += 1
            self.latest[summary.product_id] = summary
            for partition, covered in summary.sources.get("reviews", {}).items():
                waiting = self._waiting.get((summary.product_id, int(partition)), deque())
                while waiting and waiting[0][0] < covered:
                    self._delays_s.append(at - waiting.popleft()[1])

    @property
    def covered(self) -> int:
        """Reviews in published summaries."""
        return len(self._delays_s)

    def freshness_s(self, share: float) -> float | None:
        """Return the delay that this share of the covered reviews stayed within; none before the first.

        Example:
            >>> Coverage(_delays_s=[3.0, 1.0, 2.0]).freshness_s(0.5)
            2.0
        """
        with self._lock:
            ranked = sorted(self._delays_s)
        return ranked[min(int(share * len(ranked)), len(ranked) - 1)] if ranked else None


class Feed:
    """Sends simulated reviews at a steady rate, some broken ones among them.

    Args:
        settings: Where the broker is.
        simulator: Makes the reviews.
        rate: Reviews a second.
        count: Reviews in all.
        coverage: Told of each one the broker has.
    """

    def __init__(
        self, settings: KafkaSettings, simulator: Simulator, rate: int, count: int, coverage: Coverage
    ) -> None:
        self._settings = settings
        self._simulator = simulator
        self._rate = rate
        self._count = count
        self._coverage = coverage
        self._topic = topic_name(settings.prefix, "reviews")

    def run(self, stop: threading.Event) -> None:
        """Send all, or until told to stop.

        Raises:
            InfraError: If the broker does not take them.
        """
        with translated(self._settings):
            producer = KafkaProducer(**admin_options(self._settings), acks="all", linger_ms=5)
            try:
                self._send_all(producer, stop)
                producer.flush()
            finally:
                producer.close()

    def _send_all(self, producer: KafkaProducer, stop: threading.Event) -> None:
        started = time.monotonic()
        for number, (product_id, line, readable) in enumerate(self._lines()):
            if stop.is_set():
                return
            ahead_s = number / self._rate - (time.monotonic() - started)
            if ahead_s > TICK_S:
                time.sleep(ahead_s)
            sent = producer.send(self._topic, key=product_id.encode(), value=line)
            if readable:
                sent.add_callback(self._note, product_id, time.time())
            else:
                self._coverage.broken += 1

    def _lines(self) -> Iterator[tuple[str, bytes, bool]]:
        for number, review in enumerate(self._simulator.reviews(self._count)):
            *broken, whole = with_broken_lines([review], BROKEN_SHARE, self._simulator.seed + number)
            yield from ((review.product_id, line, False) for line in broken)
            yield review.product_id, whole, True

    def _note(self, product_id: str, at: float, where: object) -> None:
        self._coverage.add_sent(product_id, where.partition, where.offset, at)  # type: ignore[attr-defined]


def follow_summaries(settings: KafkaSettings, partitions: int, coverage: Coverage, stop: threading.Event) -> None:
    """Read the summaries topic from its start, until told to stop.

    Args:
        settings: Where the broker is.
        partitions: Of the topic.
        coverage: Told of each summary.
        stop: Ends it.

    Raises:
        InfraError: If the broker does not answer.
    """
    topic = topic_name(settings.prefix, "summaries")
    with translated(settings):
        consumer = KafkaConsumer(**admin_options(settings), group_id=None, enable_auto_commit=False)
        try:
            places = [TopicPartition(topic, number) for number in range(partitions)]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            while not stop.is_set():
                for records in consumer.poll(timeout_ms=200).values():
                    for record in records:
                        summary = msgspec.json.decode(record.value, type=Summary)
                        coverage.add_summary(summary, record.timestamp / 1_000)
        finally:
            consumer.close()
