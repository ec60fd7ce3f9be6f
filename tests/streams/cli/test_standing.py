from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from infra.fences import Partition
from infra.watermarks import LogRange, Watermark
from streams.cli.standing import NotStanding, Wait, ordered, upstream


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
    now: float = 0.0

    def ranges(self, topics: Collection[str]) -> dict[Partition, LogRange]:
        return {(topic, 0): self.logs[topic] for topic in topics}

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        return self.marks.get(agent, {})

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        self.hurried.append((agent, dict(targets)))

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        return all(number in self.holes for number in range(offset, until))

    def check_running(self, agent: str) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)(self)

    def set(self, agent: str, topic: str, offset: int, fence: int | None = None, held_by: str = "fence") -> None:
        self.marks.setdefault(agent, {})[topic, 0] = Watermark(fence or offset, offset, held_by)


def wait(fake: Fake, agents=(DIGEST, SUMMARIZE), timeout: float = 10.0, topics=("reviews",)) -> None:
    origins = {topic: fake.ranges([topic]) for topic in topics}
    Wait(agents, fake, timeout, clock=lambda: fake.now, sleep=fake.sleep).run(origins)


def test_agents_come_after_all_that_feed_them() -> None:
    assert [agent.name for agent in ordered(GRAPH)] == ["digest", "summarize", "watch"]


def test_agents_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle: a, b"):
        ordered([Spec("a", ("x",), ("y",)), Spec("b", ("y",), ("x",))])


def test_waiting_for_one_agent_means_all_that_feed_it() -> None:
    assert {agent.name for agent in upstream(GRAPH, ["summarize"])} == {"digest", "summarize"}


def test_what_an_agent_published_while_it_was_waited_for_is_waited_for_too() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 5)
    fake.set("summarize", "points", 3)

    def digest_finishes(fake: Fake) -> None:
        fake.set("digest", "reviews", 10)
        fake.logs["points"] = (0, 4)

    fake.steps = [digest_finishes, lambda fake: fake.set("summarize", "points", 4)]
    wait(fake)
    assert fake.steps == []


def test_what_is_produced_later_is_not_waited_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)})
    fake.set("digest", "reviews", 10)
    fake.logs["points"] = (0, 0)
    origins = {"reviews": fake.ranges(["reviews"])}
    fake.logs["reviews"] = (0, 99)
    Wait([DIGEST, SUMMARIZE], fake, 1.0, clock=lambda: fake.now, sleep=fake.sleep).run(origins)


def test_at_the_deadline_the_first_agent_that_lacks_something_is_told() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 7, fence=10, held_by="outbox")
    with pytest.raises(NotStanding) as told:
        wait(fake, timeout=0.5)
    assert [(gap.agent, gap.place, gap.missing, gap.mark.held_by) for gap in told.value.gaps] == [
        ("digest", ("reviews", 0), 3, "outbox")
    ]


def test_a_partition_nobody_ever_read_misses_what_the_log_keeps() -> None:
    fake = Fake(logs={"reviews": (4, 10)})
    with pytest.raises(NotStanding) as told:
        wait(fake, timeout=0.5)
    assert told.value.gaps[0].missing == 6


def test_an_empty_log_is_standing_though_nobody_read_it() -> None:
    wait(Fake(logs={"reviews": (10, 10), "points": (0, 0)}))


def test_timers_are_made_due_only_once_the_partition_is_applied() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)})
    fake.set("digest", "reviews", 2, fence=5, held_by="timers")
    fake.steps = [
        lambda fake: fake.set("digest", "reviews", 2, fence=8, held_by="timers"),
        lambda fake: fake.set("digest", "reviews", 2, fence=10, held_by="timers"),
        lambda fake: fake.set("digest", "reviews", 10),
    ]
    wait(fake)
    assert fake.hurried[-1] == ("digest", {("reviews", 0): 10})
    assert len(fake.hurried) <= 2


def test_offsets_that_are_no_records_are_not_waited_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)}, holes={9})
    fake.set("digest", "reviews", 9)
    wait(fake)
    fake.set("digest", "reviews", 8)
    with pytest.raises(NotStanding):
        wait(fake, timeout=fake.now + 5)


def test_a_receipt_of_an_inner_topic_skips_what_is_upstream() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("summarize", "points", 3)
    wait(fake, topics=("points",))


def test_an_agent_that_reads_both_ends_waits_for_both() -> None:
    fake = Fake(logs={"reviews": (0, 1), "points": (0, 1), "summaries": (0, 1)})
    for agent, topic in (("digest", "reviews"), ("summarize", "points"), ("watch", "reviews")):
        fake.set(agent, topic, 1)
    with pytest.raises(NotStanding) as told:
        wait(fake, GRAPH, timeout=0.5)
    assert [gap.place for gap in told.value.gaps] == [("summaries", 0)]
