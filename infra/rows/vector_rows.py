"""Vectors kept by the text they were made from, so that nothing is embedded twice."""

from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from infra.locking import hold
from infra.rows.product_rows import chunks as pieces
from infra.vectors.vector_store import Floats
from schemas.index_tables import chunks, vectors

_USED = sa.exists().where(chunks.c.text_hash == vectors.c.text_hash)


def find_vectors(connection: Connection, model: str, text_hashes: Sequence[str]) -> dict[str, Floats]:
    """Look the vectors of some texts up, ``(D,)`` float32 each; those unknown are absent."""
    found: dict[str, Floats] = {}
    for hashes in pieces(text_hashes):
        query = sa.select(vectors.c.text_hash, vectors.c.vector).where(vectors.c.model == model)
        for row in connection.execute(query.where(vectors.c.text_hash.in_(hashes))):
            found[row.text_hash] = np.frombuffer(row.vector, "<f4")
    return found


def keep_vectors(connection: Connection, model: str, made: Mapping[str, Floats]) -> None:
    """Keep vectors of texts that some chunk still has: of what was deleted meanwhile nothing stays.

    Args:
        connection: A write transaction.
        model: Identity of the model that made them.
        made: By hash of the text, ``(D,)`` float32 each.
    """
    used: set[str] = set()
    for hashes in pieces(list(made)):
        query = sa.select(chunks.c.text_hash).distinct().where(chunks.c.text_hash.in_(hashes))
        used.update(connection.scalars(query))
    rows = [
        {"text_hash": text_hash, "model": model, "vector": made[text_hash].astype("<f4").tobytes()}
        for text_hash in sorted(used)
    ]
    if rows:
        connection.execute(_KEEP, rows)


def follow_texts(connection: Connection, gone: Sequence[str], come: Sequence[str], now: float) -> None:
    """Let vectors follow the texts of chunks: those nobody has any more may go later, those used again stay.

    Args:
        connection: A write transaction, after it has changed chunks.
        gone: Hashes of texts that some chunk had.
        come: Hashes of texts that some chunk has now.
        now: Unix seconds.
    """
    touched = sorted({*gone, *come})
    for hashes in pieces(touched):
        here = vectors.c.text_hash.in_(hashes)
        if hold(connection, vectors.c.text_hash, here):
            orphaned = sa.case((_USED, None), else_=sa.func.coalesce(vectors.c.orphaned_at, now))
            connection.execute(vectors.update().where(here).values(orphaned_at=orphaned))


def unmarked_orphans(connection: Connection, limit: int) -> list[str]:
    """Find texts nobody has any more whose vectors are not marked: two workers may miss what neither sees."""
    query = sa.select(vectors.c.text_hash).where(vectors.c.orphaned_at.is_(None), ~_USED)
    return list(connection.scalars(query.limit(limit)))


def remove_orphans(connection: Connection, before: float, limit: int) -> int:
    """Remove vectors that nobody has used since a time, unix seconds; returns how many rows went."""
    due = sa.and_(vectors.c.orphaned_at < before, ~_USED)
    hashes = list(connection.scalars(sa.select(vectors.c.text_hash).where(due).order_by("text_hash").limit(limit)))
    removed = 0
    for some in pieces(hashes):
        query = vectors.delete().where(vectors.c.text_hash.in_(some), due)
        removed += connection.execute(query).rowcount
    return removed


_KEEP = sa.text(
    "INSERT INTO vectors (text_hash, model, vector) VALUES (:text_hash, :model, :vector) ON CONFLICT DO NOTHING"
)
