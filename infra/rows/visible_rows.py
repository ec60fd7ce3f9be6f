"""What one asker may see of the index's registry: asked for every hit, whoever found it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks as pieces
from schemas.documents import is_review, review_key
from schemas.hits import ChunkPlace
from schemas.index_tables import chunks, document_labels, document_principals, documents, review_texts

REVIEWS_COMPARED = 20_000
"""Newest reviews of one product whose vectors are compared: 5 MB."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who looks, and at what.

    Args:
        principals: Whose documents may be seen; ``public`` is one like any other here.
        tenant: Whose documents, none is those without.
        labels: All of which a document must have, ``name=value``.
    """

    principals: tuple[str, ...]
    tenant: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VisibleChunk:
    """A chunk that stands and may be seen, with what is told of its document."""

    row_id: int
    chunk_id: str
    document_key: str
    document_id: str
    tenant: str | None
    title: str | None
    uri: str | None
    breadcrumb: str
    text: str


@dataclass(frozen=True, slots=True)
class VisibleReview:
    """A review that stands."""

    row_id: int
    product_id: str
    review_id: str
    title: str | None
    text: str
    rating: float | None
    at: float  # unix seconds

    @property
    def chunk_id(self) -> str:
        """Its row's id, which is another one with other words, as text."""
        return f"{self.row_id:016x}"


def load_visible(connection: Connection, row_ids: Sequence[int], asker: Asker) -> dict[int, VisibleChunk]:
    """Read the chunks that stand and that the asker may see; all others are absent."""
    found = {}
    for ids in pieces(row_ids):
        query = sa.select(
            chunks.c.row_id, chunks.c.chunk_id, chunks.c.document_key, documents.c.document_id, documents.c.tenant,
            documents.c.title, documents.c.uri, chunks.c.breadcrumb, chunks.c.text,
        ).join_from(chunks, documents, chunks.c.document_key == documents.c.document_key)  # fmt: skip
        for row in connection.execute(query.where(chunks.c.row_id.in_(ids), *_may_see(asker))):
            found[row.row_id] = VisibleChunk(**row._mapping)
    return found


def count_visible(connection: Connection, asker: Asker) -> int:
    """Count the documents that the asker may see."""
    query = sa.select(sa.func.count()).select_from(documents).where(*_may_see(asker))
    return connection.scalar(query) or 0


def load_reviews(connection: Connection, row_ids: Sequence[int], product_id: str) -> dict[int, VisibleReview]:
    """Read the reviews of a product that stand; all others are absent."""
    found = {}
    for ids in pieces(row_ids):
        query = sa.select(*(review_texts.c[name] for name in VisibleReview.__slots__)).where(
            review_texts.c.row_id.in_(ids),
            review_texts.c.product_id == product_id,
            review_texts.c.op == "upsert",
            review_texts.c.text.is_not(None),
        )
        for row in connection.execute(query):
            found[row.row_id] = VisibleReview(**row._mapping)
    return found


def review_vectors(connection: Connection, product_id: str) -> list[tuple[int, bytes]]:
    """List the vectors of a product's reviews, the newest first, with their row ids."""
    query = sa.select(review_texts.c.row_id, review_texts.c.vector).where(
        review_texts.c.product_id == product_id, review_texts.c.op == "upsert", review_texts.c.vector.is_not(None)
    )
    newest = query.order_by(review_texts.c.at.desc(), review_texts.c.row_id).limit(REVIEWS_COMPARED)
    return [(row_id, bytes(vector)) for row_id, vector in connection.execute(newest)]


def standing_places(connection: Connection, places: Collection[ChunkPlace], asker: Asker) -> set[ChunkPlace]:
    """Tell where words still stand, in chunks or in reviews, as they were read, and may be seen.

    A place outlives its row: that changes with who may see a document, the words do not.
    """
    reviews = [place for place in places if is_review(place[0])]
    standing = _standing_reviews(connection, reviews)
    for some in pieces(sorted(set(places) - set(reviews))):
        query = sa.select(chunks.c.document_key, chunks.c.chunk_id).join_from(
            chunks, documents, chunks.c.document_key == documents.c.document_key
        )
        keys, ids = zip(*some, strict=True)
        here = chunks.c.document_key.in_(set(keys)), chunks.c.chunk_id.in_(set(ids))
        standing |= {(key, chunk_id) for key, chunk_id in connection.execute(query.where(*here, *_may_see(asker)))}
    return standing.intersection(places)


def _standing_reviews(connection: Connection, places: Collection[ChunkPlace]) -> set[ChunkPlace]:
    by_row = {int(chunk_id, 16): (key, chunk_id) for key, chunk_id in places}
    standing = set()
    query = sa.select(review_texts.c.row_id, review_texts.c.product_id, review_texts.c.review_id)
    for ids in pieces(sorted(by_row)):
        here = review_texts.c.row_id.in_(ids), review_texts.c.op == "upsert"
        for row_id, product_id, review_id in connection.execute(query.where(*here)):
            key, chunk_id = by_row[row_id]
            if key == review_key(product_id, review_id):
                standing.add((key, chunk_id))
    return standing


def _may_see(asker: Asker) -> list[sa.ColumnElement[bool]]:
    theirs, labels = document_principals, document_labels
    here = documents.c.document_key
    permitted = sa.exists().where(theirs.c.document_key == here, theirs.c.principal.in_(asker.principals))
    labelled = [
        sa.exists().where(labels.c.document_key == here, labels.c.label == label) for label in set(asker.labels)
    ]
    return [documents.c.op == "upsert", documents.c.tenant.is_not_distinct_from(asker.tenant), permitted, *labelled]
