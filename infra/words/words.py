"""Full text of chunks and reviews, written in the transaction that changes them: FTS5 in SQLite, tsvector in Postgres.

Whoever may see a chunk is asked in the same statement, so that the best hits are the best permitted ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks
from infra.words import words_postgres, words_sqlite


@dataclass(frozen=True, slots=True)
class WordRow:
    """The words of one chunk.

    Args:
        row_id: As in the registry's table ``chunks``.
        title: The document's title and the headings above the chunk; counts three times.
        body: The chunk itself.
    """

    row_id: int
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class ReviewWordRow:
    """The words of one review; see ``WordRow``."""

    row_id: int
    product_id: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What is looked for, and for whom.

    Args:
        terms: Words, one is enough; see ``processors.search.terms``. Nothing in them has a meaning of its own.
        limit: Most hits.
        principals: Only what one of these may see; whoever is meant by ``public`` has it among them.
        tenant: Only documents of this one; none is those without.
        labels: Only documents with all of these, ``name=value``.
    """

    terms: tuple[str, ...]
    limit: int
    principals: tuple[str, ...]
    tenant: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WordHit:
    """A row that has some of the words; the greater the score, the better it fits. Scores of two queries, or of two
    databases, cannot be compared."""

    row_id: int
    score: float


def put_words(connection: Connection, rows: Sequence[WordRow]) -> None:
    """Write the words of chunks; a row that is there is replaced."""
    _dialect(connection).put(connection, "chunk_words", _values(rows))


def differing_words(connection: Connection, rows: Sequence[WordRow]) -> dict[int, bool]:
    """Return the chunks whose words are not as ``put_words`` would write them, and whether they have any."""
    found: dict[int, bool] = _dialect(connection).differing(connection, "chunk_words", _values(rows))
    return found


def page_of_words(connection: Connection, table: str, after: int, limit: int) -> list[int]:
    """List row ids of ``chunk_words`` or ``review_words`` above one, in order."""
    name = _dialect(connection).ROW_ID
    query = f"SELECT {name} FROM {table} WHERE {name} > :after ORDER BY {name} LIMIT :limit"  # noqa: S608 - names of ours
    return list(connection.scalars(sa.text(query), {"after": after, "limit": limit}))


def drop_words(connection: Connection, row_ids: Sequence[int]) -> None:
    """Remove the words of chunks; rows that are not there do not matter."""
    _drop(connection, "chunk_words", row_ids)


def count_words(connection: Connection, row_ids: Sequence[int]) -> int:
    """Count those of some chunks whose words are there."""
    return _count(connection, "chunk_words", row_ids)


def count_stray_words(connection: Connection) -> int:
    """Count rows of words that are no chunk's any more: they belong to nobody, and should not be there."""
    name = _dialect(connection).ROW_ID
    query = f"SELECT count(*) FROM chunk_words WHERE {name} NOT IN (SELECT row_id FROM chunks)"  # noqa: S608 - as above
    return connection.scalar(sa.text(query)) or 0


def drop_stray_words(connection: Connection) -> None:
    """Remove rows of words that are no chunk's any more: a row's id never comes back."""
    name = _dialect(connection).ROW_ID
    query = f"DELETE FROM chunk_words WHERE {name} NOT IN (SELECT row_id FROM chunks)"  # noqa: S608 - as above
    connection.execute(sa.text(query))


def count_review_words(connection: Connection, row_ids: Sequence[int]) -> int:
    """Count those of some rows of reviews whose words are there."""
    return _count(connection, "review_words", row_ids)


def _count(connection: Connection, table: str, row_ids: Sequence[int]) -> int:
    name = _dialect(connection).ROW_ID
    query = f"SELECT count(*) FROM {table} WHERE {name} IN :ids"  # noqa: S608 - names of ours
    statement = sa.text(query).bindparams(sa.bindparam("ids", expanding=True))
    return sum(connection.scalar(statement, {"ids": list(ids)}) or 0 for ids in chunks(row_ids))


def find_words(connection: Connection, query: WordQuery) -> list[WordHit]:
    """Return the permitted chunks that fit best, best first, equal ones by row id; none without terms."""
    if not query.terms or not query.principals:
        return []
    found = _dialect(connection).find(
        connection, query.terms, query.limit, query.principals, query.tenant, query.labels
    )
    return [WordHit(row_id, score) for row_id, score in found]


def put_review_words(connection: Connection, rows: Sequence[ReviewWordRow]) -> None:
    """Write the words of reviews; a row that is there is replaced."""
    _dialect(connection).put(connection, "review_words", _review_values(rows))


def differing_review_words(connection: Connection, rows: Sequence[ReviewWordRow]) -> dict[int, bool]:
    """Return the reviews whose words are not as ``put_review_words`` would write them, and whether they have any."""
    found: dict[int, bool] = _dialect(connection).differing(connection, "review_words", _review_values(rows))
    return found


def drop_review_words(connection: Connection, row_ids: Sequence[int]) -> None:
    """Remove the words of reviews; rows that are not there do not matter."""
    _drop(connection, "review_words", row_ids)


def find_review_words(connection: Connection, product_id: str, terms: Sequence[str], limit: int) -> list[WordHit]:
    """Return the reviews of one product that fit best, best first; those of others are never looked at."""
    if not terms:
        return []
    found = _dialect(connection).find_of_entity(connection, entity_token(product_id), terms, limit)
    return [WordHit(row_id, score) for row_id, score in found]


def entity_token(product_id: str) -> str:
    """Name a product by one word that no text has by chance.

    Example:
        >>> entity_token("B001"), len(entity_token("any other"))
        ('pa6b7a62e8b96790ba7b7101b', 25)
    """
    return "p" + hashlib.blake2b(product_id.encode(), digest_size=12).hexdigest()


def _values(rows: Sequence[WordRow]) -> list[dict[str, object]]:
    return [{"row_id": row.row_id, "title": row.title, "body": row.body} for row in rows]


def _review_values(rows: Sequence[ReviewWordRow]) -> list[dict[str, object]]:
    return [
        {"row_id": row.row_id, "entity": entity_token(row.product_id), "title": row.title, "body": row.body}
        for row in rows
    ]


def _drop(connection: Connection, table: str, row_ids: Sequence[int]) -> None:
    name = _dialect(connection).ROW_ID
    query = f"DELETE FROM {table} WHERE {name} IN :ids"  # noqa: S608 - names of ours
    statement = sa.text(query).bindparams(sa.bindparam("ids", expanding=True))
    for ids in chunks(row_ids):
        connection.execute(statement, {"ids": list(ids)})


def _dialect(connection: Connection) -> ModuleType:
    return words_postgres if connection.dialect.name == "postgresql" else words_sqlite
