"""A worker's heartbeat: written by the event loop, so that a blocked loop is noticed."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra import leases, outbox, timers
from infra.database import Store, Waits
from infra.fences import Partition
from infra.heartbeats import write_heartbeat
from schemas.heartbeats import Heartbeat, PartitionState, State
from streams.delivery import Progress

BEAT_S = 0.5


class Pulse:
    """Tells twice a second how one worker is.

    Args:
        agent: Whose worker.
        slot: Which of them.
        home: Where heartbeat files are.
        store: The agent's store, for depths.
        progress: What the worker is doing.
        waits: How long it waited for others.
    """

    def __init__(self, agent: str, slot: int, home: Path, store: Store, progress: Progress, waits: Waits) -> None:
        self._agent = agent
        self._slot = slot
        self._home = home
        self._store = store
        self._progress = progress
        self._waits = waits
        self._started_at = time.time()
        self._parent = os.getppid()
        self._batch: float | None = None
        self._waited_before_s = 0.0
        self.state: State = "starting"
        self.partitions: Callable[[], list[PartitionState]] = list

    async def beat_for_ever(self, orphaned: Callable[[], None]) -> None:
        """Write the file until cancelled; call ``orphaned`` when the supervisor is gone."""
        while True:
            self.beat()
            if os.getppid() != self._parent:
                orphaned()
            await asyncio.sleep(BEAT_S)

    def beat(self) -> None:
        """Write the file once."""
        with self._store.read() as connection:
            depths = outbox.depth(connection), leases.depth(connection), timers.depth(connection)
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
            outbox_depth=depths[0],
            work_depth=depths[1],
            timer_depth=depths[2],
            newest_event_at=self._progress.newest_event_at,
            last_error=self._progress.last_error,
        )
        write_heartbeat(self._home, beat)

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
