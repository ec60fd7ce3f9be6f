"""Rows of the index's chunks: what each document was cut into. They change only with their document's version."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks as pieces
from schemas.index_tables import chunks


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One chunk as it is kept."""

    row_id: int
    document_key: str
    chunk_id: str
    position: int
    breadcrumb: str
    text: str
    text_hash: str
    introduced: int


@dataclass(frozen=True, slots=True)
class Move:
    """A chunk that stands elsewhere in its document now."""

    row_id: int
    position: int


def load_chunks(connection: Connection, document_keys: Sequence[str]) -> dict[str, list[ChunkRow]]:
    """List the chunks of some documents in order; documents without any are absent."""
    found: dict[str, list[ChunkRow]] = {}
    for keys in pieces(document_keys):
        query = sa.select(chunks).where(chunks.c.document_key.in_(keys)).order_by(chunks.c.position)
        for row in connection.execute(query):
            found.setdefault(row.document_key, []).append(ChunkRow(**row._mapping))
    return found


def put_chunks(connection: Connection, rows: Sequence[ChunkRow]) -> None:
    """Write new chunks. The caller holds their documents' rows."""
    if rows:
        connection.execute(_INSERT, [{name: getattr(row, name) for name in _COLUMNS} for row in rows])


def move_chunks(connection: Connection, moves: Sequence[Move]) -> None:
    """Give chunks their new places. The caller holds their documents' rows."""
    if moves:
        connection.execute(_MOVE, [{"moved": move.row_id, "place": move.position} for move in moves])


def remove_chunks(connection: Connection, row_ids: Sequence[int]) -> None:
    """Remove chunks. The caller holds their documents' rows."""
    for some in pieces(row_ids):
        connection.execute(chunks.delete().where(chunks.c.row_id.in_(some)))


_COLUMNS = tuple(column.name for column in chunks.columns)
_INSERT = chunks.insert()
_MOVE = chunks.update().where(chunks.c.row_id == sa.bindparam("moved")).values(position=sa.bindparam("place"))
