"""Compare a collection of the vector store with the registry, while workers go on writing both.

A row is lost when the registry held it for acknowledged before the vector store was read without it, still does
after, and the vector store, asked once more, has not got it. It is nobody's when no placement knows it after it was
read and the vector store, asked once more, still has it: a placement is committed before its row is sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.rows import placement_rows
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore

PAGE = 5_000
"""Rows compared at a time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What one page has shown."""

    standing: int  # rows that both have
    lost: Sequence[int]
    nobodys: Sequence[int]


def differences(store: AgentStore, vectors: VectorStore, collection: str, page: int = PAGE) -> Iterator[Difference]:
    """Compare everything once, page by page.

    Args:
        store: The index's, to read.
        vectors: What is compared with it.
        collection: Its name; one that is not there holds nothing.
        page: Rows at a time.

    Raises:
        infra.vectors.vector_store.VectorStoreError: If the vector store does not answer.
    """
    there_at_all = collection in vectors.collections()
    after: int | None = 0
    while after is not None:
        with store.transaction() as connection:
            acknowledged = placement_rows.confirmed_chunks(connection, collection, after, page)
        there = vectors.row_ids(collection, after, page) if there_at_all else []
        until = min((ids[-1] for ids in (acknowledged, there) if len(ids) == page), default=None)
        found = [one for one in there if until is None or one <= until]
        known = [one for one in acknowledged if until is None or one <= until]
        lost = sorted(set(known) - set(found))
        with store.transaction() as connection:
            lost = placement_rows.chunks_among(connection, collection, lost)
            unknown = placement_rows.unknown_rows(connection, collection, found)
        again = vectors.vectors(collection, [*lost, *unknown]) if there_at_all and (lost or unknown) else {}
        lost = [one for one in lost if one not in again]
        yield Difference(len(known) - len(lost), lost, [one for one in unknown if one in again])
        after = until
