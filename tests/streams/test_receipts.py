"""Whatever happens on the way: what a wait returns for stands, and nothing is waited for that cannot come."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.fences import Partition
from streams.graph import AgentSpec
from tests.streams.keepers import Note, Pace, birth, keepers
from tests.streams.virtual_world import PARTITIONS, World

PATIENCE_S = 60.0
"""Enough for any wait here, if somebody hurries: by themselves timers and work take longer."""

GRAPHS = {
    "pair": (AgentSpec("a", ("raw",), ("as",)), AgentSpec("b", ("as",), ("bs",))),
    "chain": (AgentSpec("a", ("raw",), ("as",)), AgentSpec("b", ("as",), ("bs",)), AgentSpec("c", ("bs",), ("cs",))),
    "diamond": (
        AgentSpec("d", ("bs", "cs"), ("ds",)),
        AgentSpec("a", ("raw",), ("as",)),
        AgentSpec("c", ("as", "raw"), ("cs",)),
        AgentSpec("b", ("as",), ("bs",)),
    ),
}
PACE = st.sampled_from(["at once", "later", "off the stream"])


ODD = ("unreadable", "refused", "immaterial", "begin", "commit", "abort", "expire", "intrude")


@dataclass(frozen=True)
class Sending:
    """One record for the first topic, or something that happens to its log."""

    partition: int
    what: str  # "event", "again" or one of ODD
    number: int = 0
    key: str = "p"
    urgent: bool = False


sending = st.builds(
    Sending,
    st.integers(0, PARTITIONS - 1),
    st.sampled_from(["event", "again"] * 5 + [*ODD]),
    st.integers(0, 3),
    st.sampled_from("pq"),
    st.booleans(),
)


class History:
    """Sends, and knows what must be in the results."""

    def __init__(self, world: World, specs: Sequence[AgentSpec]) -> None:
        self.world = world
        self.specs = specs
        self.latest = Sending(0, "event")
        self.news = 0
        inputs = {topic for spec in specs for topic in spec.inputs}
        (self.last,) = {topic for spec in specs for topic in spec.outputs} - inputs

    def send(self, one: Sending) -> None:
        broker, place = self.world.broker, ("raw", one.partition)
        log = broker.logs[place]
        if one.what == "intrude":  # somebody writes to a topic of ours, in a transaction that takes its time
            broker.append((self.specs[-1].inputs[0], one.partition), b"{", undecided=True)
        elif one.what in ("commit", "abort"):
            broker.decide(place, committed=one.what == "commit")
        elif one.what == "expire":
            log.start = max(log.start, min(log.reachable, log.start + one.number))
        elif one.what == "again":  # on the other partition than before, as clients that hash differently do
            broker.append(("raw", 1 - self.latest.partition), self._value(replace(self.latest, urgent=one.urgent)))
        else:
            self.latest = one if one.what == "event" else self.latest
            broker.append(place, self._value(one), undecided=one.what == "begin")

    def _value(self, one: Sending) -> bytes:
        if one.what == "unreadable":
            return b"{"
        key = "refused" if one.what == "refused" else one.key
        note = Note("raw", key, [f"{key}{one.number}"], urgent=one.urgent, matters=one.what != "immaterial")
        return msgspec.json.encode(note)

    def send_news(self) -> None:
        """Send what nobody has asked for, to a key that may be waited for."""
        self.news += 1
        self.send(Sending(self.news % PARTITIONS, "event", 100 + self.news))

    def origins(self, asked: Sequence[int | None]) -> dict[str, dict[Partition, tuple[int, int]]]:
        """Ask for the newest records but so many of each partition; None asks for nothing of it."""
        spans = {}
        for number, back in enumerate(asked):
            log = self.world.broker.logs["raw", number]
            if back is not None and log.end > back:
                spans["raw", number] = (log.start, log.end - back)
        return {"raw": spans} if spans else {}

    def expected(self, origins: Mapping[str, Mapping[Partition, tuple[int, int]]]) -> dict[str, set[str]]:
        """Members by key that must have reached the last topic, by every way that leads there."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for place, (_, end) in origins.get("raw", {}).items():
            for record in self.world.broker.readable(place, 0, end):
                note = self._note(record.value)
                if note is not None:
                    wanted[note.key] |= {tag for member in note.members for tag in self._tags(member)}
        return wanted

    @staticmethod
    def _note(value: bytes) -> Note | None:
        try:
            note = msgspec.json.decode(value, type=Note)
        except msgspec.DecodeError:
            return None
        return note if note.matters and note.key != "refused" else None

    def _tags(self, member: str) -> set[str]:
        def ways(topic: str) -> set[str]:
            if topic == "raw":
                return {member}
            (maker,) = (spec for spec in self.specs if topic in spec.outputs)
            return {f"{maker.name}<{tag}" for one in maker.inputs for tag in ways(one)}

        return ways(self.last)


def standing(world: World, topic: str) -> dict[str, set[str]]:
    newest: dict[str, Note] = {}
    for place in world.broker.places([topic]):
        for record in world.broker.readable(place, 0, 10_000):
            note = msgspec.json.decode(record.value, type=Note)
            if note.key not in newest or note.revision > newest[note.key].revision:
                newest[note.key] = note
    return {key: set(note.members) for key, note in newest.items()}


rounds = st.lists(
    st.tuples(
        st.lists(sending, min_size=1, max_size=8),
        st.sampled_from([(0, 0), (None, 0), (0, None), (None, 1), (2, None)]),
        st.integers(0, 24),
    ),
    min_size=1,
    max_size=3,
)


def make_world(shape: str, paces: Sequence[Pace], *, seed: int = 0, crashes: int = 0) -> tuple[World, History]:
    """Let the agents of a graph live; whoever reads the first topic cannot be off the stream: nobody joins work."""
    specs, births = GRAPHS[shape], {}
    for spec, pace in zip(specs, paces, strict=False):
        births[spec.name] = birth(spec, "later" if pace == "off the stream" and "raw" in spec.inputs else pace)
    world = World(specs, births, [keepers], seed=seed, crashes=crashes)
    return world, History(world, specs)


def check(world: World, history: History, asked: Sequence[int | None]) -> None:
    origins = history.origins(asked)
    world.wait(origins, PATIENCE_S)
    stands = standing(world, history.last)
    for key, members in history.expected(origins).items():
        assert members <= stands.get(key, set())


@pytest.mark.parametrize("pace", ["at once", "later"])
def test_a_receipt_that_adds_nothing_waits_for_the_event_it_repeats_wherever_that_is_held(pace: Pace) -> None:
    world, history = make_world("pair", (pace, "at once"))
    world.restless = False
    for one in (Sending(0, "event"), Sending(0, "again")):
        history.send(one)
    agent = world.agents["a"]
    agent.read(("raw", 0), 1)
    agent.read(("raw", 1), 1)
    check(world, history, (None, 0))


def test_a_receipt_that_adds_nothing_waits_also_beside_news_of_its_own_partition() -> None:
    world, history = make_world("pair", ("later", "at once"))
    world.restless = False
    for one in (Sending(0, "event", 1), Sending(0, "again"), Sending(1, "event", 2)):
        history.send(one)
    world.agents["a"].read(("raw", 0), 1)
    world.agents["a"].read(("raw", 1), 2)
    check(world, history, (None, 1))


def test_an_output_behind_an_open_transaction_of_somebody_else_is_waited_for() -> None:
    world, history = make_world("pair", ("at once", "at once"))
    world.restless = False
    for number in range(PARTITIONS):
        history.send(Sending(number, "intrude"))
    history.send(Sending(0, "event"))
    world.agents["a"].everything(0)
    check(world, history, (0, None))


def test_a_busy_key_is_read_although_news_never_end() -> None:
    world, history = make_world("pair", ("later", "off the stream"))
    world.meanwhile, world.restless = history.send_news, False
    history.send(Sending(0, "event"))
    check(world, history, (0, None))


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from(sorted(GRAPHS)),
    paces=st.tuples(PACE, PACE, PACE, PACE),
    rounds=rounds,
    crashes=st.integers(0, 3),
    lazy=st.booleans(),
    busy=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_what_a_wait_returns_for_stands_and_it_returns(shape, paces, rounds, crashes, lazy, busy, seed):
    world, history = make_world(shape, paces, seed=seed, crashes=crashes)
    world.meanwhile = history.send_news if busy else world.meanwhile
    for agent in world.agents.values():
        agent.lazy = lazy
    try:
        for sendings, asked, steps in rounds:
            for one in sendings:
                history.send(one)
                world.stir(2)
            world.stir(steps)
            check(world, history, asked)
    finally:
        world.close()
