"""Remove by hand what the index itself keeps of a deleted document for a while, or cannot know of."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows import placement_rows, vector_rows
from infra.rows.collection_rows import BUILDING, RETIRED, SERVING, CollectionRow, list_collections
from infra.rows.product_rows import chunks as pieces
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from infra.words import words
from schemas.index_tables import chunks, placements

PAGE = 500
"""Vectors removed in one transaction: workers wait meanwhile."""

EVER = 1e18
"""Unix seconds after everything."""


def existing_collections(connection: Connection, vectors: VectorStore) -> list[CollectionRow]:
    """List our collections that the vector store has: one is made when it is first used, and a retired one dropped."""
    there = set(vectors.collections())
    return [one for one in list_collections(connection, (SERVING, BUILDING, RETIRED)) if one.name in there]


def purge_vectors(store: AgentStore) -> int:
    """Remove vectors of texts that no document has any more: they are kept for a while to be used again.

    Args:
        store: The index's, to be written.

    Returns:
        How many went, whosever they were: an older version's cannot be told from others.
    """
    removed = 0
    while store.change(_mark):
        pass
    while gone := store.change(lambda connection: vector_rows.remove_orphans(connection, EVER, PAGE)):
        removed += gone
    return removed


def _mark(connection: Connection) -> int:
    unmarked = vector_rows.unmarked_orphans(connection, PAGE)
    vector_rows.follow_texts(connection, unmarked, (), 0.0)
    return len(unmarked)


def purge_words(reading: AgentStore, writing: AgentStore) -> None:
    """Remove words of chunks that are gone: there should be none, and whose they were cannot be told.

    Args:
        reading: The index's store, read only: the search takes no lock.
        writing: The same, to be written.
    """
    with reading.transaction() as connection:
        strays = words.count_stray_words(connection)
    if strays:
        writing.change(words.drop_stray_words)


def purge_rows(open_store: Callable[[], AgentStore], writing: AgentStore, vectors: VectorStore, key: str) -> None:
    """Remove a document's rows of the vector store that are nobody's: no worker would, until the next sweep.

    They were brought back by a worker that was thought dead, or are of a collection that waits to be dropped.
    The vector store is read first, then the registry, as when it sweeps: no row is about to be written then.

    Args:
        open_store: Opens the index's store to be read.
        writing: The same, to be written.
        vectors: The vector store.
        key: The document's.

    Raises:
        VectorStoreError: If the vector store does not answer.
    """
    with open_store().transaction() as connection:
        collections = existing_collections(connection, vectors)
    for one in collections:
        there = vectors.of_document(one.name, key)
        with open_store().transaction() as connection:
            unwanted = _unwanted(connection, one, there)
        if unwanted:
            vectors.delete(one.name, unwanted)
    retired = [one.name for one in collections if one.state == RETIRED]
    if retired:
        writing.change(lambda connection: _forget(connection, retired, key))


def _unwanted(connection: Connection, collection: CollectionRow, row_ids: Sequence[int]) -> list[int]:
    if collection.state != RETIRED:
        return placement_rows.unknown_rows(connection, collection.name, row_ids)
    standing: set[int] = set()
    for some in pieces(row_ids):
        standing |= set(connection.scalars(sa.select(chunks.c.row_id).where(chunks.c.row_id.in_(some))))
    return [row_id for row_id in row_ids if row_id not in standing]


def _forget(connection: Connection, retired: Sequence[str], key: str) -> None:
    here = (placements.c.collection.in_(retired), placements.c.document_key == key)
    standing = sa.select(chunks.c.row_id).where(chunks.c.document_key == key)
    connection.execute(placements.delete().where(*here, placements.c.row_id.not_in(standing)))
