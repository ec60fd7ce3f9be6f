"""Compare the vector store with the registry from time to time: remove what is nobody's, have written what it lost.

What makes it safe beside workers that write: a placement is committed before its row is sent, and removed after
the row was deleted, and a row's id never comes back. The vector store is read first, then the registry:
a row found there that no placement knows was deleted, or is to be, and came back with a worker that was thought
dead. It can be removed at any time; nobody is about to write it, so it need not be seen twice.
The other way round, a row is lost when the registry held it for acknowledged both before and after the vector
store was read without it, and it is still a chunk: only rows that are chunks no more are ever deleted.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection

from infra import leases
from infra.database import Store
from infra.fences import Partition
from infra.leases import Task
from infra.outbox import Cause
from infra.rows import collection_rows, document_rows, placement_rows, vector_rows
from infra.rows.collection_rows import RETIRED, CollectionRow
from infra.rows.document_rows import DocumentRow
from infra.vectors.vector_store import VectorStoreError, WrongModel
from schemas.heartbeats import Counters
from schemas.records import Sources
from streams.collections import Collections
from streams.index import INDEXING

PAGE = 5_000
"""Rows compared at a time."""

BATCH = 500
"""Documents, or cached vectors, written in one transaction."""

IDLE_S = 1.0
"""How often a worker looks whether it has become the one that sweeps."""

MENDING = "vectors missing"

log = structlog.get_logger("sweeping")


@dataclass(slots=True)
class Swept:
    """What one comparison found."""

    removed: int = 0  # rows that were nobody's
    lost: int = 0  # rows that are written again
    resumed: int = 0  # documents whose work had got lost
    forgotten: int = 0  # cached vectors that went


class Sweeping:
    """Sweeps while this worker has the documents' first partition, so that one of all workers does.

    Args:
        store: The agent's store.
        collections: What is swept.
        first: The documents' first partition.
        mine: The input partitions this process owns now.
        every_s: Seconds between two comparisons.
        cache_s: Vectors nobody uses are kept so long, seconds.
        counters: Where removed rows are counted.
        now: Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        collections: Collections,
        *,
        first: Partition,
        mine: Callable[[], Collection[Partition]],
        every_s: float,
        cache_s: float,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._collections = collections
        self._first = first
        self._mine = mine
        self._every_s = every_s
        self._cache_s = cache_s
        self._counters = counters
        self._now = now

    async def run(self) -> None:
        """Sweep for ever, the first time as soon as the partition is ours."""
        while True:
            if self._first not in self._mine():
                await asyncio.sleep(IDLE_S)
                continue
            swept = await self.sweep()
            log.info("swept", removed=swept.removed, lost=swept.lost, resumed=swept.resumed)
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> Swept:
        """Compare everything once; a vector store that is away is left for the next time.

        Raises:
            WrongModel: If a collection holds vectors of another model.
        """
        swept = Swept()
        live, retired = await self._store.run(self._list)
        mine = [one.name for one in live if one.model == self._collections.model]
        try:
            for name in mine:
                await self._compare(name, swept)
            for one in retired:
                await self._retire(one.name)
        except WrongModel:
            raise
        except VectorStoreError as error:
            self._collections.doubt()
            log.warning("the vector store cannot be compared; tried again later", why=str(error))
        swept.resumed = await self._store.run(lambda: self._resume(mine))
        swept.forgotten = await self._store.run(self._forget_vectors)
        return swept

    def _list(self) -> tuple[list[CollectionRow], list[CollectionRow]]:
        with self._store.read() as connection:
            live = collection_rows.list_collections(connection)
            return live, collection_rows.list_collections(connection, (RETIRED,))

    async def _compare(self, name: str, swept: Swept) -> None:
        vectors = self._collections.vectors
        await asyncio.to_thread(self._collections.prepare, name)
        after: int | None = 0
        while after is not None:
            acknowledged = await self._store.run(lambda after=after: self._acknowledged(name, after))  # type: ignore[misc]  # mypy cannot infer the default
            there = await asyncio.to_thread(vectors.row_ids, name, after, PAGE)
            until = min((page[-1] for page in (acknowledged, there) if len(page) == PAGE), default=None)
            found = [one for one in there if until is None or one <= until]
            lost = sorted({one for one in acknowledged if until is None or one <= until} - set(found))
            unknown = await self._store.run(lambda found=found, lost=lost: self._judge(name, found, lost, swept))  # type: ignore[misc]  # as above
            if unknown:
                await asyncio.to_thread(vectors.delete, name, unknown)
                swept.removed += len(unknown)
                self._counters.vectors_removed += len(unknown)
            after = until
        await asyncio.to_thread(vectors.flush, name)

    def _acknowledged(self, name: str, after: int) -> list[int]:
        with self._store.read() as connection:
            return placement_rows.confirmed_chunks(connection, name, after, PAGE)

    def _judge(self, name: str, found: Sequence[int], lost: Sequence[int], swept: Swept) -> list[int]:
        """Have lost rows written again; return those that are nobody's."""
        for start in range(0, len(lost), BATCH):
            some = lost[start : start + BATCH]
            swept.lost += self._store.change(lambda connection, some=some: self._mend(connection, name, some))  # type: ignore[misc]  # as above
        with self._store.read() as connection:
            return placement_rows.unknown_rows(connection, name, found)

    def _mend(self, connection: Connection, name: str, row_ids: Sequence[int]) -> int:
        keys = placement_rows.documents_of_rows(connection, name, row_ids)
        documents = [document_rows.hold_document(connection, key) for key in keys]
        still = set(placement_rows.chunks_among(connection, name, row_ids))
        placement_rows.doubt(connection, name, sorted(still))
        self._record(connection, [document for document in documents if document is not None])
        return len(still)

    def _resume(self, collections: Sequence[str]) -> int:
        """Record the work of documents that have some to do and no work recorded; whatever lost it."""
        resumed = 0
        while keys := self._forgotten(collections):
            self._store.change(lambda connection, keys=keys: self._resume_some(connection, keys))  # type: ignore[misc]  # as above
            resumed += len(keys)
        return resumed

    def _forgotten(self, collections: Sequence[str]) -> list[str]:
        with self._store.read() as connection:  # what takes long holds no lock
            return placement_rows.forgotten_documents(connection, INDEXING, collections, BATCH)

    def _resume_some(self, connection: Connection, keys: Sequence[str]) -> None:
        self._record(connection, list(document_rows.known_documents(connection, keys).values()))

    def _record(self, connection: Connection, documents: Sequence[DocumentRow]) -> None:
        topic, now = self._first[0], self._now()
        leases.record(connection, [mending(document, topic, now) for document in documents], owed=False)

    def _forget_vectors(self) -> int:
        now, removed = self._now(), 0
        with self._store.read() as connection:
            unmarked = vector_rows.unmarked_orphans(connection, BATCH)
        if unmarked:
            self._store.change(lambda connection: vector_rows.follow_texts(connection, unmarked, (), now))
        while gone := self._store.change(
            lambda connection: vector_rows.remove_orphans(connection, now - self._cache_s, BATCH)
        ):
            removed += gone
        return removed

    async def _retire(self, name: str) -> None:
        await asyncio.to_thread(self._collections.vectors.drop, name)
        await self._store.run(
            lambda: self._store.change(lambda connection: placement_rows.remove_collection(connection, name))
        )


def mending(document: DocumentRow, topic: str, now: float) -> Task:
    """Make work that no input waits for; record it as not owed.

    Args:
        document: Whose rows are to be written or deleted.
        topic: Physical name of the documents topic.
        now: Unix seconds.
    """
    ((partition, following), *_) = msgspec.json.decode(document.sources, type=Sources)["documents"].items()
    cause = Cause(topic, int(partition), following - 1)  # whoever has the partition does it
    return Task(INDEXING, document.document_key, document.version, MENDING, cause, now, now)
