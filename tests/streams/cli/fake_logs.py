"""Topics in memory."""

from collections.abc import Collection, Iterator

import msgspec

from infra.kafka.reading import Record
from infra.retention import TopicRetention
from streams.cli.erasing.retained import OutOfTime

DAY_MS = 86_400_000
KEPT = TopicRetention(7 * DAY_MS, DAY_MS, None, True, True)


def record(offset: int, value: object, key: bytes | None = b"p", partition: int = 0) -> Record:
    payload = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Record("topic", partition, offset, 1_000.0 + offset, key, payload)


class Logs:
    """Topics in memory; ``ends`` says after how many records the time is over."""

    def __init__(self, retention: TopicRetention = KEPT, ends: int | None = None, **topics: list[Record]) -> None:
        self.topics = {name.replace("_", "-"): records for name, records in topics.items()}
        self.kept = retention
        self.ends = ends
        self.asked: list[tuple[str, bytes | None]] = []

    def name(self, logical: str) -> str:
        return f"millrace.{logical}.v1"

    def retention(self, topics: Collection[str]) -> dict[str, TopicRetention]:
        return dict.fromkeys(topics, self.kept)

    def read(self, logical: str, key: bytes | None) -> Iterator[Record]:
        self.asked.append((logical, key))
        for number, one in enumerate(self.topics.get(logical, [])):
            if number == self.ends:
                raise OutOfTime(logical)
            yield one
