import asyncio
import importlib.metadata
import inspect
from dataclasses import dataclass, field
from pathlib import Path

import aiokafka
import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import ConsumerThread, Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from infra.settings import KafkaSettings
from streams import runs
from streams.app import build_app
from streams.runs import LARGE_BYTES, Run, RunConsumer, RunHooks, cut, run_transport, weight
from tests.streams.fakes import REVIEWS, Raw, raw, until

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
ZERO, ONE = TP(REVIEWS, 0), TP(REVIEWS, 1)


@pytest.mark.parametrize(("package", "version"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0")])
def test_the_packages_whose_private_names_are_overridden_are_the_pinned_ones(package, version):
    assert importlib.metadata.version(package) == version
    assert f'"{package}=={version}"' in PROJECT.read_text()


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.Consumer._to_message, ["self", "tp", "record"]),
        (BaseConsumer._drain_messages, ["self", "fetcher"]),
        (BaseConsumer.stop_flow, ["self"]),
        (BaseConsumer.on_buffer_full, ["self", "tp"]),
        (BaseConsumer.perform_seek, ["self"]),
        (BaseConsumer.wait_empty, ["self"]),
        (BaseConsumer.commit, ["self", "topics", "start_new_transaction"]),
        (BaseConsumer.on_partitions_revoked, ["self", "revoked"]),
        (BaseConsumer.seek, ["self", "partition", "offset"]),
        (BaseConsumer._get_active_partitions, ["self"]),
        (driver.Consumer._getmany, ["self", "active_partitions", "timeout"]),
        (driver.Consumer._commit, ["self", "offsets"]),
        (ConsumerThread.assignment, ["self"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_every_private_name_that_is_overridden_or_called_is_still_what_it_was(function, expected):
    assert parameters(function) == expected


def test_the_ways_of_faust_that_the_overrides_rest_on_are_unchanged():
    committing = inspect.getsource(BaseConsumer._commit_handler.fun) + inspect.getsource(BaseConsumer.on_stop)
    assert "self.commit()" in committing
    assert "self.wait_empty()" in committing
    assert "_drain_messages(self)" in inspect.getsource(Fetcher._fetcher.fun)
    assert "seek_to_committed()" in inspect.getsource(BaseConsumer.perform_seek)
    assert "_last_fetch_ended" in inspect.getsource(SubscriptionState.fetch_context)
    assert "isolation_level=self._isolation_level" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert driver.Transport.Consumer is driver.Consumer


@dataclass
class Broker:
    """Stands for the consumer's thread, and for the broker behind it."""

    logs: dict[TP, list[Raw]]
    committed: dict[TP, int | None] = field(default_factory=dict)
    positions: dict[TP, int] = field(default_factory=dict)
    commits: list[dict[TP, int]] = field(default_factory=list)
    fetches: int = 0
    largest_fetch: int = 1_000
    touched: float = 0.0

    @property
    def _consumer(self):
        broker = self

        class Subscription:
            def __setattr__(self, name: str, value: float) -> None:
                assert name == "_last_fetch_ended"
                broker.touched = value

        return type("Consumer", (), {"_subscription": Subscription()})

    def assignment(self) -> set[TP]:
        return set(self.logs)

    async def getmany(self, active: set[TP], timeout: float) -> dict[TP, list[Raw]]:
        self.fetches += 1
        found = {}
        for tp in sorted(active):
            start = self.positions.get(tp, 0)
            if records := [one for one in self.logs[tp] if one.offset >= start][: self.largest_fetch]:
                found[tp] = records
                self.positions[tp] = records[-1].offset + 1
        await asyncio.sleep(0 if found else 0.005)
        return found

    async def seek_to_committed(self) -> dict[TP, int | None]:
        self.positions |= {tp: offset for tp, offset in self.committed.items() if offset}
        return {tp: self.committed.get(tp) for tp in self.logs}

    def seek(self, tp: TP, offset: int) -> None:
        self.positions[tp] = offset

    async def commit(self, offsets: dict[TP, int]) -> bool:
        assert offsets, "aiokafka refuses to commit nothing, and Faust crashes on it"
        self.commits.append(offsets)
        self.committed |= offsets
        return True


class Stopper:
    """What ``_drain_messages`` needs of Faust's fetcher."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()


class Desk:
    """A RunConsumer with a broker and an agent that a test plays."""

    def __init__(self, consumer: RunConsumer, broker: Broker, fences: dict[TP, int]) -> None:
        self.consumer = consumer
        self.broker = broker
        self.fences = fences
        self.given_up: list[str] = []
        self.handed: asyncio.Queue[Run] = asyncio.Queue()
        self._fetcher = Stopper()

    async def next(self) -> Run:
        return await asyncio.wait_for(self.handed.get(), 5)

    async def idle(self) -> bool:
        await asyncio.sleep(0.05)
        return self.handed.empty()

    async def assigned(self) -> None:
        """What Faust does at the end of a rebalance."""
        self.consumer._active_partitions = self.broker.assignment()
        await self.consumer.perform_seek()
        self.consumer.resume_flow()


def records(tp: TP, start: int, end: int, size: int = 1) -> list[Raw]:
    return [raw(offset, b"v" * size, partition=tp.partition) for offset in range(start, end)]


def offsets(run: Run) -> list[int]:
    return [one.offset for one in run.records]


@pytest.fixture
async def desk(tmp_path):
    """Two partitions of 12 and 5 records; runs of at most 5, at most 8 held."""
    broker = Broker({ZERO: records(ZERO, 0, 12), ONE: records(ONE, 0, 5)})
    fences = {ZERO: 0, ONE: 0}
    app = build_app("digest", "digest-0", KafkaSettings(), str(tmp_path))
    app.loop = asyncio.get_running_loop()

    async def standing(assigned: set[TP]) -> dict[TP, int]:
        return {tp: fences[tp] for tp in assigned}

    hooks = RunHooks(standing, lambda why: desk.given_up.append(why), run_size=5, held_limit=8)
    app.transport = run_transport(hooks, app.conf.broker_consumer, app)

    async def hand_over(message) -> None:
        desk.handed.put_nowait(message.value)

    async def nothing(_) -> None:
        return

    consumer = app.transport.create_consumer(hand_over, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    consumer._thread.thread_loop.close()  # of Faust's thread, which is never started here
    consumer._thread = broker
    desk = Desk(consumer, broker, fences)
    task = asyncio.create_task(consumer._drain_messages(desk._fetcher))
    yield desk
    desk._fetcher._stopped.set()
    consumer.resume_flow()
    await asyncio.wait_for(task, 5)


async def take(desk: Desk) -> Run:
    run = await desk.next()
    assert desk.consumer.begin(run)
    desk.consumer.done(run)
    return run


async def test_runs_are_one_partitions_records_in_order_in_turns_and_nothing_is_left_out(desk):
    await desk.assigned()
    seen: dict[TP, list[int]] = {ZERO: [], ONE: []}
    turns = []
    while sum(map(len, seen.values())) < 17:
        run = await take(desk)
        assert {one.partition for one in run.records} == {run.partition.partition}
        assert len(run.records) <= 5
        seen[run.partition] += offsets(run)
        turns.append(run.partition)
    assert seen == {ZERO: list(range(12)), ONE: list(range(5))}
    assert turns[0] != turns[1]
    assert await desk.idle()


async def test_the_next_run_is_cut_only_when_the_agent_is_done_with_the_last(desk):
    await desk.assigned()
    first = await desk.next()
    assert desk.consumer.begin(first)
    assert await desk.idle()
    desk.consumer.done(first)
    assert (await desk.next()).partition != first.partition


async def test_what_is_held_is_bounded_whatever_the_log_has(desk):
    desk.broker.logs[ZERO] = records(ZERO, 0, 1_000)
    desk.broker.largest_fetch = 4
    await desk.assigned()
    run = await desk.next()
    desk.consumer.begin(run)
    await asyncio.sleep(0.05)
    fetches = desk.broker.fetches
    assert await desk.idle()
    assert 8 <= desk.consumer.held < 8 + 2 * 4
    assert desk.broker.fetches == fetches
    desk.consumer.done(run)
    await until(lambda: desk.broker.fetches > fetches)


async def test_a_full_buffer_does_not_look_like_an_idle_fetcher(desk, monkeypatch):
    monkeypatch.setattr(runs, "POLL_S", 0.01)
    await desk.assigned()
    await desk.next()
    await until(lambda: desk.consumer.held >= 8)
    desk.broker.touched = 0.0
    await until(lambda: desk.broker.touched > 0)


async def test_a_run_cut_before_a_rebalance_is_never_begun_and_its_records_come_again(desk):
    await desk.assigned()
    stale = await desk.next()
    desk.consumer.stop_flow()
    assert not desk.consumer.begin(stale)
    await desk.assigned()
    assert not desk.consumer.begin(stale)
    fresh = await desk.next()
    assert desk.consumer.begin(fresh)
    assert offsets(fresh)[0] == 0


async def test_a_fetch_that_ends_after_the_flow_was_stopped_is_dropped_and_fetched_again(desk):
    entered, leave = asyncio.Event(), asyncio.Event()
    real = desk.broker.getmany

    async def slow(active, timeout):
        found = await real(active, timeout)
        entered.set()
        await leave.wait()
        return found

    desk.broker.getmany = slow
    await desk.assigned()
    await asyncio.wait_for(entered.wait(), 5)
    desk.consumer.stop_flow()
    leave.set()
    assert await desk.idle()
    assert desk.consumer.held == 0
    await desk.assigned()
    assert offsets(await desk.next())[0] == 0


@pytest.mark.parametrize(
    ("fence", "committed", "start"),
    [(0, None, 0), (7, None, 7), (7, 7, 7), (7, 4, 4), (4, 7, 4), (0, 7, 0)],
)
async def test_a_partition_is_read_from_its_fence_or_from_the_commit_where_that_is_older(desk, fence, committed, start):
    desk.fences[ZERO] = fence
    desk.broker.committed[ZERO] = committed
    desk.broker.logs = {ZERO: desk.broker.logs[ZERO]}
    await desk.assigned()
    assert offsets(await desk.next())[0] == start


async def test_only_offsets_of_runs_that_are_done_are_committed_and_each_once(desk):
    await desk.assigned()
    run = await desk.next()
    desk.consumer.begin(run)
    assert not await desk.consumer.commit()
    desk.consumer.done(run)
    assert await desk.consumer.commit()
    assert not await desk.consumer.commit()
    assert desk.broker.commits == [{run.partition: offsets(run)[-1] + 1}]


async def test_what_stands_is_committed_where_a_killed_worker_never_did(desk):
    desk.fences |= {ZERO: 12, ONE: 0}
    await desk.assigned()
    assert await desk.consumer.commit()
    assert not await desk.consumer.commit()
    assert desk.broker.commits == [{ZERO: 12}]


async def test_a_replay_below_the_commit_does_not_commit_backwards(desk):
    desk.fences |= {ZERO: 12, ONE: 5}
    desk.broker.committed = {ZERO: 12, ONE: 5}
    await desk.assigned()
    desk.consumer.safe[ZERO] = 9
    assert not await desk.consumer.commit()


async def test_offsets_of_a_partition_that_is_not_ours_any_more_are_not_committed(desk):
    await desk.assigned()
    run = await take(desk)
    other = ONE if run.partition == ZERO else ZERO
    desk.broker.logs = {other: desk.broker.logs[other]}
    assert not await desk.consumer.commit()
    assert desk.broker.commits == []


async def test_of_two_commits_the_older_does_not_end_last(desk):
    first = asyncio.Event()
    real = desk.broker.commit

    async def slow_first(given):
        if not first.is_set():
            first.set()
            await asyncio.sleep(0.05)
        return await real(given)

    await desk.assigned()
    desk.broker.commit = slow_first
    desk.consumer.safe[ZERO] = 3
    older = asyncio.create_task(desk.consumer.commit())
    await first.wait()
    desk.consumer.safe[ZERO] = 5
    await asyncio.gather(older, desk.consumer.commit())
    assert desk.broker.committed[ZERO] == 5


async def test_a_stop_waits_for_the_run_in_hand_and_then_commits_it(desk):
    await desk.assigned()
    run = await desk.next()
    desk.consumer.begin(run)
    desk.consumer.stop_flow()
    stop = asyncio.create_task(desk.consumer.wait_empty())
    await asyncio.sleep(0.05)
    assert not stop.done()
    desk.consumer.done(run)
    await asyncio.wait_for(stop, 5)
    assert desk.broker.commits == [{run.partition: offsets(run)[-1] + 1}]
    assert desk.given_up == []


async def test_a_run_in_hand_that_never_ends_gives_up(desk, monkeypatch):
    monkeypatch.setattr(runs, "HAND_LIMIT_S", 0.02)
    await desk.assigned()
    run = await desk.next()
    desk.consumer.begin(run)
    await desk.consumer.wait_empty()
    assert len(desk.given_up) == 1


async def test_a_run_that_is_done_after_a_rebalance_frees_nothing_that_was_fetched_since(desk):
    await desk.assigned()
    old = await desk.next()
    desk.consumer.begin(old)
    desk.consumer.stop_flow()
    await desk.assigned()
    fresh = await desk.next()
    held = desk.consumer.held
    desk.consumer.done(old)
    assert desk.consumer.held == held
    assert await desk.idle()
    assert desk.consumer.begin(fresh)


async def test_partitions_that_move_away_are_forgotten(desk):
    await desk.assigned()
    run = await take(desk)
    await desk.consumer.on_partitions_revoked({run.partition})
    assert run.partition not in desk.consumer.safe


def test_the_consumer_reads_only_what_is_committed(monkeypatch):
    plain = type("Plain", (), {"_isolation_level": "read_uncommitted"})()
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda self, transport: plain)
    thread = runs._Thread.__new__(runs._Thread)
    assert thread._create_worker_consumer(None)._isolation_level == "read_committed"


def test_faust_waits_for_nothing_when_its_buffer_is_full():
    assert RunConsumer.on_buffer_full(None, ZERO) is None


def test_large_records_count_as_several_and_make_short_runs():
    small, large, empty = records(ZERO, 0, 3), records(ZERO, 3, 6, 4 * LARGE_BYTES), raw(9, None, key=None)
    assert [weight(one) for one in (small[0], large[0], empty)] == [1, 5, 1]
    assert cut([*small, *large], 10) == 4
    assert cut(large, 1) == 1
    assert cut(small, 2) == 2
    assert cut(small, 3) == 3


async def test_a_flood_of_large_records_is_held_in_bounds_too(desk):
    desk.broker.logs = {ZERO: records(ZERO, 0, 50, 3 * LARGE_BYTES)}
    desk.broker.largest_fetch = 1
    await desk.assigned()
    run = await desk.next()
    await asyncio.sleep(0.05)
    assert len(run.records) == 1
    assert 8 <= desk.consumer.held <= 8 + 4
    assert desk.consumer.begin(run)
    desk.consumer.done(run)
    assert desk.consumer.held >= 4
