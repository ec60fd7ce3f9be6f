"""The index's store in pages, for commands that look at all of it while workers go on."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.chunk_rows import ChunkRow
from infra.rows.document_rows import Access, DocumentRow
from infra.rows.placement_rows import Placement
from infra.rows.product_rows import chunks as pieces
from infra.rows.review_text_rows import ReviewTextRow
from schemas.index_tables import chunks, document_labels, document_principals, documents, placements, review_texts
from schemas.tables import work

_IS_CHUNK = sa.exists().where(chunks.c.row_id == placements.c.row_id)


def document_page(connection: Connection, after: str | None, limit: int) -> list[DocumentRow]:
    """List documents in the database's order of their keys, tombstones among them.

    Args:
        connection: In a transaction.
        after: Key of the last one of the page before; none begins.
        limit: Most documents.
    """
    query = sa.select(documents).order_by(documents.c.document_key).limit(limit)
    rows = connection.execute(query if after is None else query.where(documents.c.document_key > after))
    return [DocumentRow(**row._mapping) for row in rows]


def document_versions(connection: Connection, page: int = 10_000) -> Iterator[tuple[str, int]]:
    """Yield each document's key and version."""
    query = sa.select(documents.c.document_key, documents.c.version).execution_options(yield_per=page)
    for row in connection.execute(query):
        yield row.document_key, row.version


def access_of_documents(connection: Connection, keys: Sequence[str]) -> dict[str, Access]:
    """Tell who may see some documents, and their labels, as searches read it; each list sorted."""
    principals: dict[str, list[str]] = {key: [] for key in keys}
    labels: dict[str, list[str]] = {key: [] for key in keys}
    for some in pieces(keys):
        for row in connection.execute(
            sa.select(document_principals).where(document_principals.c.document_key.in_(some))
        ):
            principals[row.document_key].append(row.principal)
        for row in connection.execute(sa.select(document_labels).where(document_labels.c.document_key.in_(some))):
            labels[row.document_key].append(row.label)
    return {key: Access(key, tuple(sorted(principals[key])), tuple(sorted(labels[key]))) for key in keys}


def chunks_by_id(connection: Connection, row_ids: Sequence[int]) -> dict[int, ChunkRow]:
    """Read chunks by their rows; those that are gone are absent."""
    found = {}
    for some in pieces(row_ids):
        for row in connection.execute(sa.select(chunks).where(chunks.c.row_id.in_(some))):
            found[row.row_id] = ChunkRow(**row._mapping)
    return found


def stray_chunks(connection: Connection, limit: int) -> list[int]:
    """List chunks of documents nobody ever heard of."""
    known = sa.exists().where(documents.c.document_key == chunks.c.document_key)
    return list(connection.scalars(sa.select(chunks.c.row_id).where(~known).order_by(chunks.c.row_id).limit(limit)))


def stray_access(connection: Connection) -> list[str]:
    """Name documents nobody ever heard of that somebody may see."""
    found: set[str] = set()
    for table in (document_principals, document_labels):
        known = sa.exists().where(documents.c.document_key == table.c.document_key)
        found.update(connection.scalars(sa.select(table.c.document_key).where(~known).distinct()))
    return sorted(found)


def review_page(connection: Connection, after: int, limit: int) -> list[ReviewTextRow]:
    """List reviews that stand, in order of their rows above one."""
    standing = sa.select(review_texts).where(review_texts.c.op == "upsert", review_texts.c.row_id > after)
    rows = connection.execute(standing.order_by(review_texts.c.row_id).limit(limit))
    return [ReviewTextRow(**row._mapping) for row in rows]


def hold_reviews(connection: Connection, row_ids: Sequence[int]) -> list[ReviewTextRow]:
    """Read those of some rows that are of reviews that stand, and keep them so until the transaction ends."""
    here = sa.and_(review_texts.c.op == "upsert", review_texts.c.row_id.in_(row_ids))
    rows = connection.execute(sa.select(review_texts).where(here).order_by(review_texts.c.row_id).with_for_update())
    return [ReviewTextRow(**row._mapping) for row in rows]


def reviews_among(connection: Connection, row_ids: Sequence[int]) -> set[int]:
    """Return those of some rows that are of reviews that stand."""
    found: set[int] = set()
    for some in pieces(row_ids):
        standing = sa.select(review_texts.c.row_id).where(review_texts.c.op == "upsert")
        found.update(connection.scalars(standing.where(review_texts.c.row_id.in_(some))))
    return found


def chunks_among(connection: Connection, row_ids: Sequence[int]) -> set[int]:
    """Return those of some rows that are chunks."""
    found: set[int] = set()
    for some in pieces(row_ids):
        found.update(connection.scalars(sa.select(chunks.c.row_id).where(chunks.c.row_id.in_(some))))
    return found


def count_rows(connection: Connection) -> tuple[int, int]:
    """Count documents, tombstones among them, and chunks."""
    counts = [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (documents, chunks)]
    return counts[0] or 0, counts[1] or 0


def count_reviews(connection: Connection) -> int:
    """Count the reviews that stand."""
    return connection.scalar(sa.select(sa.func.count()).where(review_texts.c.op == "upsert")) or 0


def count_work(connection: Connection, kind: str) -> int:
    """Count the keys for which work of a kind is recorded or in hand."""
    return connection.scalar(sa.select(sa.func.count()).select_from(work).where(work.c.kind == kind)) or 0


def count_pending(connection: Connection, collection: str) -> int:
    """Count the rows that are about to be written to a collection or deleted from it."""
    pending = sa.or_(~placements.c.confirmed, ~_IS_CHUNK)
    return connection.scalar(sa.select(sa.func.count()).where(placements.c.collection == collection, pending)) or 0


def count_unplaced(connection: Connection, collection: str) -> int:
    """Count the chunks that nobody is about to write to a collection, and that nobody has written there."""
    here = sa.exists().where(placements.c.collection == collection, placements.c.row_id == chunks.c.row_id)
    return connection.scalar(sa.select(sa.func.count()).select_from(chunks).where(~here)) or 0


def unconfirmed(connection: Connection, collection: str, after: int, limit: int) -> list[Placement]:
    """List, in order, the chunks above a row that are about to be written to a collection."""
    mine = sa.and_(placements.c.collection == collection, ~placements.c.confirmed, placements.c.row_id > after)
    query = sa.select(placements).where(mine, _IS_CHUNK).order_by(placements.c.row_id).limit(limit)
    return [Placement(**row._mapping) for row in connection.execute(query)]


def placed_in(connection: Connection, collections: Sequence[str]) -> set[str]:
    """Return those of some collections that may hold rows."""
    first = sa.select(placements.c.row_id).limit(1)
    return {name for name in collections if connection.scalar(first.where(placements.c.collection == name)) is not None}


def leftovers(connection: Connection, collection: str, limit: int) -> list[int]:
    """List rows that a collection may hold and that are no chunks any more."""
    query = sa.select(placements.c.row_id).where(placements.c.collection == collection, ~_IS_CHUNK)
    return list(connection.scalars(query.order_by(placements.c.row_id).limit(limit)))


def mark_all_indexed(connection: Connection, kind: str) -> None:
    """Say that the vectors of every document stand for which no work of a kind is recorded.

    The caller has seen that none is missing, and lets nobody change that.
    """
    recorded = sa.exists().where(work.c.kind == kind, work.c.key == documents.c.document_key)
    behind = sa.and_(documents.c.indexed_version < documents.c.version, ~recorded)
    connection.execute(documents.update().where(behind).values(indexed_version=documents.c.version))
