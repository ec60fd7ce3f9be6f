"""Whether registry, words and vectors hold the chunks of some documents, each once, and nothing else."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from infra.rows import collection_rows
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from schemas.index_tables import chunks
from tests.bench.history import Chunks

PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Differences:
    """Rows that should not be there in one of the three at least, and chunks that one of them lacks."""

    stale: int
    missing: int


def compare(store: AgentStore, vectors: VectorStore, expected: Chunks) -> Differences:
    """Compare an index that is at rest with the one its final documents should have.

    Args:
        store: The index's.
        vectors: Where its vectors are.
        expected: See ``tests.bench.history.expected_chunks``.
    """
    with store.transaction() as connection:
        registry = connection.execute(sa.select(chunks)).all()
        words = set(connection.scalars(sa.text("SELECT rowid FROM chunk_words")))
        serving = collection_rows.serving(connection)
    assert serving is not None
    held = _all_rows(vectors, serving.name)
    wanted = Counter({(key, *chunk): number for key, found in expected.items() for chunk, number in found.items()})
    stale = set(words) | set(held)
    missing = 0
    for row in registry:
        chunk = (row.document_key, row.chunk_id, row.text)
        if not wanted[chunk]:
            stale.add(row.row_id)
            continue
        wanted[chunk] -= 1
        stale.discard(row.row_id)
        missing += row.row_id not in words or row.row_id not in held
    return Differences(len(stale), missing + wanted.total())


def _all_rows(vectors: VectorStore, collection: str) -> set[int]:
    found: set[int] = set()
    after = 0
    while page := vectors.row_ids(collection, after, PAGE):
        found.update(page)
        after = page[-1]
    return found
