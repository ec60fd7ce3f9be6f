"""When everything produced so far is in the standing results: watermarks, down the chain of agents.

An agent is waited for only after everything upstream of it has published: only then are the ends
of its own inputs final. Nothing here knows any agent: it declares inputs and outputs and is waited for.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from infra.fences import Partition
from infra.watermarks import LogRange, Watermark

METAVAR = "TOPIC:PARTITION:OFFSET|@FILE"
"""How people name the events that must be in the results."""

POLL_S = 0.1
OUTBOX_POLL_S = 0.02
"""A publisher sends within milliseconds what has just been written."""

SETTLE_S = 1.0
"""How long a partition stands still before its missing offsets are looked at: they may be no records at all."""


class Agent(Protocol):
    """What the chain needs to know of an agent; topics are logical names."""

    @property
    def name(self) -> str:
        """Its verb."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Topics it reads."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Topics it writes."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Why one partition of one agent is not there yet."""

    agent: str
    place: Partition
    mark: Watermark
    target: int

    @property
    def missing(self) -> int:
        """Offsets between the watermark and the target."""
        return self.target - self.mark.offset


class NotStanding(Exception):
    """The time is over, and some results are older than asked.

    Args:
        gaps: What is missing where, at the first agent that lacks something.
    """

    def __init__(self, gaps: Sequence[Gap]) -> None:
        super().__init__(f"{len(gaps)} partitions of {gaps[0].agent} are behind")
        self.gaps = gaps


class Surroundings(Protocol):
    """What the wait looks at and nudges."""

    def ranges(self, topics: Collection[str]) -> dict[Partition, LogRange]:
        """Tell what the broker keeps of every partition of some logical topics, to the last acknowledged record."""
        ...

    def check_fences(self, agent: str, places: Collection[Partition]) -> None:
        """Raise if an agent's fences of some partitions are of other logs than the broker has now."""
        ...

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        """Tell how far an agent's results reach; empty before it ever ran."""
        ...

    def outbox_end(self, agent: str) -> int:
        """Return the seq of the newest output that an agent has not published; 0 if there is none."""
        ...

    def unpublished(self, agent: str, until: int) -> dict[Partition, LogRange]:
        """Tell which inputs an agent's unpublished outputs up to a seq are owed to."""
        ...

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        """Make due what holds back events below the targets."""
        ...

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        """Tell whether no readable record lies between two offsets."""
        ...

    def check_running(self, agent: str) -> None:
        """Raise if nobody works for this agent."""
        ...


@dataclass(slots=True)
class Wait:
    """One wait for the chain.

    Args:
        agents: In any order; only these are waited for.
        around: What it looks at.
        deadline: On ``clock``.
        progress: Told what is missing whenever it looks.
        applied: Whether it is enough that events are applied; what is made of them may still be on its way.
        clock: Seconds, monotonic.
        sleep: Waits that many seconds.

    Attributes:
        missing: What was missing at the last look, at the first agent that lacked something.
    """

    agents: Sequence[Agent]
    around: Surroundings
    deadline: float
    progress: Callable[[Sequence[Gap]], None] = lambda _gaps: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    applied: bool = False
    missing: Sequence[Gap] = field(default=(), init=False)

    def run(self, origins: Mapping[str, Mapping[Partition, LogRange]]) -> None:
        """Return once everything asked for stands.

        Args:
            origins: By logical topic, the range of each partition that must be in the results. What agents
                made of it on the way is waited for by itself.

        Raises:
            NotStanding: At the deadline.
            infra.errors.InfraError: If nobody works for an agent, or its fences are of other logs.
        """
        made: set[str] = set()
        for agent in ordered(self.agents):
            inner = made.intersection(agent.inputs)
            targets = {place: span for topic in agent.inputs for place, span in origins.get(topic, {}).items()}
            targets |= self.around.ranges(inner) if inner else {}
            if targets:
                self.around.check_fences(agent.name, targets)
                self._await_inputs(agent.name, targets)
                if not self.applied:
                    self._await_outputs(agent.name)
                made.update(agent.outputs)
        self.missing = ()

    def _await_inputs(self, agent: str, targets: Mapping[Partition, LogRange]) -> None:
        left = dict(targets)
        seen: dict[Partition, Watermark] = {}
        still_since: dict[Partition, float] = {}
        while gaps := list(find_gaps(agent, left, self._marks(agent))):
            self._tell(gaps)
            self._hurry(agent, gaps, seen)
            for place in self._empty(gaps, seen, still_since):
                del left[place]
            seen = {gap.place: gap.mark for gap in gaps}
            self.sleep(POLL_S)

    def _marks(self, agent: str) -> dict[Partition, Watermark]:
        marks = self.around.watermarks(agent)
        if not self.applied:
            return marks
        return {place: Watermark(mark.fence, mark.fence, "fence") for place, mark in marks.items()}

    def _await_outputs(self, agent: str) -> None:
        # An event may add nothing to one that another partition brought: then it holds no output, that one does.
        until = self.around.outbox_end(agent)
        while until and (waiting := self.around.unpublished(agent, until)):
            self._tell(
                [
                    Gap(agent, place, Watermark(end, first, "outbox"), end)
                    for place, (first, end) in sorted(waiting.items())
                ]
            )
            self.sleep(OUTBOX_POLL_S)

    def _tell(self, gaps: Sequence[Gap]) -> None:
        self.missing = gaps
        self.progress(gaps)
        if self.clock() >= self.deadline:
            raise NotStanding(gaps)
        self.around.check_running(gaps[0].agent)

    def _hurry(self, agent: str, gaps: Sequence[Gap], seen: Mapping[Partition, Watermark]) -> None:
        # While a backlog is read, what is hurried now is pending again a moment later: the work would be done twice.
        applied = [
            gap
            for gap in gaps
            if gap.mark.held_by in ("timers", "work")
            and (gap.mark.fence >= gap.target or seen.get(gap.place, gap.mark).fence == gap.mark.fence)
        ]
        if applied:
            self.around.hurry(agent, {gap.place: gap.target for gap in applied})

    def _empty(
        self, gaps: Sequence[Gap], seen: Mapping[Partition, Watermark], still_since: dict[Partition, float]
    ) -> Iterator[Partition]:
        now = self.clock()
        for gap in gaps:
            if seen.get(gap.place) != gap.mark or gap.mark.held_by != "fence":
                still_since[gap.place] = now
            elif now - still_since[gap.place] >= SETTLE_S:
                still_since[gap.place] = now
                if self.around.empty(gap.place, gap.mark.offset, gap.target):
                    yield gap.place


def find_gaps(agent: str, targets: Mapping[Partition, LogRange], marks: Mapping[Partition, Watermark]) -> Iterator[Gap]:
    """List the partitions whose watermark is below its target.

    A partition without a fence was never read: what the log still keeps of it is missing.
    """
    for place, (start, target) in sorted(targets.items()):
        mark = marks.get(place, Watermark(start, start, "fence"))
        if mark.offset < target:
            yield Gap(agent, place, mark, target)


def ordered(agents: Sequence[Agent]) -> list[Agent]:
    """Sort agents so that each comes after all that feed it.

    Raises:
        ValueError: If they feed each other in a circle.
    """
    left = list(agents)
    done: list[Agent] = []
    while left:
        fed = {topic for agent in left for topic in agent.outputs}
        ready = [agent for agent in left if not fed.intersection(agent.inputs)]
        if not ready:
            raise ValueError(f"agents feed each other in a circle: {', '.join(agent.name for agent in left)}")
        done += ready
        left = [agent for agent in left if agent not in ready]
    return done


def upstream(agents: Sequence[Agent], wanted: Collection[str]) -> list[Agent]:
    """Pick the wanted agents and everything that feeds them."""
    names = set(wanted)
    for agent in reversed(ordered(agents)):
        needed = {topic for one in agents if one.name in names for topic in one.inputs}
        if needed.intersection(agent.outputs):
            names.add(agent.name)
    return [agent for agent in agents if agent.name in names]
