"""An index worker without a broker, beside a vector store in memory: on a store that others may share."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import sqlalchemy as sa

from infra import fences, leases, outbox
from infra.database import Store
from infra.outbox import Cause
from infra.rows import collection_rows
from processors.documents.identity import embedded_text, hash63, tenant_hash
from schemas.dead_letters import DeadLetter
from schemas.heartbeats import Counters
from schemas.index_tables import WORD_TABLES, chunks, documents, placements, vectors
from schemas.indexed import Indexed
from schemas.tables import GROUPS, work
from streams.collections import Collections
from streams.index import Cutter, IndexHandler
from streams.index_reviews import ReviewIndexHandler
from streams.indexing import Indexing
from streams.routing import ByTopic
from streams.sweeping import Sweeping, Swept
from streams.work import WorkLimits, WorkService
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import DEAD_LETTERS, REVIEWS, Clock, Encoder, NoPublisher, Raw, applier, never, raw, run

DOCUMENTS = "millrace.documents.v1"
INDEXED = "millrace.indexed.v1"
ZERO, ONE, REVIEW = (DOCUMENTS, 0), (DOCUMENTS, 1), (REVIEWS, 0)
CHUNKING = "test/200"
LONGEST = 200


class FakeEmbedder:
    """Unit vectors by the hash of a text; remembers what it was asked."""

    dimensions = 8

    def __init__(self, identity: str = "fake/1") -> None:
        self.identity = identity
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return np.array([self.vector(text) for text in texts], np.float32).reshape(len(texts), self.dimensions)

    def vector(self, text: str) -> np.ndarray:
        seed = hashlib.sha256(f"{self.identity}:{text}".encode()).digest()
        found = np.frombuffer(seed[: self.dimensions], np.uint8).astype(np.float32) - 127.5
        return found / np.linalg.norm(found)


class Worker:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        vectors: FakeVectorStore,
        embedder: FakeEmbedder | None = None,
        crash=never,
        owner: str = "index-0",
        chunking: str = CHUNKING,
    ) -> None:
        self.store, self.clock, self.vectors = store, clock, vectors
        self.embedder = embedder or FakeEmbedder()
        self.counters = Counters()
        handler = IndexHandler(store, Cutter(LONGEST, self.embedder.identity, chunking), topic=INDEXED, now=clock)
        reviews = ReviewIndexHandler(store, Encoder(), topic=INDEXED, now=clock)
        both = ByTopic({"documents": handler, "reviews": reviews})
        self.applier = applier(both, store, crash=crash)
        collections = Collections(vectors, self.embedder.identity, self.embedder.dimensions)
        rest = {"counters": self.counters, "now": clock}
        self.indexing = Indexing(store, self.embedder, collections, topic=INDEXED, **rest)
        self.sweeping = Sweeping(
            store, collections, first=ZERO, mine=lambda: [ZERO], every_s=600.0, cache_s=3600.0, **rest
        )
        self.service = WorkService(
            self.indexing,
            store,
            NoPublisher(),
            owner=owner,
            mine=lambda: [ZERO, ONE],
            limits=WorkLimits(batch=4, concurrency=1),
            now=clock,
            crash=crash,
        )
        self.service._release()

    def apply(self, *records: Raw) -> None:
        self.applier.apply(run(*records))

    def work(self) -> None:
        """Do what is due, once each."""

        async def go() -> None:
            while leased := self.service._lease():
                await self.service._work(leased)

        asyncio.run(go())

    def rest(self, longest_s: float = 400.0) -> None:
        """Let time pass until no work waits."""
        for _ in range(50):
            self.work()
            if not pending(self.store):
                return
            self.clock.now += longest_s
        raise AssertionError("work never ends")

    def sweep(self) -> Swept:
        return asyncio.run(self.sweeping.sweep())


def emptied(store: Store) -> Store:
    """Take every row out of every table, as a new store has none."""
    with store.write() as connection:
        for name in [*(table.name for group in GROUPS.values() for table in group.sorted_tables), *WORD_TABLES]:
            connection.execute(sa.text(f"DELETE FROM {name}"))
    return store


def prepare(store: Store, model: str = "fake/1") -> Store:
    with store.write() as connection:
        for place in (ZERO, ONE, REVIEW):
            fences.create(connection, place, 0, "cluster", "topic")
        collection_rows.begin(connection, "millrace", model, CHUNKING, 0.0)
    return store


def numbered(*values: object, partition: int = 0, start: int = 0, **changed: object) -> list[Raw]:
    return [
        raw(offset, value, topic=DOCUMENTS, partition=partition, **changed)
        for offset, value in enumerate(values, start)
    ]


def document(number: int, text: str = "One sentence about pumps.", **changed: object) -> dict:
    """A document as a producer sends it."""
    return {"document_id": f"d{number}.md", "text": text, **changed}


def deletion(number: int, revision: int = 0, **changed: object) -> dict:
    return {"document_id": f"d{number}.md", "op": "delete", "revision": revision, **changed}


def queued(store: Store, topic: str = INDEXED) -> list[outbox.Waiting]:
    with store.read() as connection:
        return outbox.for_topic(connection, topic)


def indexed(store: Store) -> list[Indexed]:
    return [msgspec.json.decode(one.output.value, type=Indexed) for one in queued(store)]


def causes(store: Store) -> list[Cause]:
    return [one.cause for one in queued(store)]


def letters(store: Store) -> list[DeadLetter]:
    return [msgspec.json.decode(one.output.value, type=DeadLetter) for one in queued(store, DEAD_LETTERS)]


def pending(store: Store) -> int:
    with store.read() as connection:
        return leases.depth(connection)


def rows(store: Store, table: sa.Table, *order: str) -> list[dict]:
    with store.read() as connection:
        names = order or tuple(column.name for column in table.primary_key.columns)
        return [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*names))]


def collection(store: Store) -> str:
    with store.read() as connection:
        found = collection_rows.serving(connection)
    assert found is not None
    return found.name


def word_ids(store: Store, table: str = "chunk_words") -> list[int]:
    """Row ids of the full text, whatever the database."""
    with store.read() as connection:
        name = "rowid" if connection.dialect.name == "sqlite" else "row_id"
        return sorted(connection.scalars(sa.text(f"SELECT {name} FROM {table}")))


def check(worker: Worker) -> None:
    """Registry, words, placements, cached vectors and vector store agree, row by row and number by number."""
    store = worker.store
    registry = {row["document_key"]: row for row in rows(store, documents)}
    standing = rows(store, chunks)
    ids = [row["row_id"] for row in standing]
    assert word_ids(store) == ids
    placed = rows(store, placements)
    assert [(row["row_id"], row["confirmed"]) for row in placed] == [(one, True) for one in ids]
    there = worker.vectors.rows(collection(store))
    assert sorted(there) == ids
    for row in standing:
        owner, found = registry[row["document_key"]], there[row["row_id"]]
        access = [msgspec.json.decode(owner["principals"]), _labels(store, row["document_key"])]
        assert (found.document_key, found.tenant) == (row["document_key"], tenant_hash(owner["tenant"]))
        assert [sorted(found.principals), sorted(found.labels)] == [sorted(map(hash63, one)) for one in access]
        text = embedded_text(owner["title"], row["breadcrumb"], row["text"])
        assert np.array_equal(found.vector, worker.embedder.vector(text))
    assert all(row["indexed_version"] == row["version"] for row in registry.values())
    used = {row["text_hash"] for row in standing}
    kept = {row["text_hash"]: row["orphaned_at"] is None for row in rows(store, vectors)}
    assert {one for one, wanted in kept.items() if wanted} == used


def _labels(store: Store, key: str) -> list[str]:
    with store.read() as connection:
        return list(
            connection.scalars(sa.text("SELECT label FROM document_labels WHERE document_key = :key"), {"key": key})
        )


def waiting(store: Store) -> list[tuple]:
    """Work that is recorded: (key, revision, reason)."""
    with store.read() as connection:
        columns = (work.c.key, work.c.revision, work.c.reason)
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(work.c.key))]
