"""An index of some documents beside the standing one, in a folder and in memory: to try another way of cutting."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from infra.database import Waits, open_store
from infra.places import StorePlace
from infra.rows import collection_rows, placement_rows
from infra.rows.chunk_rows import ChunkRow
from infra.stores import AgentStore
from infra.vectors.exact_vectors import ExactVectors
from infra.vectors.vector_store import Floats, VectorRow
from models.ports import Embedder
from processors.documents.identity import embedded_text, hash63, labels_of, tenant_hash
from schemas.documents import Document, document_key
from streams.cli.evaluation.synthesizing import cut_readable
from streams.document_changes import DocumentChange, change_document, register, write_changes

BATCH = 64
"""Documents embedded and written together."""


class PrivateIndex:
    """Registry and words in SQLite, exact vectors in memory; searched by the same code as the standing one.

    Args:
        folder: Where the store lies; it goes with its owner.
        embedder: Of chunks.
        longest: Characters of a chunk.
        known: Vectors by hash of their text; those that are made are added, so that several indexes share them.
    """

    def __init__(self, folder: Path, embedder: Embedder, longest: int, known: dict[str, Floats]) -> None:
        self.vectors = ExactVectors()
        self._place = StorePlace("index", folder)
        self._store = open_store(self._place, Waits())
        self._embedder = embedder
        self._longest = longest
        self._known = known
        with self._store.write() as connection:
            chunking = f"private/{longest}"
            collection_rows.begin(connection, "private", embedder.identity, chunking, 0.0)
            serving = collection_rows.serving(connection)
            if serving is None:
                raise RuntimeError("a collection that was just added does not serve")
            self.collection = serving.name
        self.vectors.prepare(self.collection, embedder.identity, embedder.dimensions)

    def fill(self, documents: Iterable[Document], step: Callable[[], None]) -> None:
        """Index documents.

        Args:
            documents: Each once.
            step: Called after each.

        Raises:
            CommandError: If one is in no format we can read.
        """
        batch: list[Document] = []
        for document in documents:
            batch.append(document)
            if len(batch) == BATCH:
                self._index(batch)
                batch = []
            step()
        self._index(batch)

    def reader(self) -> AgentStore:
        """Open the store to search in."""
        return AgentStore(self._place)

    def close(self) -> None:
        """Let go of store and vectors."""
        self._store.close()
        self.vectors.close()

    def _index(self, batch: Sequence[Document]) -> None:
        changes = [self._change(document) for document in batch]
        self._embed(changes)
        rows = [row for document, change in zip(batch, changes, strict=True) for row in self._rows(document, change)]
        self.vectors.upsert(self.collection, rows)

        def write(connection: Connection) -> None:
            write_changes(connection, self._embedder.identity, changes, 0.0)
            placement_rows.confirm(connection, [(self.collection, row.row_id) for row in rows])

        self._store.change(write)

    def _change(self, document: Document) -> DocumentChange:
        key = document_key(document.tenant, document.document_id)
        changed_at = 0.0 if document.changed_at is None else document.changed_at.timestamp()
        row = register(document, key, 1, changed_at, {})
        return change_document(None, row, cut_readable(document, self._longest))

    def _embed(self, changes: Sequence[DocumentChange]) -> None:
        texts = {
            chunk.text_hash: embedded_text(change.row.title, chunk.breadcrumb, chunk.text)
            for change in changes
            for chunk in change.added
            if chunk.text_hash not in self._known
        }
        self._known.update(zip(texts, self._embedder.embed(list(texts.values())), strict=True))

    def _rows(self, document: Document, change: DocumentChange) -> list[VectorRow]:
        principals = tuple(hash63(name) for name in msgspec.json.decode(change.row.principals, type=list[str]))
        labels = tuple(hash63(label) for label in labels_of(document.metadata))
        return [self._row(chunk, tenant_hash(document.tenant), principals, labels) for chunk in change.added]

    def _row(self, chunk: ChunkRow, tenant: int, principals: tuple[int, ...], labels: tuple[int, ...]) -> VectorRow:
        vector = self._known[chunk.text_hash]
        return VectorRow(chunk.row_id, chunk.document_key, tenant, principals, labels, vector)
