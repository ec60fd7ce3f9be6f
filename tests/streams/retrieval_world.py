"""A small index: a store that is written by hand, and a vector store that says whatever it is told to."""

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from infra.database import Store
from infra.vectors.vector_store import VectorHit, VectorQuery, VectorRow
from infra.words.words import ReviewWordRow, WordRow, drop_review_words, drop_words, put_review_words, put_words
from models.sentence_table import SentenceTable
from processors.documents.identity import hash63, tenant_hash
from schemas.documents import document_key
from schemas.index_tables import (
    chunks,
    collections,
    document_labels,
    document_principals,
    documents,
    index,
    review_texts,
)
from streams.retrieval import Retrieval
from tests.fake_vectors import FakeVectorStore

COLLECTION = "c"
MODEL = "bag/fp32/g1/0"
ENCODER = SentenceTable.load()
DIMENSIONS = 64


class BagOfWords:
    """Embeds a text as its words, each in a place of its own chance; remembers what it was asked."""

    identity = "bag/int8/g1/0"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        rows = np.full((len(texts), DIMENSIONS), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class BlindVectors(FakeVectorStore):
    """Finds rows whoever asks and whatever for, also those that were deleted."""

    def delete(self, collection: str, row_ids: Sequence[int]) -> None:
        pass

    def search(self, collection: str, query: VectorQuery) -> list[VectorHit]:
        rows = self.rows(collection).values()
        hits = [VectorHit(row.row_id, float(np.dot(row.vector, query.vector))) for row in rows]
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.row_id))[: query.limit]


@dataclass
class IndexWorld:
    """Writes what the index agent would, vectors at once."""

    store: Store
    vectors: FakeVectorStore
    embedder: BagOfWords = field(default_factory=BagOfWords)
    rows: dict[str, list[int]] = field(default_factory=dict)
    fresh: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    def __post_init__(self) -> None:
        self.vectors.prepare(COLLECTION, MODEL, DIMENSIONS)
        with self.store.write() as connection:
            for table in index.sorted_tables:
                connection.execute(table.delete())
            drop_words(connection, range(1, 1_000))
            drop_review_words(connection, range(1, 1_000))
            row = {"name": COLLECTION, "model": MODEL, "chunking": "1", "state": "serving", "created_at": 0.0}
            connection.execute(collections.insert().values(**row))

    def retrieval(self, **changed) -> Retrieval:
        parts = {"vectors": self.vectors, "embedder": self.embedder, "encoder": ENCODER} | changed
        return Retrieval(self.store.read, **parts)

    def put(
        self,
        document_id: str,
        *texts: str,
        to: Sequence[str] = ("public",),
        tenant: str | None = None,
        labels: Sequence[str] = (),
        title: str | None = None,
        vectors: bool = True,
    ) -> list[int]:
        """Write a document over what it was; returns the rows of its chunks."""
        key = document_key(tenant, document_id)
        row_ids = [self.fresh() for _ in texts]
        with self.store.write() as connection:
            self._remove(connection, key)
            connection.execute(documents.insert().values(**_document(key, document_id, tenant, title)))
            for principal in set(to):
                connection.execute(document_principals.insert().values(document_key=key, principal=principal))
            for label in set(labels):
                connection.execute(document_labels.insert().values(document_key=key, label=label))
            names = chunk_ids(texts)
            for position, (row_id, name, text) in enumerate(zip(row_ids, names, texts, strict=True)):
                connection.execute(chunks.insert().values(**_chunk(row_id, key, name, position, text)))
            put_words(connection, [WordRow(row, title or "", text) for row, text in zip(row_ids, texts, strict=True)])
        old, self.rows[key] = self.rows.get(key, []), row_ids
        if vectors:
            hashes = (tenant_hash(tenant), tuple(map(hash63, to)), tuple(map(hash63, labels)))
            rows = [
                VectorRow(row_id, key, *hashes, vector)
                for row_id, vector in zip(row_ids, BagOfWords().embed(texts), strict=True)
            ]
            self.vectors.upsert(COLLECTION, rows)
            self.vectors.delete(COLLECTION, old)
        return row_ids

    def delete(self, document_id: str, tenant: str | None = None, *, vectors: bool = True) -> None:
        key = document_key(tenant, document_id)
        with self.store.write() as connection:
            self._remove(connection, key)
            connection.execute(
                documents.insert().values(**_document(key, document_id, tenant, None) | {"op": "delete"})
            )
        rows = self.rows.pop(key, [])
        if vectors:
            self.vectors.delete(COLLECTION, rows)

    def review(self, product_id: str, review_id: str, text: str | None, rating: float = 4.0, title: str = "") -> int:
        row_id = self.fresh()
        vector = None if text is None else ENCODER.encode([f"{title} {text}"])[0].tobytes()
        with self.store.write() as connection:
            connection.execute(
                review_texts.insert().values(
                    product_id=product_id, review_id=review_id, row_id=row_id, revision=1, version=1,
                    op="delete" if text is None else "upsert", title=title or None, text=text, rating=rating,
                    at=1_700_000_000.0 + row_id, vector=vector,
                )
            )  # fmt: skip
            if text is not None:
                put_review_words(connection, [ReviewWordRow(row_id, product_id, title, text)])
        return row_id

    def _remove(self, connection, key: str) -> None:
        drop_words(connection, self.rows.get(key, []))
        for table in (chunks, documents, document_principals, document_labels):
            connection.execute(table.delete().where(table.c.document_key == key))


def _document(key: str, document_id: str, tenant: str | None, title: str | None) -> dict:
    return {
        "document_key": key, "document_id": document_id, "tenant": tenant, "revision": 1, "version": 1, "op": "upsert",
        "title": title, "uri": f"file:{document_id}", "principals": b"[]", "metadata": b"{}", "changed_at": 0.0,
        "indexed_version": 1, "sources": b"{}",
    }  # fmt: skip


def chunk_ids(texts: Sequence[str]) -> list[str]:
    """Name chunks by their words, and equal ones by how many stand before."""
    return [f"{text}#{texts[:place].count(text)}" for place, text in enumerate(texts)]


def _chunk(row_id: int, key: str, chunk_id: str, position: int, text: str) -> dict:
    return {
        "row_id": row_id, "document_key": key, "chunk_id": chunk_id, "position": position,
        "breadcrumb": "Guide > Start", "text": text, "text_hash": text, "introduced": 1,
    }  # fmt: skip
