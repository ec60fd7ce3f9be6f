"""Bring a collection of the vector store what the registry says it lacks, beside workers that do the same."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from infra import index_pages
from infra.rows import document_rows, placement_rows, vector_rows
from infra.rows.chunk_rows import ChunkRow
from infra.rows.document_rows import DocumentRow
from infra.stores import AgentStore
from infra.vectors.vector_store import Floats, VectorRow, VectorStore
from models.ports import Embedder
from processors.documents.identity import embedded_text, hash63, tenant_hash
from streams.cli.indexes.vector_differences import differences
from streams.cli.indexes.verifying import Show
from streams.document_changes import access_of

ROWS = 256
"""Rows written in one go: enough to sort texts by length, few enough that a bar moves."""


class Filling:
    """Writes rows that are placed and not confirmed, embedding only texts without a known vector.

    A row that a worker removes while it is on its way here is removed once more: it would be nobody's.

    Args:
        reader: The index's store, to read.
        writer: The same, to write.
        vectors: The vector store.
        embedder: Of the collections' model.
        show: Told how far it is.
    """

    def __init__(
        self, reader: AgentStore, writer: AgentStore, vectors: VectorStore, embedder: Embedder, show: Show
    ) -> None:
        self.written = 0
        self.embedded = 0
        self._reader = reader
        self._writer = writer
        self._vectors = vectors
        self._embedder = embedder
        self._show = show

    def fill(self, collection: str) -> None:
        """Write all rows that are placed, then remove those that are no chunks any more.

        Raises:
            infra.errors.InfraError: If store or vector store cannot be used.
        """
        with self._reader.transaction() as connection:
            pending = index_pages.count_pending(connection, collection)
        advance, after = self._show("vectors", pending) if pending else None, 0
        while True:
            with self._reader.transaction() as connection:
                placed = index_pages.unconfirmed(connection, collection, after, ROWS)
                rows = index_pages.chunks_by_id(connection, [one.row_id for one in placed])
                keys = sorted({chunk.document_key for chunk in rows.values()})
                known = document_rows.known_documents(connection, keys)
                hashes = sorted({chunk.text_hash for chunk in rows.values()})
                vectors = vector_rows.find_vectors(connection, self._embedder.identity, hashes)
            self._write(collection, list(rows.values()), known, vectors)
            if advance is not None:
                advance(len(placed))
            if len(placed) < ROWS:
                break
            after = placed[-1].row_id
        self._remove_leftovers(collection)

    def compare(self, collection: str) -> None:
        """Have written again what the vector store lacks, and remove what is nobody's.

        Raises:
            infra.errors.InfraError: If store or vector store cannot be used.
        """
        for one in differences(self._reader, self._vectors, collection):
            if one.nobodys:
                self._vectors.delete(collection, one.nobodys)
            if one.lost:
                self._doubt(collection, one.lost)
        self.fill(collection)

    def _doubt(self, collection: str, row_ids: Sequence[int]) -> None:
        self._writer.change(lambda connection: placement_rows.doubt(connection, collection, row_ids))

    def _write(
        self,
        collection: str,
        rows: Sequence[ChunkRow],
        known: Mapping[str, DocumentRow],
        vectors: Mapping[str, Floats],
    ) -> None:
        made = self._embed(rows, known, vectors)
        vectors = {**vectors, **made}
        sent = [
            _vector_row(chunk, known[chunk.document_key], vectors[chunk.text_hash])
            for chunk in rows
            if chunk.document_key in known
        ]
        if not sent:
            return
        self._vectors.upsert(collection, sent)
        row_ids = [row.row_id for row in sent]

        def confirm(connection: Connection) -> list[int]:
            vector_rows.keep_vectors(connection, self._embedder.identity, made)
            placement_rows.confirm(connection, [(collection, row_id) for row_id in row_ids])
            return placement_rows.chunks_among(connection, collection, row_ids)

        confirmed = set(self._writer.change(confirm))
        removed = [row_id for row_id in row_ids if row_id not in confirmed]
        if removed:
            self._vectors.delete(collection, removed)
        self.written += len(confirmed)
        self.embedded += len(made)

    def _embed(
        self, rows: Sequence[ChunkRow], known: Mapping[str, DocumentRow], vectors: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        texts = {
            chunk.text_hash: embedded_text(known[chunk.document_key].title, chunk.breadcrumb, chunk.text)
            for chunk in rows
            if chunk.text_hash not in vectors and chunk.document_key in known
        }
        if not texts:
            return {}
        return dict(zip(texts, self._embedder.embed(list(texts.values())), strict=True))

    def _remove_leftovers(self, collection: str) -> None:
        while True:
            with self._reader.transaction() as connection:
                gone = index_pages.leftovers(connection, collection, ROWS)
            if not gone:
                return
            self._vectors.delete(collection, gone)
            self._forget(collection, gone)

    def _forget(self, collection: str, row_ids: Sequence[int]) -> None:
        spots = [(collection, row_id) for row_id in row_ids]
        self._writer.change(lambda connection: placement_rows.remove_placements(connection, spots))


def _vector_row(chunk: ChunkRow, document: DocumentRow, vector: Floats) -> VectorRow:
    access = access_of(document)
    return VectorRow(
        row_id=chunk.row_id,
        document_key=chunk.document_key,
        tenant=tenant_hash(document.tenant),
        principals=tuple(map(hash63, access.principals)),
        labels=tuple(map(hash63, access.labels)),
        vector=vector,
    )
