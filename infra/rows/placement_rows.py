"""Rows of what the vector store holds or may hold.

A placement is committed before its row is sent, and removed after the row was deleted there: whatever the
vector store has beyond them is nobody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks as pieces
from schemas.index_tables import chunks, documents, placements
from schemas.tables import work

Spot = tuple[str, int]
"""(collection, row_id)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """One row of one collection."""

    collection: str
    row_id: int
    document_key: str
    confirmed: bool  # the vector store has acknowledged it


def place(connection: Connection, collections: Sequence[str], rows: Sequence[tuple[int, str]]) -> None:
    """Say that rows are about to be sent to some collections.

    Args:
        connection: A write transaction that holds the rows' documents.
        collections: Their names.
        rows: Each row's id and its document's key.
    """
    new = [
        {"collection": collection, "row_id": row_id, "document_key": key, "confirmed": False}
        for collection in collections
        for row_id, key in rows
    ]
    if new:
        connection.execute(placements.insert(), new)


def place_missing(connection: Connection, collection: str) -> None:
    """Say of every chunk that a collection lacks that it is about to be sent there."""
    connection.execute(_PLACE_MISSING, {"collection": collection})


def count_missing(connection: Connection, collection: str) -> int:
    """Count the chunks that a collection does not hold for certain."""
    there = sa.and_(placements.c.collection == collection, placements.c.row_id == chunks.c.row_id)
    held = sa.exists().where(there, placements.c.confirmed)
    return connection.scalar(sa.select(sa.func.count()).select_from(chunks).where(~held)) or 0


def load_placements(
    connection: Connection, collections: Sequence[str], document_keys: Sequence[str]
) -> dict[str, list[Placement]]:
    """List the placements of some documents in some collections; documents without any are absent."""
    found: dict[str, list[Placement]] = {}
    for keys in pieces(document_keys):
        here = sa.and_(placements.c.document_key.in_(keys), placements.c.collection.in_(collections))
        query = sa.select(placements).where(here).order_by(placements.c.collection, placements.c.row_id)
        for row in connection.execute(query):
            found.setdefault(row.document_key, []).append(Placement(**row._mapping))
    return found


def confirm(connection: Connection, spots: Sequence[Spot]) -> None:
    """Say that the vector store has acknowledged rows; those that are no chunks any more are left to be removed."""
    if spots:
        connection.execute(_CONFIRM, [{"name": collection, "id": row_id} for collection, row_id in sorted(spots)])


def remove_placements(connection: Connection, spots: Sequence[Spot]) -> None:
    """Forget rows that were deleted there."""
    if spots:
        connection.execute(_REMOVE, [{"name": collection, "id": row_id} for collection, row_id in sorted(spots)])


def remove_collection(connection: Connection, collection: str) -> None:
    """Forget all rows of a collection that is gone."""
    connection.execute(placements.delete().where(placements.c.collection == collection))


def confirmed_chunks(connection: Connection, collection: str, after: int, limit: int) -> list[int]:
    """List, in order, the rows above one that are chunks and that the vector store has acknowledged."""
    query = sa.select(placements.c.row_id).join(chunks, chunks.c.row_id == placements.c.row_id)
    mine = query.where(placements.c.collection == collection, placements.c.confirmed, placements.c.row_id > after)
    return list(connection.scalars(mine.order_by(placements.c.row_id).limit(limit)))


def chunks_among(connection: Connection, collection: str, row_ids: Sequence[int]) -> list[int]:
    """Return those of some rows that are chunks and that the vector store has acknowledged, in order."""
    found: list[int] = []
    query = sa.select(placements.c.row_id).join(chunks, chunks.c.row_id == placements.c.row_id)
    for some in pieces(row_ids):
        mine = query.where(placements.c.collection == collection, placements.c.confirmed)
        found += connection.scalars(mine.where(placements.c.row_id.in_(some)))
    return sorted(found)


def unknown_rows(connection: Connection, collection: str, row_ids: Sequence[int]) -> list[int]:
    """Return those of some rows that were never, or are not any more, to be in a collection; same order."""
    known: set[int] = set()
    for some in pieces(row_ids):
        here = sa.and_(placements.c.collection == collection, placements.c.row_id.in_(some))
        known.update(connection.scalars(sa.select(placements.c.row_id).where(here)))
    return [row_id for row_id in row_ids if row_id not in known]


def documents_of_rows(connection: Connection, collection: str, row_ids: Sequence[int]) -> list[str]:
    """Name the documents whose chunks some rows are, sorted."""
    keys: set[str] = set()
    for some in pieces(row_ids):
        here = sa.and_(placements.c.collection == collection, placements.c.row_id.in_(some))
        keys.update(connection.scalars(sa.select(placements.c.document_key).where(here)))
    return sorted(keys)


def doubt(connection: Connection, collection: str, row_ids: Sequence[int]) -> None:
    """Take back that the vector store has rows. The caller holds their documents' rows."""
    for some in pieces(row_ids):
        here = sa.and_(placements.c.collection == collection, placements.c.row_id.in_(some))
        connection.execute(placements.update().where(here).values(confirmed=False))


def forgotten_documents(connection: Connection, kind: str, collections: Sequence[str], limit: int) -> list[str]:
    """Name documents with rows to be written or deleted for which no work of a kind is recorded, in order."""
    unsettled = sa.or_(~placements.c.confirmed, ~sa.exists().where(chunks.c.row_id == placements.c.row_id))
    recorded = sa.exists().where(work.c.kind == kind, work.c.key == placements.c.document_key)
    known = sa.exists().where(documents.c.document_key == placements.c.document_key)
    query = sa.select(placements.c.document_key).distinct()
    mine = query.where(placements.c.collection.in_(collections), unsettled, ~recorded, known)
    return list(connection.scalars(mine.order_by(placements.c.document_key).limit(limit)))


_CONFIRM = (
    placements.update()
    .where(
        placements.c.collection == sa.bindparam("name"),
        placements.c.row_id == sa.bindparam("id"),
        sa.exists().where(chunks.c.row_id == placements.c.row_id),
    )
    .values(confirmed=True)
)
_REMOVE = placements.delete().where(
    placements.c.collection == sa.bindparam("name"), placements.c.row_id == sa.bindparam("id")
)
_PLACE_MISSING = sa.text(
    "INSERT INTO placements (collection, row_id, document_key, confirmed) "
    "SELECT CAST(:collection AS VARCHAR), row_id, document_key, FALSE FROM chunks WHERE NOT EXISTS ("
    "SELECT 1 FROM placements WHERE placements.row_id = chunks.row_id "
    "AND placements.collection = CAST(:collection AS VARCHAR))"
)
