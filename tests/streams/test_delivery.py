"""The order is the guarantee: each test takes one step of it away, or dies between two of them."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
import sqlalchemy as sa

from infra import fences, outbox
from infra.database import ATTEMPTS
from infra.fences import Moved
from infra.outbox import Cause, Output
from infra.places import StorePlace
from infra.store_errors import StoreUnwritable
from schemas.dead_letters import DeadLetter
from schemas.heartbeats import Counters
from schemas.records import Unreadable
from streams.delivery import Progress, deliver, tell
from streams.events import Event, Rejection
from streams.holes import HoleError
from tests.streams.fakes import DEAD_LETTERS, POINTS, REVIEWS, Clock, CrashAt, Killed, Log, applier, never, raw, run

HERE = (REVIEWS, 0)
COUNTED = sa.table("counted", sa.column("name"), sa.column("number"), sa.column("version"))


class Seen(msgspec.Struct):
    name: str


@dataclass
class CountDecision:
    """Adds to counters, if they are what they were."""

    counts: dict[str, tuple[int, int]]  # name -> (new number, version it was decided from)
    rejections: Sequence[Rejection] = ()
    outputs: Sequence[tuple[Output, Cause]] = ()
    told: list[str] = field(default_factory=list)

    def committed(self) -> None:
        self.told.append("committed")

    def write(self, connection: sa.Connection) -> None:
        for name, (number, version) in self.counts.items():
            row = connection.execute(sa.select(COUNTED).where(COUNTED.c.name == name)).first()
            if (row.version if row else 0) != version:
                raise Moved(name)
            connection.execute(COUNTED.delete().where(COUNTED.c.name == name))
            connection.execute(COUNTED.insert().values(name=name, number=number, version=version + 1))


@dataclass
class CountHandler:
    """Counts names, from memory as agents do; the name ``bug`` is one."""

    store: object
    cache: dict[str, tuple[int, int]] = field(default_factory=dict)
    forgotten: int = 0
    records: ClassVar = {"reviews": Seen}

    def decide(self, events: Sequence[Event[Seen]], following: int) -> CountDecision:
        outputs, changed = [], set()
        for event in events:
            name = event.record.name
            if name == "bug":
                raise ZeroDivisionError
            if name not in self.cache:
                with self.store.read() as connection:
                    row = connection.execute(sa.select(COUNTED).where(COUNTED.c.name == name)).first()
                self.cache[name] = (row.number, row.version) if row else (0, 0)
            number, version = self.cache[name]
            self.cache[name] = number + 1, version
            changed.add(name)
            outputs.append((Output(POINTS, name.encode(), str(number + 1).encode()), event.cause))
        decision = CountDecision({name: self.cache[name] for name in changed}, outputs=outputs)
        self.cache |= {name: (self.cache[name][0], self.cache[name][1] + 1) for name in changed}
        decision.rejections = [
            Rejection(event.raw, Unreadable("not_yet_supported", "no", "name"))
            for event in events
            if event.record.name == "reject"
        ]
        return decision

    def forget(self) -> None:
        self.forgotten += 1
        self.cache.clear()


@pytest.fixture
def agent_store(store):
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS counted")  # a schema is emptied between tests, not made anew
        connection.exec_driver_sql("CREATE TABLE counted (name TEXT PRIMARY KEY, number INTEGER, version INTEGER)")
        fences.create(connection, HERE, 0, "cluster", "id")
    return store


def counts(store) -> dict[str, int]:
    with store.read() as connection:
        return {row.name: row.number for row in connection.execute(sa.select(COUNTED))}


def fence(store) -> int:
    with store.read() as connection:
        return fences.next_offset(connection, HERE)


def waiting(store) -> list[outbox.Waiting]:
    with store.read() as connection:
        return outbox.oldest(connection, [HERE], 1_000)


def letters(store) -> list[tuple[int, str]]:
    found = [one.output.value for one in waiting(store) if one.output.topic == DEAD_LETTERS]
    return [(letter.source.offset, letter.reason) for letter in map(_letter, found)]


def _letter(value: bytes) -> DeadLetter:
    return msgspec.json.decode(value, type=DeadLetter)


def names(*given: str, start: int = 0):
    return run(*(raw(start + index, {"name": name}) for index, name in enumerate(given)))


def test_a_run_changes_state_outbox_and_fence_together(agent_store):
    it = applier(CountHandler(agent_store), agent_store)
    it.apply(names("a", "b", "a"))
    assert (counts(agent_store), fence(agent_store), it.fences) == ({"a": 2, "b": 1}, 3, {HERE: 3})
    assert [(one.output.value, one.cause.offset) for one in waiting(agent_store)] == [(b"1", 0), (b"1", 1), (b"2", 2)]


def test_events_below_the_fence_are_replays_and_change_nothing(agent_store):
    applier(CountHandler(agent_store), agent_store).apply(names("a", "b"))
    it = applier(CountHandler(agent_store), agent_store)
    it.apply(names("a", "b"))
    it.apply(names("a", "b", "c"))
    assert (counts(agent_store), fence(agent_store)) == ({"a": 1, "b": 1, "c": 1}, 3)
    assert it._progress.counters.replays == 4
    assert it._progress.counters.events == 1


def test_a_run_that_skips_readable_records_changes_nothing(agent_store):
    it = applier(CountHandler(agent_store), agent_store, log=Log(*range(10)))
    it.apply(names("a"))
    with pytest.raises(HoleError):
        it.apply(names("b", start=3))
    assert (counts(agent_store), fence(agent_store)) == ({"a": 1}, 1)


def test_a_run_after_markers_is_applied(agent_store):
    it = applier(CountHandler(agent_store), agent_store, log=Log(0, 3))
    it.apply(names("a"))
    it.apply(names("b", start=3))
    assert (counts(agent_store), fence(agent_store), letters(agent_store)) == ({"a": 1, "b": 1}, 4, [])


def test_a_range_that_the_broker_deleted_is_one_dead_letter_and_the_rest_goes_on(agent_store):
    it = applier(CountHandler(agent_store), agent_store, log=Log(3, start=3))
    it.apply(names("b", start=3))
    assert (counts(agent_store), fence(agent_store), letters(agent_store)) == ({"b": 1}, 4, [(0, "records_lost")])


def test_a_fence_that_another_worker_moved_makes_the_run_a_replay(agent_store, second_store):
    ours = applier(CountHandler(agent_store), agent_store)
    ours.apply(names("a"))
    theirs = applier(CountHandler(second_store), second_store)
    theirs.apply(names("a", "b", "c"))
    ours.apply(names("b", "c", "d", start=1))
    assert counts(agent_store) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert ours._progress.counters.moved == 1


def test_a_partition_that_comes_back_goes_on_where_others_left_it_without_suspecting_a_hole(agent_store, second_store):
    ours = applier(CountHandler(agent_store), agent_store, log=Log(*range(10)))
    ours.apply(names("a"))
    applier(CountHandler(second_store), second_store).apply(names("a", "b", "c"))
    ours.assigned({HERE: 3})
    ours.apply(names("d", start=3))
    assert counts(agent_store) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert ours.fences == {HERE: 4}


def test_state_that_another_worker_changed_is_forgotten_and_decided_again(agent_store):
    handler = CountHandler(agent_store)
    it = applier(handler, agent_store)
    it.apply(names("a"))
    with agent_store.write() as connection:
        connection.execute(COUNTED.update().values(number=10, version=7))
    it.apply(names("a", start=1))
    assert (counts(agent_store), handler.forgotten, fence(agent_store)) == ({"a": 11}, 1, 2)
    assert [one.output.value for one in waiting(agent_store)] == [b"1", b"11"]


def test_a_worker_that_is_never_first_gives_up(agent_store):
    handler = CountHandler(agent_store)
    handler.decide = lambda events, following: CountDecision({"a": (1, 99)})
    with pytest.raises(Moved):
        applier(handler, agent_store).apply(names("a"))
    assert (handler.forgotten, fence(agent_store)) == (ATTEMPTS, 0)


def test_a_fence_reset_under_a_running_worker_is_noticed(agent_store):
    it = applier(CountHandler(agent_store), agent_store)
    it.apply(names("a"))
    with agent_store.write() as connection:
        connection.exec_driver_sql("DELETE FROM fences")
    with pytest.raises(Moved, match="no fence any more"):
        it.apply(names("b", start=1))
    assert counts(agent_store) == {"a": 1}


def test_a_bug_takes_the_whole_run_back(agent_store):
    with pytest.raises(ZeroDivisionError):
        applier(CountHandler(agent_store), agent_store).apply(names("a", "bug"))
    assert (counts(agent_store), fence(agent_store), waiting(agent_store)) == ({}, 0, [])


def test_unreadable_records_become_dead_letters_and_delay_nobody(agent_store):
    it = applier(CountHandler(agent_store), agent_store)
    records = [raw(0, b"\xff"), raw(1, {"name": "a"}), raw(2), raw(3, {"name": 5}), raw(4, {"name": "reject"})]
    it.apply(run(*records))
    assert letters(agent_store) == [
        (0, "not_json"),
        (2, "not_json"),
        (3, "invalid_field"),
        (4, "not_yet_supported"),
    ]
    assert (counts(agent_store), fence(agent_store)) == ({"a": 1, "reject": 1}, 5)
    assert (it._progress.counters.events, it._progress.counters.dead_letters) == (5, 4)


@pytest.mark.parametrize("timestamp", [-1, 2**62])
def test_a_run_of_records_with_impossible_times_passes(agent_store, timestamp):
    it = applier(CountHandler(agent_store), agent_store)
    it.apply(run(raw(0, {"name": "a"}, timestamp=timestamp)))
    assert (letters(agent_store), it._progress.newest_event_at) == ([(0, "date_out_of_range")], None)


@pytest.mark.parametrize("point", ["after_decide", "in_transaction", "after_commit"])
def test_a_worker_that_dies_anywhere_counts_every_event_once(agent_store, point):
    crash = CrashAt(point)
    with pytest.raises(Killed):
        applier(CountHandler(agent_store), agent_store, crash=crash).apply(names("a", "b"))
    assert (fence(agent_store), counts(agent_store)) in [(0, {}), (2, {"a": 1, "b": 1})]
    applier(CountHandler(agent_store), agent_store).apply(names("a", "b", "a"))
    assert (counts(agent_store), fence(agent_store)) == ({"a": 2, "b": 1}, 3)
    assert [one.output.value for one in waiting(agent_store)] == [b"1", b"1", b"2"]


@pytest.mark.parametrize(("point", "told"), [("in_transaction", []), (None, ["committed"])])
def test_memory_follows_only_what_is_durable(agent_store, point, told):
    handler, decisions = CountHandler(agent_store), []
    decide = handler.decide
    handler.decide = lambda *args: decisions.append(decide(*args)) or decisions[-1]
    with pytest.raises(Killed) if point else contextlib.nullcontext():
        applier(handler, agent_store, crash=CrashAt(point)).apply(names("a"))
    assert [one.told for one in decisions] == [told]


class Source:
    """A consumer that begins what it is told to."""

    def __init__(self, stale: Sequence[object] = ()) -> None:
        self.finished: list[object] = []
        self._stale = stale

    def begin(self, one) -> bool:
        return one not in self._stale

    def done(self, one) -> None:
        self.finished.append(one)


class Flushes:
    """A publisher that notes what stood in the store when it was asked to publish."""

    def __init__(self, store, error: BaseException | None = None) -> None:
        self.fences: list[int] = []
        self._store = store
        self._error = error

    async def flush(self) -> None:
        self.fences.append(fence(self._store))
        if self._error is not None:
            raise self._error


async def stream(*runs):
    for one in runs:
        yield one


async def delivered(store, source: Source, publisher: Flushes, *runs, handler=None, crash=never) -> tuple:
    given_up: list[str] = []
    progress = Progress(Counters())
    await deliver(
        stream(*runs),
        lambda: source,
        applier(handler or CountHandler(store), store),
        store,
        publisher,
        progress=progress,
        now=Clock(),
        crash=crash,
        give_up=given_up.append,
    )
    return given_up, progress


async def test_a_run_is_safe_only_after_its_outputs_are_published(agent_store):
    source, publisher = Source(), Flushes(agent_store)
    first, second = names("a"), names("b", start=1)
    given_up, progress = await delivered(agent_store, source, publisher, first, second)
    assert (source.finished, publisher.fences, given_up) == ([first, second], [1, 2], [])
    assert (progress.counters.batches, progress.batch_started_at) == (2, None)


async def test_a_run_that_a_rebalance_made_stale_is_not_begun(agent_store):
    stale = names("a")
    source = Source(stale=[stale])
    await delivered(agent_store, source, Flushes(agent_store), stale)
    assert (source.finished, counts(agent_store)) == ([], {})


@pytest.mark.parametrize("fails", ["bug", "publish", "before_done"])
async def test_anything_unexpected_ends_the_process_with_the_run_unsafe(agent_store, fails, capsys):
    source = Source()
    publisher = Flushes(agent_store, OSError("no") if fails == "publish" else None)
    bad, good = names("bug" if fails == "bug" else "a"), names("b", start=1)
    crash = CrashAt(fails)
    given_up, progress = await delivered(agent_store, source, publisher, bad, good, crash=crash)
    assert (source.finished, len(given_up)) == ([], 1)
    assert progress.last_error == given_up[0]
    assert progress.batch_started_at is None
    assert "Traceback" in capsys.readouterr().err


async def test_a_cancelled_agent_is_cancelled_and_does_not_give_up(agent_store):
    with pytest.raises(asyncio.CancelledError):
        await delivered(agent_store, Source(), Flushes(agent_store, asyncio.CancelledError()), names("a"))


def test_what_a_person_can_do_something_about_ends_a_worker_with_one_line(capsys):
    error = StoreUnwritable(StorePlace("digest", Path("home")), "the database is full", "Make room.")
    assert tell(error) == "the database is full (home/state/digest.db). Make room."
    assert capsys.readouterr().err == ""
    assert tell(KeyError("bug")) == "KeyError('bug')"
    assert "KeyError" in capsys.readouterr().err
