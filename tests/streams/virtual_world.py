"""A broker, a clock and agents that live in one thread: every interleaving and every crash is a test's own choice."""

import asyncio
import random
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from infra import fences, outbox
from infra.fences import Partition
from infra.kafka.admin import TopicIdentity
from infra.kafka.probe import Probe
from infra.outbox import Cause, Output
from infra.watermarks import (
    LogRange,
    Watermark,
    can_hurry,
    make_due,
    outbox_end,
    read_unpublished,
    read_watermarks,
)
from schemas import tables
from schemas.heartbeats import Counters
from streams.assignment import Assignment
from streams.cli.waits.standing import Agent, Wait
from streams.delivery import Applier, Progress
from streams.holes import Holes
from streams.publisher import latest
from streams.timing import TimerService
from streams.work import WorkService
from tests.streams.fakes import DEAD_LETTERS, Clock, Killed, Raw, raw, run

PARTITIONS = 2
FAIR_EVERY = 5
"""Sleeps after which everybody has had a turn, whatever chance says."""

LAZY_EVERY = 4
"""Such turns after which also a lazy agent publishes."""


class MemoryStore:
    """A real SQLite database in memory, as ``infra.database.Store`` hands one out."""

    def __init__(self, *metadata: sa.MetaData) -> None:
        options = {"isolation_level": None, "check_same_thread": False}
        self.engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
        sa.event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        for one in (tables.delivery, *metadata):
            one.create_all(self.engine)

    @contextmanager
    def write(self):
        with self.engine.connect() as connection, connection.begin():
            yield connection

    read = write

    async def run(self, function: Callable[[], Any]) -> Any:
        return function()

    def change(self, function: Callable[[sa.Connection], Any]) -> Any:
        with self.write() as connection:
            return function(connection)

    def close(self) -> None:
        self.engine.dispose()


@dataclass
class Log:
    """One partition: what is None is no record a reader ever sees."""

    entries: list[Raw | None] = field(default_factory=list)
    start: int = 0
    undecided: list[int] = field(default_factory=list)  # offsets in an open transaction

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def reachable(self) -> int:
        return min(self.undecided, default=self.end)


class VirtualBroker:
    """Topics of two partitions each."""

    def __init__(self) -> None:
        self.logs: dict[Partition, Log] = {}

    def create(self, topic: str) -> None:
        self.logs |= {(topic, number): Log() for number in range(PARTITIONS)}

    def places(self, topics: Collection[str]) -> list[Partition]:
        return [place for place in sorted(self.logs) if place[0] in topics]

    def append(
        self, place: Partition, value: object, key: bytes | None = None, *, undecided: bool = False, **fields: Any
    ) -> None:
        log = self.logs[place]
        log.undecided += [log.end] if undecided else []
        log.entries.append(raw(log.end, value, topic=place[0], partition=place[1], key=key, **fields))

    def decide(self, place: Partition, *, committed: bool) -> None:
        """End a transaction: its mark takes an offset, and what is taken back is seen by nobody."""
        log = self.logs[place]
        if not log.undecided:
            return
        for offset in log.undecided:
            log.entries[offset] = log.entries[offset] if committed else None
        log.undecided.clear()
        log.entries.append(None)

    def readable(self, place: Partition, offset: int, until: int) -> list[Raw]:
        log = self.logs[place]
        return [one for one in log.entries[max(offset, log.start) : min(until, log.reachable)] if one is not None]

    def probe(self, topic: str, partition: int, offset: int, until: int) -> Probe:
        place = (topic, partition)
        log = self.logs[place]
        seen = [one.offset for one in self.readable(place, offset, until)]
        return Probe(log.start, seen, min(max(offset, log.start, until), log.reachable))

    def identify(self, topics: Collection[str]) -> dict[str, TopicIdentity]:
        return {topic: TopicIdentity("cluster", topic, PARTITIONS) for topic in topics}

    def log_ranges(self, places: Collection[Partition]) -> dict[Partition, LogRange]:
        return {place: (self.logs[place].start, self.logs[place].reachable) for place in places}


@dataclass(frozen=True)
class Living:
    """The parts of one agent's process."""

    handler: Any
    timers: TimerService | None = None
    work: WorkService | None = None


Birth = Callable[[MemoryStore, "World"], Living]
"""Makes an agent's parts on its store, with the world's clock and crash points."""


class VirtualAgent:
    """One agent; it dies and is born again on the same store."""

    def __init__(self, spec: Agent, store: MemoryStore, world: "World", birth: Birth) -> None:
        self.spec = spec
        self.store = store
        self._world = world
        self._birth = birth
        self.places = world.broker.places(spec.inputs)
        self.lazy = False  # publishes rarely
        self.start()

    def start(self) -> None:
        broker = self._world.broker
        self._living = self._birth(self.store, self._world)
        self._in_flight: list[tuple[Any, Any]] = []
        self._applier = Applier(
            self.spec.name,
            self._living.handler,
            self.store,  # type: ignore[arg-type]
            Holes(broker.probe),
            dead_letters=DEAD_LETTERS,
            progress=Progress(Counters()),
            now=self._world.clock,
            crash=self._world.crash,
        )
        lost = Output(DEAD_LETTERS, None, b"lost")
        assignment = Assignment(
            self.store,  # type: ignore[arg-type]
            broker.identify,
            broker.log_ranges,
            lambda place, range_: (lost, Cause(*place, range_.end - 1)),
        )
        self._applier.assigned(assignment.fences(self.places))
        if self._living.work is not None:
            self._living.work._release()

    def read(self, place: Partition, count: int) -> None:
        fence = self._fence(place)
        records = self._world.broker.readable(place, fence, fence + 10_000)[:count]
        if records:
            self._applier.apply(run(*records))

    def _fence(self, place: Partition) -> int:
        with self.store.read() as connection:
            return fences.next_offset(connection, place)

    def ring(self) -> None:
        if self._living.timers is not None:
            self._living.timers._serve()

    def lease(self) -> None:
        service = self._living.work
        if service is not None and (leased := service._lease()):
            self._in_flight += zip(leased, service._performer.prepare(leased), strict=True)

    def finish(self) -> None:
        if self._in_flight:
            leased, job = self._in_flight.pop(0)
            (outcome,) = asyncio.run(self._living.work._performer.call([job]))
            self._living.work._conclude(leased, job, outcome)

    def publish(self, count: int) -> None:
        with self.store.read() as connection:
            rows = outbox.oldest(connection, self.places, count)
        if not rows:
            return
        for row in latest(rows, self.spec.outputs):
            self._world.deliver(row.output)
        self._world.crash("after_publish")
        with self.store.write() as connection:
            outbox.remove(connection, [row.seq for row in rows])

    def anything(self, chance: random.Random) -> None:
        steps = [
            self.ring,
            self.lease,
            self.finish,
            lambda: self.read(chance.choice(self.places), chance.randint(1, 4)),
        ]
        if not self.lazy:
            steps.append(lambda: self.publish(chance.randint(1, 3)))
        chance.choice(steps)()

    def everything(self, turn: int) -> None:
        for place in self.places:
            self.read(place, 10_000)
        self.ring()
        self.lease()
        while self._in_flight:
            self.finish()
        if not self.lazy or turn % LAZY_EVERY == 0:
            self.publish(10_000)


class World:
    """Everything there is, and what happens in it.

    Args:
        specs: The agents as they declare themselves.
        births: By agent, how its parts are made.
        metadata: Tables of the agents beside those of delivery.
        seed: Of chance.
        crashes: How many times at most somebody dies.
    """

    def __init__(
        self,
        specs: Sequence[Agent],
        births: Mapping[str, Birth],
        metadata: Sequence[sa.MetaData],
        *,
        seed: int,
        crashes: int,
    ) -> None:
        self.broker = VirtualBroker()
        self.clock = Clock()
        self.chance = random.Random(seed)
        self.specs = specs
        self.restless = True  # otherwise somebody moves only when everybody has a turn
        self.meanwhile: Callable[[], None] = lambda: None  # happens whenever a wait sleeps
        self._crashes = crashes
        self._sleeps = 0
        for topic in sorted({topic for spec in specs for topic in (*spec.inputs, *spec.outputs)}):
            self.broker.create(topic)
        self._mortal = False
        self.agents = {spec.name: VirtualAgent(spec, MemoryStore(*metadata), self, births[spec.name]) for spec in specs}
        self._mortal = True

    def crash(self, _name: str) -> None:
        if self._mortal and self._crashes and self.chance.random() < 0.05:
            self._crashes -= 1
            raise Killed(_name)

    def deliver(self, output: Output) -> None:
        if (output.topic, 0) in self.broker.logs:  # dead letters go nowhere here
            partition = zlib.crc32(output.key or b"") % PARTITIONS
            headers = tuple(output.headers.items())
            self.broker.append((output.topic, partition), output.value, output.key, headers=headers)

    def stir(self, most: int) -> None:
        """Let chance move somebody, a few times or not at all."""
        for _ in range(self.chance.randint(0, most) if self.restless else 0):
            agent = self.chance.choice(list(self.agents.values()))
            self._mortally(agent, lambda agent=agent: agent.anything(self.chance))

    def _mortally(self, agent: VirtualAgent, step: Callable[[], None]) -> None:
        try:
            step()
        except Killed:
            self._mortal = False
            agent.start()
            self._mortal = True

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds
        self.meanwhile()
        self.stir(4)
        self._sleeps += 1
        if self._sleeps % FAIR_EVERY == 0:
            for place in self.broker.logs:
                self.broker.decide(place, committed=self.chance.random() < 0.5)
            for agent in self.agents.values():
                self._mortally(agent, lambda agent=agent: agent.everything(self._sleeps // FAIR_EVERY))

    def wait(self, origins: Mapping[str, Mapping[Partition, LogRange]], timeout_s: float) -> None:
        """Wait as the commands do, while the world goes on between any two looks."""
        deadline = self.clock.now + timeout_s
        Wait(self.specs, Around(self), deadline, clock=self.clock, sleep=self.sleep).run(origins)

    def close(self) -> None:
        for agent in self.agents.values():
            agent.store.close()


class Around:
    """What a wait sees of the world; see ``streams.cli.waits.standing.Surroundings``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ranges(self, topics: Collection[str]) -> dict[Partition, LogRange]:
        self._world.stir(2)
        broker = self._world.broker
        return {place: (broker.logs[place].start, broker.logs[place].end) for place in broker.places(topics)}

    def check_fences(self, agent: str, places: Collection[Partition]) -> None:
        self._world.stir(1)

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        return self._look(agent, read_watermarks)

    def outbox_end(self, agent: str) -> int:
        return self._look(agent, outbox_end)

    def unpublished(self, agent: str, until: int) -> dict[Partition, LogRange]:
        return self._look(agent, lambda connection: read_unpublished(connection, until))

    def _look(self, agent: str, function: Callable[[sa.Connection], Any]) -> Any:
        self._world.stir(2)
        with self._world.agents[agent].store.read() as connection:
            return function(connection)

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        now = self._world.clock.now
        if self._look(agent, lambda connection: can_hurry(connection, targets, now)):
            self._world.agents[agent].store.change(lambda connection: make_due(connection, targets, now))

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        self._world.stir(1)
        seen = self._world.broker.probe(*place, offset, until)
        return not seen.offsets and seen.position >= until

    def check_running(self, agent: str) -> None:
        pass
