"""A worker's heartbeat: written by the event loop, so that a blocked loop is noticed."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from infra import leases, outbox, timers
from infra.database import Store, Waits
from infra.failing_work import FailingWork, find_failing
from infra.fences import Partition
from infra.heartbeats import write_heartbeat
from infra.store_errors import StoreError
from schemas.heartbeats import Heartbeat, PartitionState, State
from streams.delivery import Progress

BEAT_S = 0.5
FAILING_S = 2.0
"""How often to look for work that failed: with 100,000 keys of it that takes 14-43 ms."""

log = structlog.get_logger("pulse")


class Pulse:
    """Tells twice a second how one worker is.

    Args:
        agent: Whose worker.
        slot: Which of them.
        home: Where heartbeat files are.
        progress: What the worker is doing.
        waits: How long it waited for others.
        parent: Process id of its supervisor; none is whoever started it.
    """

    def __init__(
        self, agent: str, slot: int, home: Path, progress: Progress, waits: Waits, parent: int | None = None
    ) -> None:
        self._agent = agent
        self._slot = slot
        self._home = home
        self._progress = progress
        self._waits = waits
        self._started_at = time.time()
        self._parent = os.getppid() if parent is None else parent
        self._batch: float | None = None
        self._waited_before_s = 0.0
        self._depths = (0, 0, 0)
        self._failing = FailingWork()
        self._failing_seen_at: float | None = None  # monotonic
        self.state: State = "starting"
        self.store: Store | None = None  # for depths, once it is open
        self.partitions: Callable[[], list[PartitionState]] = list
        self.circuits: Callable[[], Mapping[str, float]] = dict
        self.reasons: Callable[[], Mapping[str, str]] = dict

    async def beat_for_ever(self, orphaned: Callable[[], None]) -> None:
        """Write the file until cancelled; call ``orphaned`` when the supervisor is gone.

        It goes on while the database does not answer: depths are looked up beside it.
        """
        looking = asyncio.create_task(asyncio.to_thread(self.look))
        try:
            while True:
                if looking.done():
                    looking.result()
                    looking = asyncio.create_task(asyncio.to_thread(self.look))
                self.beat()
                if os.getppid() != self._parent:
                    orphaned()
                await asyncio.sleep(BEAT_S)
        finally:
            looking.cancel()

    def look(self) -> None:
        """Look up what the next heartbeats tell of the store."""
        if self.store is None:
            return
        with contextlib.suppress(StoreError), self.store.read() as connection:  # whoever must use it tells
            self._depths = outbox.depth(connection), leases.depth(connection), timers.depth(connection)
            now = time.monotonic()
            if self._failing_seen_at is None or now - self._failing_seen_at >= FAILING_S:
                self._failing, self._failing_seen_at = find_failing(connection), now

    def beat(self) -> None:
        """Write the file once."""
        beat = Heartbeat(
            agent=self._agent,
            slot=self._slot,
            pid=os.getpid(),
            at=time.time(),
            started_at=self._started_at,
            state=self.state,
            batch_started_at=self._batch_started_at(),
            partitions=self.partitions(),
            counters=self._progress.counters,
            outbox_depth=self._depths[0],
            work_depth=self._depths[1],
            timer_depth=self._depths[2],
            newest_event_at=self._progress.newest_event_at,
            last_error=self._progress.last_error,
            circuits=dict(self.circuits()),
            circuit_reasons=dict(self.reasons()),
            work_failing=self._failing.keys,
            work_error=self._failing.error,
            work_due_at=self._failing.due_at,
        )
        try:
            write_heartbeat(self._home, beat)
        except OSError as error:  # a full disk: whoever must write results tells; this can wait
            log.error("cannot write the heartbeat", why=str(error))

    def _batch_started_at(self) -> float | None:
        started = self._progress.batch_started_at
        if started != self._batch:
            self._batch, self._waited_before_s = started, self._waits.total_s
        if started is None or self._waits.waiting:
            return None
        return started + self._waits.total_s - self._waited_before_s


def partition_states(consumer: Any, fences: Mapping[Partition, int]) -> list[PartitionState]:
    """Describe what a consumer is assigned.

    Args:
        consumer: A RunConsumer.
        fences: Partitions -> next offset; those without a run yet are told at their read position.
    """
    states = []
    for tp in sorted(consumer.assignment()):
        fence = fences.get((tp.topic, tp.partition), consumer._read_offset.get(tp) or 0)
        states.append(PartitionState(topic=tp.topic, partition=tp.partition, fence=fence, end=consumer.highwater(tp)))
    return states
