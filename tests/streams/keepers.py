"""Made-up agents: each gathers the events of a key from all its inputs, and passes them on at its own pace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import sqlalchemy as sa

from infra import leases, timers
from infra.leases import Leased, Task
from infra.outbox import Cause, Output
from infra.timers import Timer, Waiter
from schemas.records import Unreadable
from streams.events import Event, Rejection, oldest_causes
from streams.graph import AgentSpec
from streams.timing import TimerService
from streams.work import Failed, WorkLimits, WorkService
from tests.streams.fakes import Clock, NoPublisher
from tests.streams.virtual_world import PARTITIONS, Living, MemoryStore, World

Pace = Literal["at once", "later", "off the stream"]

SLOW_S = 1_000.0
KIND = "gather"

keepers = sa.MetaData()
seen = sa.Table(
    "seen",
    keepers,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("members", sa.JSON, nullable=False),
)
made = sa.Table(
    "made",
    keepers,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("changes", sa.Integer, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
)


class Note(msgspec.Struct, frozen=True):
    """What every topic here carries: events of one key that somebody has gathered."""

    source: str
    key: str
    members: list[str]
    revision: int = 0
    urgent: bool = False
    matters: bool = True


@dataclass
class Gathered:
    """What some notes change; see ``streams.events.Decision``."""

    now: float
    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    seen: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)
    made: dict[str, tuple[int, int]] = field(default_factory=dict)
    served: Sequence[Timer] = ()
    read: list[str] = field(default_factory=list)
    waiting: list[Waiter] = field(default_factory=list)
    joining: list[Waiter] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def write(self, connection: sa.Connection) -> None:
        for (key, source), (revision, members) in self.seen.items():
            connection.execute(seen.delete().where(seen.c.key == key, seen.c.source == source))
            connection.execute(seen.insert().values(key=key, source=source, revision=revision, members=members))
        for key, (changes, revision) in self.made.items():
            connection.execute(made.delete().where(made.c.key == key))
            connection.execute(made.insert().values(key=key, changes=changes, revision=revision))
        for timer in self.served:
            timers.take(connection, timer)
        timers.cancel(connection, KIND, self.read)
        timers.schedule(connection, KIND, self.waiting, due_at=self.now + SLOW_S, deadline=self.now + 5 * SLOW_S)
        timers.join(connection, KIND, self.joining)
        leases.record(connection, self.tasks)

    def committed(self) -> None:
        pass


class Keeper:
    """Gathers the members of each key from all its inputs, and passes them on at its own pace."""

    def __init__(self, spec: AgentSpec, pace: Pace, store: MemoryStore, clock: Clock) -> None:
        self.spec = spec
        self.records = dict.fromkeys(spec.inputs, Note)
        self.pace = pace
        self.store = store
        self.clock = clock

    def forget(self) -> None:
        pass

    def load(self, key: str) -> tuple[dict[str, tuple[int, list[str]]], tuple[int, int]]:
        with self.store.read() as connection:
            rows = connection.execute(sa.select(seen).where(seen.c.key == key)).all()
            row = connection.execute(sa.select(made).where(made.c.key == key)).first()
        known = {one.source: (one.revision, list(one.members)) for one in rows}
        return known, (0, 0) if row is None else (row.changes, row.revision)

    def decide(self, events: Sequence[Event[Note]], following: int) -> Gathered:
        decision = Gathered(self.clock.now)
        oldest: dict[str, Cause] = {}
        urgent: set[str] = set()
        for event in events:
            note = event.record
            if note.key == "refused":
                decision.rejections.append(Rejection(event.raw, Unreadable("invalid_field", "key", "key")))
            elif note.matters and self._fold(note, decision):
                oldest.setdefault(note.key, event.cause)
                urgent |= {note.key} if note.urgent else set()
            elif note.matters:  # known already: let it wait for what the first of its kind waits for
                decision.joining.append(Waiter(note.key, event.cause))
        for key, cause in oldest.items():
            self._pass_on(key, cause, urgent, decision)
        return decision

    def _fold(self, note: Note, decision: Gathered) -> bool:
        known = self.load(note.key)[0].get(note.source, (0, []))
        revision, members = decision.seen.get((note.key, note.source), known)
        if note.revision:
            fresh, after = note.revision > revision, list(note.members)
        else:
            fresh, after = not set(note.members) <= set(members), [*members, *note.members]
        if fresh:
            decision.seen[note.key, note.source] = (max(note.revision, revision), after)
        return fresh

    def _pass_on(self, key: str, cause: Cause, urgent: set[str], decision: Gathered) -> None:
        changes, revision = self.load(key)[1]
        decision.made[key] = (changes + 1, revision)
        if self.pace == "off the stream":
            later = self.clock.now + SLOW_S
            decision.tasks.append(Task(KIND, key, changes + 1, "news", cause, later, later))
        elif self.pace == "at once" or key in urgent:
            with self.store.read() as connection:
                waiting = timers.inputs(connection, KIND, [key]).get(key, [])
            decision.read.append(key)
            self.emit(key, oldest_causes([*waiting, cause]), decision)
        else:
            decision.waiting.append(Waiter(key, cause))

    def emit(self, key: str, causes: Sequence[Cause], decision: Gathered) -> None:
        known, (changes, revision) = self.load(key)
        changes, revision = decision.made.get(key, (changes, revision))
        known |= {source: value for (one, source), value in decision.seen.items() if one == key}
        output = self.output(key, known, revision + 1)
        decision.made[key] = (changes, revision + 1)
        decision.outputs += [(output, cause) for cause in causes]

    def output(self, key: str, known: Mapping[str, tuple[int, list[str]]], revision: int) -> Output:
        members = sorted({f"{self.spec.name}<{one}" for _, members in known.values() for one in members})
        note = Note(self.spec.name, key, members, revision)
        return Output(self.spec.outputs[0], key.encode(), msgspec.json.encode(note))

    def ring(self, due: Sequence[Timer]) -> Gathered:
        decision = Gathered(self.clock.now, served=due)
        for timer in due:
            self.emit(timer.key, timer.inputs, decision)
        return decision


class Passing:
    """The slow pace; see ``streams.work.Performer``. It passes on what stood when it was leased."""

    kind = KIND

    def __init__(self, keeper: Keeper, world: World) -> None:
        self.keeper = keeper
        self.world = world

    def prepare(self, leased: Sequence[Leased]) -> list[tuple[Leased, dict]]:
        return [(one, self.keeper.load(one.key)[0]) for one in leased]

    async def call(self, jobs: Sequence[tuple[Leased, dict]]) -> list:
        return [Failed("busy", None) if self.world.chance.random() < 0.1 else "done" for _ in jobs]

    def paid(self, outcome: str) -> str:
        return outcome

    def settle(self, connection: sa.Connection, outcome: str) -> None:
        pass

    def stands(self, connection: sa.Connection, job: tuple[Leased, dict]) -> bool:
        return True

    def decide(self, job: tuple[Leased, dict], outcome: str) -> tuple[Gathered, Output]:
        leased, known = job
        changes, revision = self.keeper.load(leased.key)[1]
        change = Gathered(self.keeper.clock.now, made={leased.key: (changes, revision + 1)})
        return change, self.keeper.output(leased.key, known, revision + 1)


def birth(spec: AgentSpec, pace: Pace):
    def born(store: MemoryStore, world: World) -> Living:
        keeper = Keeper(spec, pace, store, world.clock)
        mine = [(topic, number) for topic in spec.inputs for number in range(PARTITIONS)]
        rest = {"mine": lambda: mine, "now": world.clock, "crash": world.crash}
        ringing = TimerService(KIND, keeper, store, None, **rest)
        if pace != "off the stream":
            return Living(keeper, ringing)
        passing, limits = Passing(keeper, world), WorkLimits(batch=2, concurrency=1)
        return Living(keeper, ringing, WorkService(passing, store, NoPublisher(), owner="it", limits=limits, **rest))

    return born
