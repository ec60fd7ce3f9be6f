import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from infra import outbox, timers
from infra.database import ATTEMPTS
from infra.fences import Moved
from infra.outbox import Cause, Output
from infra.timers import Timer, Waiter
from streams.timing import BATCH, TimerService
from tests.streams.fakes import POINTS, REVIEWS, Clock, CrashAt, Killed, NoPublisher, never, until

ZERO, ONE = (REVIEWS, 0), (REVIEWS, 1)


@dataclass
class Decided:
    """Takes its timers and says so on a topic."""

    due: Sequence[Timer]
    rejections: tuple = ()

    @property
    def outputs(self) -> list[tuple[Output, Cause]]:
        return [(Output(POINTS, timer.key.encode(), b"read"), cause) for timer in self.due for cause in timer.inputs]

    def committed(self) -> None:
        """Nothing is in memory."""

    def write(self, connection: sa.Connection) -> None:
        for timer in self.due:
            timers.take(connection, timer)


@dataclass
class Bell:
    """A handler with timers."""

    rung: list[list[str]] = field(default_factory=list)
    forgotten: int = 0
    meanwhile: list = field(default_factory=list)  # called between decision and write

    def ring(self, due: Sequence[Timer]) -> Decided:
        self.rung.append([timer.key for timer in due])
        for act in self.meanwhile[:1]:
            act()
            self.meanwhile.remove(act)
        return Decided(due)

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture
def bell():
    return Bell()


@pytest.fixture
def clock():
    return Clock()


def service(store, bell, clock, *, mine=(ZERO,), crash=never, publisher=None) -> TimerService:
    return TimerService(
        "read", bell, store, publisher or NoPublisher(), mine=lambda: list(mine), now=clock, crash=crash
    )


def schedule(store, clock, *keys: str, wait_s: float = 0, partition: int = 0, offset: int = 7) -> None:
    causes = [Waiter(key, Cause(REVIEWS, partition, offset)) for key in keys]
    with store.write() as connection:
        timers.schedule(connection, "read", causes, due_at=clock.now + wait_s, deadline=clock.now + 60)


def depth(store) -> int:
    with store.read() as connection:
        return timers.depth(connection)


def outputs(store) -> list[tuple[bytes, int]]:
    with store.read() as connection:
        found = outbox.oldest(connection, [ZERO, ONE], 100)
    return [(one.output.key, one.cause.partition) for one in found]


def test_only_due_timers_of_our_partitions_are_served(store, bell, clock):
    schedule(store, clock, "due")
    schedule(store, clock, "later", wait_s=5)
    schedule(store, clock, "theirs", partition=1)
    it = service(store, bell, clock)
    assert (it._serve(), it._serve(), bell.rung) == (1, 0, [["due"]])
    assert (outputs(store), depth(store)) == ([(b"due", 0)], 2)
    clock.now += 5
    assert it._serve() == 1


def test_a_worker_without_partitions_serves_nothing(store, bell, clock):
    schedule(store, clock, "due")
    assert service(store, bell, clock, mine=())._serve() == 0


def test_many_due_timers_are_served_in_small_batches_so_that_runs_wait_little(store, bell, clock):
    schedule(store, clock, *(f"k{number:03}" for number in range(BATCH + 3)))
    it = service(store, bell, clock)
    assert [it._serve(), it._serve(), it._serve()] == [BATCH, 3, 0]
    assert depth(store) == 0


def test_a_timer_pushed_back_while_it_was_served_makes_the_agent_forget_and_look_again(store, bell, clock):
    schedule(store, clock, "a", "b")
    bell.meanwhile = [lambda: schedule(store, clock, "a", wait_s=5)]
    it = service(store, bell, clock)
    assert (it._serve(), bell.forgotten, bell.rung) == (1, 1, [["a", "b"], ["b"]])
    assert outputs(store) == [(b"b", 0)]


def test_a_service_that_is_never_first_gives_up(store, bell, clock):
    schedule(store, clock, "a")
    bell.ring = lambda due: Decided([Timer("read", "a", -1.0, ())])
    with pytest.raises(Moved):
        service(store, bell, clock)._serve()
    assert bell.forgotten == ATTEMPTS


@pytest.mark.parametrize(("point", "left"), [("timer_in_transaction", 1), ("timer_after_commit", 0)])
async def test_a_process_that_dies_while_serving_serves_each_timer_once(store, bell, clock, point, left):
    schedule(store, clock, "a")
    with pytest.raises(Killed):
        async with asyncio.timeout(5):
            await service(store, bell, clock, crash=CrashAt(point)).run()
    assert (depth(store), len(outputs(store))) == (left, 1 - left)
    service(store, bell, clock)._serve()
    assert (depth(store), outputs(store)) == (0, [(b"a", 0)])


async def test_what_was_served_is_published_before_the_next_look(store, bell, clock):
    seen = []

    class Publisher:
        async def flush(self) -> None:
            seen.append(len(outputs(store)))

    schedule(store, clock, "a")
    task = asyncio.create_task(service(store, bell, clock, publisher=Publisher()).run())
    try:
        await until(lambda: seen == [1])
    finally:
        task.cancel()
