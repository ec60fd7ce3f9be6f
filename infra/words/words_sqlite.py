"""Full text in SQLite's FTS5: words stemmed by Porter, ranked by BM25."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.words.word_choice import BUDGET, Choice, choose

ROW_ID = "rowid"
Found = list[tuple[int, float]]

_PUT = {
    "chunk_words": sa.text("INSERT OR REPLACE INTO chunk_words (rowid, title, body) VALUES (:row_id, :title, :body)"),
    "review_words": sa.text(
        "INSERT OR REPLACE INTO review_words (rowid, entity, title, body) VALUES (:row_id, :entity, :title, :body)"
    ),
}
_COUNT = sa.text("SELECT count(*) FROM (SELECT 1 FROM chunk_words WHERE chunk_words MATCH :expression LIMIT :most)")
# CROSS JOIN keeps the order: FTS5 hands out rows best first, and each is looked at until enough are permitted.
_FIND = (
    "SELECT chunk_words.rowid, -chunk_words.rank FROM chunk_words "
    "CROSS JOIN chunks ON chunks.row_id = chunk_words.rowid "
    "CROSS JOIN documents ON documents.document_key = chunks.document_key "
    "WHERE chunk_words MATCH :expression AND chunk_words.rank MATCH 'bm25(3.0, 1.0)' AND documents.tenant IS :tenant "
    "AND EXISTS (SELECT 1 FROM document_principals AS theirs "
    "WHERE theirs.document_key = chunks.document_key AND theirs.principal IN :principals) "
)
_LABELLED = (
    "AND :labels = (SELECT count(*) FROM document_labels AS theirs "
    "WHERE theirs.document_key = chunks.document_key AND theirs.label IN :label) "
)
_BEST = "ORDER BY chunk_words.rank LIMIT :most"
_FIND_OF_ENTITY = sa.text(
    "SELECT rowid, -rank FROM review_words WHERE review_words MATCH :expression "
    "AND rank MATCH 'bm25(0.0, 3.0, 1.0)' ORDER BY rank LIMIT :most"
)


def put(connection: Connection, table: str, values: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, each with ``row_id`` and the columns of its table."""
    if values:
        connection.execute(_PUT[table], list(values))


def differing(connection: Connection, table: str, values: Sequence[Mapping[str, Any]]) -> dict[int, bool]:
    """Return those of some rows that are not there as ``put`` would write them, and whether there is any at all."""
    names = [name for name in values[0] if name != "row_id"] if values else []
    query = f"SELECT rowid, {', '.join(names)} FROM {table} WHERE rowid = :row_id"  # noqa: S608 - names of ours
    found = {}
    for row in values:
        there = connection.execute(sa.text(query), {"row_id": row["row_id"]}).first()
        if there is None or tuple(there) != (row["row_id"], *(row[name] for name in names)):
            found[row["row_id"]] = there is not None
    return found


def find(
    connection: Connection,
    terms: Sequence[str],
    most: int,
    principals: Sequence[str],
    tenant: str | None,
    labels: Sequence[str],
) -> Found:
    """Return the best permitted chunks; see ``infra.words.words.find_words``."""
    rows = {term: _count(connection, quoted(term)) for term in dict.fromkeys(terms)}
    choice = choose(rows, lambda some: _count(connection, all_of(some)))
    query = _FIND + (_LABELLED if labels else "") + _BEST
    statement = sa.text(query).bindparams(sa.bindparam("principals", expanding=True))
    values: dict[str, Any] = {"tenant": tenant, "principals": list(principals), "most": most}
    if labels:
        wanted = sorted(set(labels))
        statement = statement.bindparams(sa.bindparam("label", expanding=True))
        values |= {"labels": len(wanted), "label": wanted}
    found = (
        _run(connection, statement, {**values, "expression": expression(choice, list(rows))}) if choice.terms else []
    )
    if len(found) < most and not choice.complete:  # they see few of the rows that were ranked: rank all
        found = _run(connection, statement, {**values, "expression": any_of(rows)})
    return found


def find_of_entity(connection: Connection, entity: str, terms: Sequence[str], most: int) -> Found:
    """Return the best rows of one entity; see ``infra.words.words.find_review_words``."""
    within = f"(entity : {quoted(entity)}) AND ({{title body}} : ({any_of(terms)}))"
    return _run(connection, _FIND_OF_ENTITY, {"expression": within, "most": most})


def expression(choice: Choice, terms: Sequence[str]) -> str:
    """Write what FTS5 is to match: rows of the choice, all words of the query counting in the score.

    Example:
        >>> expression(Choice(("b",), False, False), ["a", "b"])
        '("b") AND ("a" OR "b")'
        >>> expression(Choice(("a", "b"), False, True), ["a", "b"])
        '"a" OR "b"'
    """
    if choice.complete:
        return any_of(choice.terms)
    chosen = all_of(choice.terms) if choice.every else any_of(choice.terms)
    return f"({chosen}) AND ({any_of(terms)})"


def any_of(terms: Sequence[str] | Mapping[str, int]) -> str:
    """Write that one word is enough."""
    return " OR ".join(map(quoted, terms))


def all_of(terms: Sequence[str]) -> str:
    """Write that all words are needed."""
    return " AND ".join(map(quoted, terms))


def quoted(term: str) -> str:
    """Write a word so that nothing in it is syntax.

    Example:
        >>> quoted('NEAR("a" b)*')
        '"NEAR(""a"" b)*"'
    """
    return '"' + term.replace("\0", " ").replace('"', '""') + '"'


def _count(connection: Connection, expression: str) -> int:
    counted: int = connection.scalar(_COUNT, {"expression": expression, "most": BUDGET + 1}) or 0
    return counted


def _run(connection: Connection, statement: sa.TextClause, values: Mapping[str, Any]) -> Found:
    found = [(row_id, float(score)) for row_id, score in connection.execute(statement, values)]
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))
