"""Which topics still hold a record, and until when: what was published cannot be taken back, it expires."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infra.errors import TopicMissing
from infra.fences import Partition
from infra.kafka.admin import Broker
from infra.kafka.producer import partition_of
from infra.kafka.reading import Record, read_ranges, topic_ranges
from infra.retention import TopicRetention, topic_retention
from infra.settings import KafkaSettings
from infra.watermarks import LogRange
from processors.language.wording import Run
from streams.cli.erasing.sought import Wanted
from streams.cli.render import plural
from streams.topics import topic_name

LOOK_RECORDS = 2_000
"""Records between two looks at the clock and the screen."""


class OutOfTime(Exception):
    """A topic could not be read to its end in time."""


class Logs(Protocol):
    """The topics, read from their start to where they end now."""

    def name(self, logical: str) -> str:
        """Name a topic on the broker."""
        ...

    def retention(self, topics: Collection[str]) -> Mapping[str, TopicRetention]:
        """Tell how long topics keep what is in them; full names."""
        ...

    def read(self, logical: str, key: bytes | None) -> Iterator[Record]:
        """Read a topic, or only the partition of a key.

        Raises:
            OutOfTime: When the time is over before all was read.
        """
        ...


class BrokerLogs:
    """The real thing.

    Args:
        settings: Where the broker is and how to log in.
        broker: Asked for ranges and settings.
        deadline: On ``clock``.
        progress: Told in words how far it is.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        broker: Broker,
        deadline: float,
        progress: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._deadline = deadline
        self._progress = progress
        self._clock = clock

    def name(self, logical: str) -> str:
        """Name a topic on the broker."""
        return topic_name(self._settings.prefix, logical)

    def retention(self, topics: Collection[str]) -> Mapping[str, TopicRetention]:
        """Tell how long topics keep what is in them; full names."""
        return topic_retention(self._broker, sorted(topics))

    def read(self, logical: str, key: bytes | None) -> Iterator[Record]:
        """Read a topic, or only the partition of a key.

        Raises:
            OutOfTime: When the time is over before all was read.
            TopicMissing: If it was never made.
            BrokerUnreachable: If nothing answers.
        """
        ranges = self._ranges(self.name(logical), key)
        count = sum(end - start for start, end in ranges.values())
        for number, record in enumerate(read_ranges(self._settings, ranges), 1):
            yield record
            if number % LOOK_RECORDS == 0:
                self._progress(f"{logical}: read {number:,} of {plural(count, 'record')}")
                if self._clock() >= self._deadline:
                    raise OutOfTime(self.name(logical))

    def _ranges(self, topic: str, key: bytes | None) -> dict[Partition, LogRange]:
        ranges = topic_ranges(self._broker, [topic])
        if key is None:
            return ranges
        here = (topic, partition_of(key, len(ranges)))
        return {here: ranges[here]}


@dataclass(slots=True)
class Copies:
    """The records of one topic that hold it."""

    complete: bool = True  # whether all of the topic was read
    partitions: set[int] = field(default_factory=set)
    records: int = 0
    newest: float = 0.0  # when the broker took the newest, unix seconds
    words: set[Run] = field(default_factory=set, compare=False)  # by which alone some were recognised

    def add(self, record: Record) -> None:
        """Count one."""
        self.partitions.add(record.partition)
        self.records += 1
        self.newest = max(self.newest, record.timestamp_s)


@dataclass(frozen=True, slots=True)
class Retained:
    """What one topic still holds.

    Args:
        topic: Full name.
        partitions: Where its records are; none when the topic could not be read to its end.
        records: How many they are; none likewise.
        until: Unix seconds by which the last of them is gone; none when nobody can tell.
        unbounded: Why nobody can.
    """

    topic: str
    partitions: tuple[int, ...] | None
    records: int | None
    until: float | None
    unbounded: str | None = None


def find_versions(logs: Logs, sought: Wanted) -> tuple[Copies, list[str]]:
    """Find all records of the thing itself: any client may have chosen their partition.

    Args:
        logs: Read.
        sought: Its words are not needed.

    Returns:
        What was found, and the texts in it.
    """
    copies, texts = Copies(), []
    try:
        for record in logs.read(sought.topic, None):
            value = record.value or b""
            if record.key != sought.key and not sought.named_in(value):
                continue
            copy = sought.copied_in(value, record.key)
            if copy is not None and not copy.bare:
                copies.add(record)
                texts += [copy.text] if copy.text else []
    except OutOfTime:
        copies.complete = False
    return copies, texts


def find_outputs(logs: Logs, logical: str, sought: Wanted) -> Copies:
    """Find all records of one of our topics that quote it or say its words.

    Args:
        logs: Read.
        logical: ``points``, ``summaries``, ``features``, ``answers`` or ``dead-letters``.
        sought: With words that are only its own.
    """
    copies = Copies()
    try:
        for record in logs.read(logical, None if logical in _ANY_KEY else sought.key):
            words = _said(logical, record, sought)
            if words is not None:
                copies.add(record)
                copies.words |= words
    except TopicMissing:  # of an agent that was never set up here: it holds nothing
        return Copies()
    except OutOfTime:
        copies.complete = False
    return copies


_ANY_KEY = ("dead-letters", "answers", "features")
"""Topics whose keys say nothing of what is in them: those of broken events, of requests, and of features."""


def _said(logical: str, record: Record, sought: Wanted) -> frozenset[Run] | None:
    """Return the words by which alone a record is recognised, none when it names it; None when it does not hold it."""
    value = record.value or b""
    if logical == "answers":
        return frozenset() if sought.cited_in(value) else sought.answered_in(value) or None
    if logical == "dead-letters":
        return sought.letter_words(value)
    if logical == "features":
        return sought.said_in(value) or None
    if record.key != sought.key:
        return None
    return frozenset() if sought.named_in(value) else sought.said_in(value) or None


def judge_retention(logs: Logs, found: Mapping[str, Copies], now: float) -> list[Retained]:
    """Tell which topics hold it until when.

    Args:
        logs: Asked for the topics' settings.
        found: What was found, by logical topic.
        now: Unix seconds: what could not be read is at most so new.
    """
    held = {logs.name(logical): copies for logical, copies in found.items() if copies.records or not copies.complete}
    kept = logs.retention(held) if held else {}
    return [_retained(topic, copies, kept[topic], now) for topic, copies in held.items()]


def _retained(topic: str, copies: Copies, kept: TopicRetention, now: float) -> Retained:
    until, why = kept.until(copies.newest if copies.complete else now), _unbounded(kept)
    if not copies.complete:
        return Retained(topic, None, None, until, why)
    return Retained(topic, tuple(sorted(copies.partitions)), copies.records, until, why)


def _unbounded(kept: TopicRetention) -> str | None:
    if not kept.deletes:
        return "it is compacted: a record goes some time after a newer one of its key came"
    if kept.retention_ms is None and kept.retention_bytes is not None:
        return f"until its partition holds {kept.retention_bytes:,} newer bytes"
    if kept.retention_ms is None:
        return "it keeps records for ever"
    return None if kept.by_broker else "its producers say how old a record is"
