import asyncio
import contextlib
import os
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from faust.types import TP

from infra import leases, outbox
from infra.database import Waits
from infra.heartbeats import read_heartbeats
from infra.leases import Task
from infra.outbox import Cause, Output
from infra.places import StorePlace
from infra.store_errors import StoreUnreachable
from schemas.heartbeats import Counters, PartitionState
from streams import pulse as beating
from streams.delivery import Progress
from streams.pulse import Pulse, partition_states
from tests.streams.fakes import POINTS, REVIEWS, Clock


@pytest.fixture
def clock():
    return Clock(1_000.0)


@pytest.fixture
def waits(clock):
    return Waits(clock)


@pytest.fixture
def progress():
    return Progress(Counters())


@pytest.fixture
def pulse(tmp_path, store, progress, waits):
    pulse = Pulse("digest", 0, tmp_path, progress, waits)
    pulse.store = store
    return pulse


def batch_started_at(pulse, tmp_path) -> float | None:
    pulse.beat()
    (beat,) = read_heartbeats(tmp_path)
    return beat.batch_started_at


def test_a_heartbeat_tells_how_the_worker_is(pulse, tmp_path, store, progress):
    with store.write() as connection:
        outbox.add(connection, [(Output(POINTS, b"k", b"v"), Cause(REVIEWS, 0, 1))])
    progress.counters.events = 12
    progress.newest_event_at = 5.0
    pulse.state = "running"
    pulse.partitions = lambda: [PartitionState(topic=REVIEWS, partition=1, fence=4, end=9)]
    pulse.circuits = lambda: {"https://models.example": 1_030.0}
    pulse.reasons = lambda: {"https://models.example": "HTTP 503"}
    pulse.look()
    pulse.beat()
    (beat,) = read_heartbeats(tmp_path)
    assert beat.circuits == {"https://models.example": 1_030.0}
    assert beat.circuit_reasons == {"https://models.example": "HTTP 503"}
    assert (beat.agent, beat.slot, beat.pid, beat.state) == ("digest", 0, os.getpid(), "running")
    assert (beat.outbox_depth, beat.work_depth, beat.timer_depth) == (1, 0, 0)
    assert (beat.counters.events, beat.newest_event_at, beat.batch_started_at) == (12, 5.0, None)
    assert beat.partitions[0].fence == 4


def test_a_heartbeat_is_written_while_another_process_holds_the_write_lock(pulse, tmp_path, second_store):
    with second_store.write():
        pulse.look()
        pulse.beat()
    assert len(read_heartbeats(tmp_path)) == 1


def test_waits_do_not_make_a_batch_old(pulse, tmp_path, progress, waits, clock):
    with waits():
        clock.now += 500  # before the batch: not its own
    progress.batch_started_at = clock.now
    started = clock.now
    assert batch_started_at(pulse, tmp_path) == started
    clock.now += 10
    with waits():
        clock.now += 100
        assert batch_started_at(pulse, tmp_path) is None
    assert batch_started_at(pulse, tmp_path) == started + 100
    progress.batch_started_at = clock.now
    assert batch_started_at(pulse, tmp_path) == clock.now
    progress.batch_started_at = None
    assert batch_started_at(pulse, tmp_path) is None


def fail(store, *errors: tuple[str, str, float]) -> None:
    """Record work (key, error, deadline) and let it fail."""
    with store.write() as connection:
        for key, _, deadline in errors:
            task = Task("summary", key, 1, "new", Cause(POINTS, 0, 1), not_before=0.0, deadline=deadline)
            leases.record(connection, [task])
        taken = leases.lease(connection, "summary", "me", now=1.0, until=9.0, partitions=[(POINTS, 0)], limit=99)
        for leased in taken:
            error = next(one for key, one, _ in errors if key == leased.key)
            leases.postpone(connection, leased, 5.0, error)


def test_a_heartbeat_tells_how_much_work_fails_and_why_the_most_urgent_does(pulse, tmp_path, store, monkeypatch):
    monkeypatch.setattr(beating, "FAILING_S", 0.0)
    pulse.look()
    pulse.beat()
    assert (newest(tmp_path).work_failing, newest(tmp_path).work_error) == (0, None)
    fail(store, ("b", "HTTP 503", 20.0), ("a", "HTTP 401", 10.0))
    with store.write() as connection:  # waits for its first try
        leases.record(connection, [Task("summary", "c", 1, "new", Cause(POINTS, 0, 2), not_before=0.0, deadline=1.0)])
    pulse.look()
    pulse.beat()
    beat = newest(tmp_path)
    assert (beat.work_depth, beat.work_failing, beat.work_error, beat.work_due_at) == (3, 2, "HTTP 401", 10.0)


def test_work_that_fails_is_looked_for_less_often_than_the_heart_beats(pulse, tmp_path, store, monkeypatch):
    now = Clock(50.0)
    monkeypatch.setattr(beating.time, "monotonic", now)
    pulse.look()
    fail(store, ("a", "HTTP 401", 10.0))
    now.now += beating.FAILING_S / 2
    pulse.look()
    pulse.beat()
    assert (newest(tmp_path).work_depth, newest(tmp_path).work_failing) == (1, 0)
    now.now += beating.FAILING_S / 2
    pulse.look()
    pulse.beat()
    assert newest(tmp_path).work_failing == 1


class Away:
    """A store whose database lets everybody wait, and then fails."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.failing = threading.Event()

    @contextlib.contextmanager
    def read(self):
        self.asked.set()
        self.failing.wait(10)
        raise StoreUnreachable(StorePlace("digest", Path()), "the database does not answer", "Start it.")
        yield


async def test_the_heart_beats_while_the_database_does_not_answer(pulse, tmp_path, store, progress):
    with store.write() as connection:
        outbox.add(connection, [(Output(POINTS, b"k", b"v"), Cause(REVIEWS, 0, 1))])
    pulse.look()
    pulse.store = away = Away()
    task = asyncio.create_task(pulse.beat_for_ever(list))
    try:
        assert await asyncio.to_thread(away.asked.wait, 10)
        for events in (1, 2):
            progress.counters.events = events
            await until(lambda events=events: newest(tmp_path).counters.events == events)
            assert not task.done()
            away.failing.set()
        assert newest(tmp_path).outbox_depth == 1  # as it was when it could be seen
    finally:
        task.cancel()


async def test_a_fault_in_looking_ends_the_heart(pulse):
    class Faulty:
        def read(self):
            raise ZeroDivisionError

    pulse.store = Faulty()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(pulse.beat_for_ever(list), 10)


def test_a_heartbeat_that_cannot_be_written_ends_nobody(pulse, tmp_path):
    (tmp_path / "run").write_text("in the way")
    pulse.beat()


def newest(home):
    (beat,) = read_heartbeats(home)
    return beat


async def until(holds) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def test_an_orphan_notices_that_its_supervisor_is_gone(pulse, monkeypatch):
    orphaned = asyncio.Event()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    task = asyncio.create_task(pulse.beat_for_ever(orphaned.set))
    try:
        await asyncio.wait_for(orphaned.wait(), 5)
    finally:
        task.cancel()


async def test_one_whose_supervisor_was_gone_before_it_could_look_notices_too(tmp_path, progress, waits):
    orphaned = asyncio.Event()
    pulse = Pulse("digest", 0, tmp_path, progress, waits, parent=os.getppid() + 1)
    task = asyncio.create_task(pulse.beat_for_ever(orphaned.set))
    try:
        await asyncio.wait_for(orphaned.wait(), 5)
    finally:
        task.cancel()


def test_partitions_are_told_at_their_fences_and_before_that_at_their_read_position():
    class Consumer:
        def __init__(self) -> None:
            self._read_offset = defaultdict(lambda: None, {TP(REVIEWS, 1): 40})

        def assignment(self) -> set[TP]:
            return {TP(REVIEWS, number) for number in range(3)}

        def highwater(self, tp: TP) -> int | None:
            return 100 if tp.partition else None

    states = partition_states(Consumer(), {(REVIEWS, 0): 7, (REVIEWS, 9): 1})
    assert [(one.partition, one.fence, one.end) for one in states] == [(0, 7, None), (1, 40, 100), (2, 0, 100)]
