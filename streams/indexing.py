"""Keep the vector store like the registry, off the stream: embed, write what is new, then delete what is gone."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog
from sqlalchemy import Connection

from infra.database import Store
from infra.leases import Leased
from infra.outbox import Output
from infra.rows import chunk_rows, collection_rows, document_rows, placement_rows, vector_rows
from infra.rows.chunk_rows import ChunkRow
from infra.rows.collection_rows import CollectionMismatch
from infra.rows.document_rows import DocumentRow
from infra.rows.placement_rows import Placement, Spot
from infra.vectors.vector_store import Floats, VectorRow, VectorStoreError, VectorStoreFailed, WrongModel
from models.ports import Embedder
from processors.documents.identity import embedded_text, hash63, tenant_hash
from schemas.heartbeats import Counters
from schemas.indexed import Indexed
from schemas.records import Sources
from streams.collections import Collections
from streams.document_changes import access_of
from streams.index import INDEXING
from streams.indexed_records import publishable, revision_of
from streams.work import Failed

SLICE = 256
"""Texts embedded in one call: enough to sort by length, few enough that a stopping worker does not wait for long."""

log = structlog.get_logger("indexing")


@dataclass(frozen=True, slots=True)
class IndexJob:
    """One document's rows as they stand, and those that the vector store may hold."""

    leased: Leased
    document: DocumentRow | None  # none when it was erased
    chunks: Mapping[int, ChunkRow]  # by row id
    placements: Sequence[Placement]
    mine: frozenset[str]  # collections of our model; of others rows are only deleted
    vectors: Mapping[str, Floats]  # already known, by hash of the text

    @property
    def wanted(self) -> list[Placement]:
        """Rows to be written."""
        return [
            one
            for one in self.placements
            if not one.confirmed and one.row_id in self.chunks and one.collection in self.mine
        ]

    @property
    def gone(self) -> list[Placement]:
        """Rows to be deleted."""
        return [one for one in self.placements if one.row_id not in self.chunks]

    @property
    def unknown_texts(self) -> dict[str, str]:
        """Texts to be embedded, by their hash."""
        title = None if self.document is None else self.document.title
        chunks = (self.chunks[one.row_id] for one in self.wanted)
        return {
            chunk.text_hash: embedded_text(title, chunk.breadcrumb, chunk.text)
            for chunk in chunks
            if chunk.text_hash not in self.vectors
        }


@dataclass(frozen=True, slots=True)
class Stored:
    """What the vector store has acknowledged for one document."""

    vectors: Mapping[str, Floats]  # that were not known before, by hash of the text
    embedded: int  # of them; the others came with another document at the same time
    written: Sequence[Spot]
    deleted: Sequence[Spot]


@dataclass(slots=True)
class IndexChange:
    """What a result writes; see ``streams.work.Change``."""

    key: str
    version: int
    model: str
    stored: Stored
    counters: Counters = field(repr=False)

    def write(self, connection: Connection) -> None:
        """Keep the vectors, and say which rows are there; the document's row is held."""
        vector_rows.keep_vectors(connection, self.model, self.stored.vectors)
        placement_rows.confirm(connection, self.stored.written)
        placement_rows.remove_placements(connection, self.stored.deleted)
        document_rows.mark_indexed(connection, self.key, self.version)

    def committed(self) -> None:
        """Count what was done."""
        self.counters.vectors_written += len(self.stored.written)
        self.counters.vectors_removed += len(self.stored.deleted)


class Indexing:
    """Embeds chunks and keeps the vector store like the registry; see ``streams.work.Performer``.

    Rows are written before others are deleted: a document that is edited can be found all the time. A row's id
    never comes back, so what is deleted here may be deleted at any time, and twice; and a row that is written
    too late, by a worker that was thought dead, is one that no placement knows: the sweeper takes it away.

    Args:
        store: The agent's store.
        embedder: Makes vectors.
        collections: Where rows go.
        topic: Physical name of the indexed topic.
        counters: Where texts and rows are counted.
        now: Unix seconds.
    """

    kind = INDEXING

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        collections: Collections,
        *,
        topic: str,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._collections = collections
        self._topic = topic
        self._counters = counters
        self._now = now

    def prepare(self, leased: Sequence[Leased]) -> list[IndexJob]:
        """Load what stands of each document, what the vector store may hold of it, and vectors known already.

        Raises:
            infra.rows.collection_rows.CollectionMismatch: If the index was rebuilt with another model.
        """
        keys = [one.key for one in leased]
        with self._store.read() as connection:
            live = collection_rows.list_collections(connection)
            documents = document_rows.known_documents(connection, keys)
            chunks = chunk_rows.load_chunks(connection, keys)
            placements = placement_rows.load_placements(connection, [one.name for one in live], keys)
            unconfirmed = {one.row_id for some in placements.values() for one in some if not one.confirmed}
            hashes = {one.text_hash for some in chunks.values() for one in some if one.row_id in unconfirmed}
            vectors = vector_rows.find_vectors(connection, self._embedder.identity, sorted(hashes))
        mine = frozenset(one.name for one in live if one.model == self._embedder.identity)
        if live and not mine:
            raise CollectionMismatch(live[0], self._embedder.identity, live[0].chunking)
        return [
            IndexJob(
                leased=one,
                document=documents.get(one.key),
                chunks={chunk.row_id: chunk for chunk in chunks.get(one.key, ())},
                placements=placements.get(one.key, ()),
                mine=mine,
                vectors=vectors,
            )
            for one in leased
        ]

    async def call(self, jobs: Sequence[IndexJob]) -> list[Stored | Failed]:
        """Embed all texts that are not known, then write and delete."""
        texts = {text_hash: text for job in jobs for text_hash, text in job.unknown_texts.items()}
        embedded = await self._embed(texts)
        self._counters.chunks_embedded += len(texts)
        self._counters.chunks_reused += sum(len(job.wanted) for job in jobs) - len(texts)
        stored = _stored(jobs, embedded)
        return await asyncio.to_thread(self._send, jobs, stored)

    async def _embed(self, texts: Mapping[str, str]) -> dict[str, Floats]:
        hashes = list(texts)
        found: dict[str, Floats] = {}
        for start in range(0, len(hashes), SLICE):
            some = hashes[start : start + SLICE]
            vectors = await asyncio.to_thread(self._embedder.embed, [texts[one] for one in some])
            found.update(zip(some, vectors, strict=True))
        return found

    def _send(self, jobs: Sequence[IndexJob], stored: Sequence[Stored]) -> list[Stored | Failed]:
        """Write and delete everything at once; what is refused then document by document, so that one delays none."""
        try:
            self._send_all(jobs, stored)
        except WrongModel:  # trying again does not help
            raise
        except VectorStoreError as error:
            self._collections.doubt()
            if isinstance(error, VectorStoreFailed) and len(jobs) > 1:
                pairs = zip(jobs, stored, strict=True)
                return [outcome for job, one in pairs for outcome in self._send([job], [one])]
            log.warning("the vector store cannot be used; tried again later", documents=len(jobs), why=str(error))
            return [Failed(str(error), None) for _ in jobs]
        return list(stored)

    def _send_all(self, jobs: Sequence[IndexJob], stored: Sequence[Stored]) -> None:
        rows: dict[str, list[VectorRow]] = {}
        gone: dict[str, list[int]] = {}
        for job, one in zip(jobs, stored, strict=True):
            for collection, row in _rows(job, one):
                rows.setdefault(collection, []).append(row)
            for collection, row_id in one.deleted:
                gone.setdefault(collection, []).append(row_id)
        for collection in sorted(jobs[0].mine & (rows.keys() | gone.keys())):
            self._collections.prepare(collection)
        for collection, some in rows.items():
            self._collections.vectors.upsert(collection, some)
        for collection, row_ids in gone.items():
            self._collections.vectors.delete(collection, row_ids)

    def paid(self, outcome: Stored) -> Stored:
        """Return the outcome: there is no ledger of vectors, they are found by their text."""
        return outcome

    def settle(self, connection: Connection, outcome: Stored) -> None:
        """Do nothing: vectors are kept with the result, and only of texts that still stand."""

    def stands(self, connection: Connection, job: IndexJob) -> bool:
        """Tell whether the document was not erased since it was read; that it moved on does not matter."""
        return document_rows.hold_document(connection, job.leased.key) is not None or job.document is None

    def decide(self, job: IndexJob, outcome: Stored) -> tuple[IndexChange, Output | None]:
        """Say what stands of the version that was leased; work of a newer one has been recorded with it."""
        version = job.leased.revision if job.document is None else job.document.version
        change = IndexChange(job.leased.key, version, self._embedder.identity, outcome, self._counters)
        return change, None if job.document is None else self._output(job, job.document, outcome)

    def _output(self, job: IndexJob, document: DocumentRow, outcome: Stored) -> Output:
        indexed = Indexed(
            document_id=document.document_id,
            tenant=document.tenant,
            revision=revision_of(document.version, vectors=True),
            document_revision=document.revision,
            op="delete" if document.op == "delete" else "upsert",
            chunks=len(job.chunks),
            embedded=outcome.embedded,
            removed=len({row_id for _, row_id in outcome.deleted}),
            sources=msgspec.json.decode(document.sources, type=Sources),
            indexed_at=datetime.fromtimestamp(self._now(), UTC),
        )
        return publishable(self._topic, indexed, job.leased.trace)


def _stored(jobs: Sequence[IndexJob], embedded: Mapping[str, Floats]) -> list[Stored]:
    """Say what will have been stored for each document; a text that several share was embedded for the first."""
    left, stored = set(embedded), []
    for job in jobs:
        texts = job.unknown_texts.keys()
        written = [(one.collection, one.row_id) for one in job.wanted]
        deleted = [(one.collection, one.row_id) for one in job.gone]
        stored.append(Stored({one: embedded[one] for one in texts}, len(texts & left), written, deleted))
        left -= texts
    return stored


def _rows(job: IndexJob, stored: Stored) -> list[tuple[str, VectorRow]]:
    """Make the rows of one document, each with its collection."""
    if job.document is None:
        return []
    access, tenant = access_of(job.document), tenant_hash(job.document.tenant)
    principals, labels = tuple(map(hash63, access.principals)), tuple(map(hash63, access.labels))
    vectors = {**job.vectors, **stored.vectors}
    return [
        (collection, VectorRow(row_id, job.document.document_key, tenant, principals, labels, vectors[text_hash]))
        for collection, row_id in stored.written
        for text_hash in [job.chunks[row_id].text_hash]
    ]
