"""Serve an agent's timers: what falls due is decided and written like anything from the stream."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from infra import outbox, timers
from infra.database import ATTEMPTS, Store
from infra.fences import Moved, Partition
from infra.timers import Timer
from streams.events import Crash, Decision
from streams.publisher import Publisher

POLL_S = 0.25
BATCH = 16
"""Timers served in one transaction: at most some 50 ms of reading, so that runs wait little."""


class Ringing(Protocol):
    """A handler with timers."""

    def ring(self, due: Sequence[Timer]) -> Decision:
        """Decide for timers that are due."""
        ...

    def forget(self) -> None:
        """Drop cached state."""
        ...


class TimerService:
    """Looks for due timers of our partitions.

    Args:
        kind: Which timers.
        handler: What is done.
        store: The agent's store.
        publisher: Sends the outbox.
        mine: The input partitions this process owns now.
        now: Unix seconds.
        crash: Crash points.
    """

    def __init__(
        self,
        kind: str,
        handler: Ringing,
        store: Store,
        publisher: Publisher,
        *,
        mine: Callable[[], Collection[Partition]],
        now: Callable[[], float],
        crash: Crash,
    ) -> None:
        self._kind = kind
        self._handler = handler
        self._store = store
        self._publisher = publisher
        self._mine = mine
        self._now = now
        self._crash = crash

    async def run(self) -> None:
        """Serve for ever."""
        while True:
            if await self._store.run(self._serve):
                self._crash("timer_after_commit")
                await self._publisher.flush()
            else:
                await asyncio.sleep(POLL_S)

    def _serve(self) -> int:
        for attempt in range(ATTEMPTS):
            due = self._due()
            if not due:
                return 0
            try:
                self._serve_once(due)
                return len(due)
            except Moved:
                self._handler.forget()
                if attempt == ATTEMPTS - 1:
                    raise
        return 0

    def _due(self) -> list[Timer]:
        mine = sorted(self._mine())
        if not mine:
            return []
        with self._store.read() as connection:
            return timers.due(connection, self._kind, self._now(), mine, BATCH)

    def _serve_once(self, due: Sequence[Timer]) -> None:
        decision = self._handler.ring(due)
        with self._store.write() as connection:
            decision.write(connection)
            outbox.add(connection, decision.outputs)
            self._crash("timer_in_transaction")
        decision.committed()
