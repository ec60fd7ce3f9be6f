"""See to it that the broker's logs stay those that our fences belong to, while a worker runs."""

import asyncio
import contextlib
from collections.abc import Callable, Collection

import structlog

from infra import fences
from infra.database import Store
from infra.errors import BrokerUnreachable, TopicMissing
from infra.fences import Moved, Partition
from infra.kafka.probe import Probe
from streams.assignment import Assignment

WATCH_S = 5.0
"""How long a topic that was made anew goes unnoticed at the most; a look costs some 10 ms."""

log = structlog.get_logger("watch")


class Watch:
    """Looks every few seconds at the logs of our partitions.

    A topic that was deleted and made anew while nobody fetched looks like the old one to a consumer: what lies
    below our fences would be taken for replays. And marks of transactions at a log's end are no records, so that
    no run ever ends behind them: fences are moved over them here, otherwise retention would delete "unread" offsets.

    Args:
        store: The agent's store.
        assignment: Knows whether a fence fits.
        probe: (topic, partition, from, until) -> what a read_committed reader sees there, its first record at least.
        mine: The input partitions this process owns now.
    """

    def __init__(
        self,
        store: Store,
        assignment: Assignment,
        probe: Callable[[str, int, int, int], Probe],
        mine: Callable[[], Collection[Partition]],
    ) -> None:
        self._store = store
        self._assignment = assignment
        self._probe = probe
        self._mine = mine

    async def run(self) -> None:
        """Look for ever.

        Raises:
            streams.assignment.FenceRefused: If a log is no longer the one its fence belongs to.
        """
        while True:
            await asyncio.sleep(WATCH_S)
            with contextlib.suppress(BrokerUnreachable, TopicMissing):  # who reads or writes there tells
                await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look once."""
        for partition, (fence, end) in self._assignment.check(self._mine()).items():
            seen = self._probe(*partition, fence, end)
            if not seen.offsets and seen.log_start <= fence and seen.position >= end:
                self._pass_marks(partition, fence, end)

    def _pass_marks(self, partition: Partition, fence: int, end: int) -> None:
        with contextlib.suppress(Moved), self._store.write() as connection:  # a run was first
            fences.advance(connection, partition, fence, end)
            log.debug("moved over marks of transactions", partition=partition, fence=end)
