"""What is done beside the stream so that tables are those of the module, and nothing is held longer than needed."""

import asyncio
from collections.abc import Callable, Collection

from infra.database import Store
from infra.fences import Moved, Partition
from infra.rows.feature_definition_rows import CLEARING, LIVE, RETIRED
from streams.featurizing.announcing import Announcing
from streams.featurizing.clearing import PAGE, Clearing
from streams.featurizing.definitions import Definitions, described
from streams.featurizing.filling import Filling
from streams.featurizing.keys import Keys
from streams.publisher import Publisher

IDLE_S = 0.5
"""How often it is looked whether there is something to do."""

SWEEP_S = 60.0
"""How often rows are looked for that expired, and events that are final."""


class Keeping:
    """Works while this worker has the first input partition, so that one of all workers does.

    Args:
        store: The agent's store.
        definitions: Of the module.
        keys: In memory, shared with the stream.
        filling: Fills definitions.
        announcing: Publishes those that became live.
        clearing: Clears away.
        publisher: Sends the outbox.
        first: The first input partition.
        mine: The input partitions this process owns now.
        now: Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        keys: Keys,
        *,
        filling: Filling,
        announcing: Announcing,
        clearing: Clearing,
        publisher: Publisher,
        first: Partition,
        mine: Callable[[], Collection[Partition]],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._keys = keys
        self._filling = filling
        self._announcing = announcing
        self._clearing = clearing
        self._publisher = publisher
        self._first = first
        self._mine = mine
        self._now = now
        self._swept_at = 0.0

    async def run(self) -> None:
        """Keep for ever."""
        while True:
            if self._first in self._mine() and await self._store.run(self.step):
                await self._publisher.flush()
            else:
                await asyncio.sleep(IDLE_S)

    def step(self) -> bool:
        """Do a page of what is to be done; tells whether there was any. Called in the store's thread."""
        try:
            return self._define() or self._sweep()
        except Moved:
            self._keys.forget()
            self._definitions.forget()
            return True

    def _define(self) -> bool:
        for row in self._definitions.refreshed():
            table = self._definitions.tables.get(row.name)
            mine = table if table is not None and table.version == row.version else None
            if row.state == RETIRED or row.cursor == CLEARING:
                self._clearing.clear(row)
            elif mine is not None and row.state != LIVE:
                self._filling.fill(row, mine)
            elif mine is not None and not described(row).announced:
                self._announcing.announce(row, mine)
            else:
                continue
            return True
        return False

    def _sweep(self) -> bool:
        if self._now() < self._swept_at + SWEEP_S:
            return False
        if max(self._clearing.expire(), self._clearing.forget_events()) < PAGE:
            self._swept_at = self._now()
        return True
