"""Hand Faust's agents whole runs of records instead of single events.

Faust's machinery costs about 100 us an event. Here one Faust message carries one partition's *run*
of raw records, cut when the agent is free, so that runs grow under load and stay short when idle.
Faust commits nothing by itself (topics are ``acks=False``); all of its commit paths end in
``RunConsumer.commit``, which commits only offsets whose run is durable.

Everything here stands on private names of faust-streaming and aiokafka; both are pinned exactly and
``tests/streams/test_runs.py`` fails when they move.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver

from infra.kafka.stream_header_names import tolerate_names

HAND_LIMIT_S = 45.0
"""How long a rebalance waits for the run in hand before the process gives up."""

POLL_S = 0.5

LARGE_BYTES = 16_384
"""A record counts as one more for each of these: limits are there for memory, and one record may have 4 MiB."""


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one partition, in offset order, fetched together."""

    partition: Any  # Faust's TP: (topic, partition)
    epoch: int  # of the consumer when it was cut; an older one is never begun
    records: Sequence[Any]  # aiokafka ConsumerRecord: offset, timestamp (ms), key, value, headers


@dataclass(frozen=True, slots=True)
class RunHooks:
    """What the consumer asks of its owner.

    Args:
        fences: Partitions -> the offset each must be read from.
        give_up: Ends the process; called when the run in hand outlives ``HAND_LIMIT_S``.
        run_size: Most records in one run; large ones count as several.
        held_limit: Records fetched and not yet handled, from which on none are fetched; counted alike.
    """

    fences: Callable[[set[Any]], Awaitable[Mapping[Any, int]]]
    give_up: Callable[[str], None]
    run_size: int = 500
    held_limit: int = 4_000


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is not typed
    """Faust's consumer thread, reading only what is committed."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class RunConsumer(driver.Consumer):  # type: ignore[misc]  # Faust is not typed
    """Fetches into a bounded buffer and hands out one run at a time."""

    hooks: RunHooks

    def __init__(self, *args: Any, **options: Any) -> None:
        self.epoch = 0
        self.held = 0
        self.safe: dict[Any, int] = {}  # partition -> offset up to which everything is durable
        self._buffers: dict[Any, list[Any]] = {}
        self._out: Run | None = None  # cut, not yet done
        self._hand: Run | None = None  # begun by the agent
        self._hand_empty = asyncio.Event()
        self._hand_empty.set()
        self._room = asyncio.Event()
        self._kick = asyncio.Event()
        self._gate = asyncio.Lock()  # a fetch and a seek never overlap
        self._committing = asyncio.Lock()  # of two commits the older must not end last
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def begin(self, run: Run) -> bool:
        """Take a run in hand; False when a rebalance or a seek made it stale."""
        if run.epoch != self.epoch or not self.flow_active:
            return False
        self._hand = run
        self._hand_empty.clear()
        return True

    def done(self, run: Run) -> None:
        """Say that a run's effects are durable: its offsets may be committed."""
        if run is self._hand:
            self._hand = None
            self._hand_empty.set()
        if run is self._out:
            self._out = None
            self.held -= sum(map(weight, run.records))
            self._room.set()
            self._kick.set()
        self.safe[run.partition] = run.records[-1].offset + 1

    def stop_flow(self) -> None:
        """Stop handing out; what was fetched is fetched again later."""
        super().stop_flow()
        self._drop_fetched()

    def on_buffer_full(self, tp: Any) -> None:
        """Do nothing: ``held_limit`` bounds memory, and Faust's pressure path sleeps 1 s."""

    async def perform_seek(self) -> None:
        """Go to the fence of every partition, or to the commit where that is older."""
        async with self._gate:
            self._drop_fetched()
            await super().perform_seek()
            partitions = set(self.assignment())
            for tp, fence in (await self.hooks.fences(partitions)).items():
                await self._start_at(tp, fence)
            self.safe = {tp: offset for tp, offset in self.safe.items() if tp in partitions}

    async def _start_at(self, tp: Any, fence: int) -> None:
        committed = self._committed_offset.get(tp)
        start = fence if committed is None else min(fence, committed)
        await self.seek(tp, start)  # always: Faust seeks nothing where there is no commit
        self._read_offset[tp] = start
        self._committed_offset[tp] = start if committed is not None else 0
        if committed is None and fence:  # a worker was killed before it could, and no record may ever come again
            self.safe[tp] = fence

    def _drop_fetched(self) -> None:
        self.epoch += 1
        self.held = 0
        self._buffers.clear()
        self._out = None
        self._room.set()

    async def _drain_messages(self, fetcher: Any) -> None:
        pump = asyncio.ensure_future(self._pump())
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if pump.done():
                    pump.result()
                if self.flow_active and self.held < self.hooks.held_limit:
                    await self._fetch()
                else:
                    await self._wait_for_room()
        finally:
            pump.cancel()

    async def _wait_for_room(self) -> None:
        if self.flow_active:  # a full buffer is not an idle fetcher: aiokafka would leave the group
            self._thread._consumer._subscription._last_fetch_ended = time.monotonic()
        self._room.clear()
        wanted = self._room if self.flow_active else self.can_resume_flow
        try:
            await asyncio.wait_for(wanted.wait(), POLL_S)
        except TimeoutError:
            return

    async def _fetch(self) -> None:
        async with self._gate:
            epoch, active = self.epoch, set(self._get_active_partitions())
            fetched = await self._getmany(active, POLL_S) if active else {}
            if epoch == self.epoch and self.flow_active:  # otherwise dropped: perform_seek rewinds
                for tp, records in fetched.items():
                    self._buffers.setdefault(ensure_TP(tp), []).extend(records)
                    self.held += sum(map(weight, records))
                if fetched:
                    self._kick.set()
        await asyncio.sleep(0 if active else 0.1)

    async def _pump(self) -> None:
        while True:
            await self._kick.wait()
            self._kick.clear()
            if self._out is None and self._buffers and self.flow_active:
                await self._hand_out()

    async def _hand_out(self) -> None:
        tp = next(iter(self._buffers))
        records = self._buffers.pop(tp)
        count = cut(records, self.hooks.run_size)
        taken, rest = records[:count], records[count:]
        if rest:
            self._buffers[tp] = rest  # at the end: round robin over partitions
        message = self._to_message(tp, taken[-1])
        message.key = None
        message.value = self._out = Run(tp, self.epoch, taken)
        await self.callback(message)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the safe offsets; Faust's timer, revocations and stop all come here."""
        async with self._committing:
            mine = self.assignment() if self.safe else ()
            safe = {tp: offset for tp, offset in self.safe.items() if tp in mine}  # others' commits crash Faust
            moved = {tp: offset for tp, offset in safe.items() if offset > (self._committed_offset.get(tp) or 0)}
            if not moved or not await self._commit(moved):
                return False
            self._committed_offset.update(moved)
            return True

    async def wait_empty(self) -> None:
        """Wait for the run in hand, then commit."""
        try:
            await asyncio.wait_for(self._hand_empty.wait(), HAND_LIMIT_S)
        except TimeoutError:
            self.hooks.give_up(f"the run in hand took longer than {HAND_LIMIT_S:.0f} s during a rebalance or stop")
        await self.commit()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Finish the run in hand and commit before another worker takes over."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self.safe.pop(tp, None)


def weight(record: Any) -> int:
    """Tell how many records of usual size this one is worth."""
    size_bytes = max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0)  # -1 = null
    return 1 + int(size_bytes) // LARGE_BYTES


def cut(records: Sequence[Any], run_size: int) -> int:
    """Tell how many of some records make a run: at least one."""
    total = 0
    for count, record in enumerate(records):
        total += weight(record)
        if total > run_size and count:
            return count
    return len(records)


def run_transport(hooks: RunHooks, url: Any, app: Any) -> driver.Transport:
    """Make the transport that gives ``app`` runs."""
    tolerate_names()
    consumer = type("HookedRunConsumer", (RunConsumer,), {"hooks": hooks})
    transport = type("RunTransport", (driver.Transport,), {"Consumer": consumer})
    return transport(url, app, app.loop)
