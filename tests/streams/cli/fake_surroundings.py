"""A made-up broker with made-up stores, and agents that declare themselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from infra.fences import Partition
from infra.watermarks import LogRange, Watermark
from streams.cli.waits.surroundings import NobodyWorks


@dataclass
class Spec:
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


DIGEST = Spec("digest", ("reviews",), ("points", "dead-letters"))
SUMMARIZE = Spec("summarize", ("points",), ("summaries", "dead-letters"))
WATCH = Spec("watch", ("reviews", "summaries"), ("drifts",))
GRAPH = [WATCH, SUMMARIZE, DIGEST]


@dataclass
class Fake:
    """A broker and stores in which every sleep moves the agents one step on."""

    logs: dict[str, LogRange]
    marks: dict[str, dict[Partition, Watermark]] = field(default_factory=dict)
    steps: list = field(default_factory=list)
    hurried: list = field(default_factory=list)
    holes: set[int] = field(default_factory=set)
    outboxes: dict[str, dict[int, tuple[Partition, int]]] = field(default_factory=dict)  # seq to its input
    asked: list = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    now: float = 0.0

    def ranges(self, topics: Collection[str]) -> dict[Partition, LogRange]:
        self.asked.append(tuple(sorted(topics)))
        return {(topic, 0): self.logs[topic] for topic in topics}

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        return self.marks.get(agent, {})

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        self.hurried.append((agent, dict(targets)))

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        return all(number in self.holes for number in range(offset, until))

    def check_fences(self, agent: str, places: Collection[Partition]) -> None:
        if agent in self.strange:
            raise ValueError(f"{agent} has read other logs")

    def outbox_end(self, agent: str) -> int:
        return max(self.outboxes.get(agent, {}), default=0)

    def unpublished(self, agent: str, until: int) -> dict[Partition, LogRange]:
        return {
            place: (offset, offset + 1) for seq, (place, offset) in self.outboxes.get(agent, {}).items() if seq <= until
        }

    def check_running(self, agent: str) -> None:
        if agent in self.stopped:
            raise NobodyWorks(agent)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)(self)

    def set(self, agent: str, topic: str, offset: int, fence: int | None = None, held_by: str = "fence") -> None:
        self.marks.setdefault(agent, {})[topic, 0] = Watermark(fence or offset, offset, held_by)
