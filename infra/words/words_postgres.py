"""Full text in Postgres: words stemmed by its English dictionary, each weighed by how rare it is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.words.word_choice import BUDGET, Choice, choose

ROW_ID = "row_id"
Found = list[tuple[int, float]]

_TITLE_AND_BODY = "setweight(to_tsvector('english', :title), 'A') || setweight(to_tsvector('english', :body), 'D')"
_WRITTEN = {
    "chunk_words": _TITLE_AND_BODY,
    "review_words": f"array_to_tsvector(ARRAY[CAST(:entity AS text)]) || {_TITLE_AND_BODY}",
}
_PUT = {
    table: sa.text(
        f"INSERT INTO {table} (row_id, words) VALUES (:row_id, {words}) "  # noqa: S608  # names of ours
        "ON CONFLICT (row_id) DO UPDATE SET words = excluded.words"
    )
    for table, words in _WRITTEN.items()
}
_COMPARE = {
    table: sa.text(f"SELECT words = ({words}) FROM {table} WHERE row_id = :row_id")  # noqa: S608  # as above
    for table, words in _WRITTEN.items()
}
_WORD = "plainto_tsquery('english', :{name})"
_WEIGHTS = "'{0.7, 0.7, 0.7, 1}'"
"""Of body and title, D to A: on a public claim search nDCG@10 is .68 with .7 or .85, .63 with .33."""

_FIND = (
    "SELECT found.row_id, {score} AS score FROM chunk_words AS found "
    "JOIN chunks ON chunks.row_id = found.row_id "
    "JOIN documents ON documents.document_key = chunks.document_key "
    "WHERE found.words @@ ({matching}) AND documents.tenant IS NOT DISTINCT FROM CAST(:tenant AS varchar) "
    "AND EXISTS (SELECT 1 FROM document_principals AS theirs "
    "WHERE theirs.document_key = chunks.document_key AND theirs.principal = ANY(:principals)) "
)
_LABELLED = (
    "AND cardinality(CAST(:labels AS varchar[])) = (SELECT count(*) FROM document_labels AS theirs "
    "WHERE theirs.document_key = chunks.document_key AND theirs.label = ANY(:labels)) "
)
_BEST = "ORDER BY score DESC, row_id LIMIT :most"
_FIND_OF_ENTITY = (
    "SELECT found.row_id, {score} AS score FROM review_words AS found "
    "WHERE found.words @@ (CAST(quote_literal(:entity) AS tsquery) && ({matching})) "
)


def put(connection: Connection, table: str, values: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, each with ``row_id`` and the columns of its table."""
    whole = [{name: _kept(value) for name, value in row.items()} for row in values]
    if whole:
        connection.execute(_PUT[table], whole)


def differing(connection: Connection, table: str, values: Sequence[Mapping[str, Any]]) -> dict[int, bool]:
    """Return those of some rows that are not there as ``put`` would write them, and whether there is any at all."""
    found = {}
    for row in values:
        whole = {name: _kept(value) for name, value in row.items()}
        same = connection.scalar(_COMPARE[table], whole)
        if same is not True:
            found[row["row_id"]] = same is not None
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
    rows = {term: _count(connection, [term]) for term in dict.fromkeys(map(_kept, terms))}
    choice = choose(rows, lambda some: _count(connection, some))
    query = _FIND + (_LABELLED if labels else "") + _BEST
    values = {"principals": list(principals), "tenant": tenant, "most": most, "labels": sorted(set(labels))}
    found = _ranked(connection, query, rows, choice, values) if choice.terms else []
    if len(found) < most and not choice.complete:  # they see few of the rows that were ranked: rank all
        every = Choice(tuple(term for term, count in rows.items() if count), False, True)
        found = _ranked(connection, query, rows, every, values)
    return found


def find_of_entity(connection: Connection, entity: str, terms: Sequence[str], most: int) -> Found:
    """Return the best rows of one entity; see ``infra.words.words.find_review_words``."""
    rows = dict.fromkeys(map(_kept, terms), 1)
    choice = Choice(tuple(rows), False, True)
    return _ranked(connection, _FIND_OF_ENTITY + _BEST, rows, choice, {"entity": entity, "most": most})


def _ranked(
    connection: Connection, query: str, rows: Mapping[str, int], choice: Choice, values: Mapping[str, Any]
) -> Found:
    """Rank by the sum over words of rarity times Postgres's own rank, which has no rarity: with that alone a public
    claim search has nDCG@10 .42 instead of .68."""
    names = {term: f"term_{number}" for number, term in enumerate(rows)}
    words = {term: _WORD.format(name=name) for term, name in names.items()}
    score = " + ".join(
        f"{math.log1p(BUDGET / rows[term]):.6f} * ts_rank({_WEIGHTS}, found.words, {word})"
        for term, word in words.items()
        if rows[term]
    )
    matching = (" && " if choice.every else " || ").join(words[term] for term in choice.terms)
    statement = sa.text(query.format(score=score, matching=matching))
    bound = {name: term for term, name in names.items() if f":{name})" in statement.text}
    found = connection.execute(statement, {**{name: values[name] for name in values}, **bound})
    return [(row_id, float(score)) for row_id, score in found]


def _count(connection: Connection, terms: Sequence[str]) -> int:
    words = " && ".join(_WORD.format(name=f"term_{number}") for number in range(len(terms)))
    query = f"SELECT count(*) FROM (SELECT 1 FROM chunk_words WHERE words @@ ({words}) LIMIT :most) AS counted"  # noqa: S608 - no value of others
    values = {f"term_{number}": term for number, term in enumerate(terms)}
    counted: int = connection.scalar(sa.text(query), {**values, "most": BUDGET + 1}) or 0
    return counted


def _kept(value: Any) -> Any:
    """Take out the one character Postgres has no text for."""
    return value.replace("\0", " ") if isinstance(value, str) else value
