"""Rows of the answer agent: what was asked, what was answered, and what each answer rests on."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.locking import insert_new
from schemas.answer_tables import answer_basis, answers, gate, requests
from schemas.hits import ChunkPlace

ANSWERS_GATE = "answers"
"""The one row of the table ``gate``."""

TOGETHER = 500
"""Keys in one question: databases bound what one statement takes."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One question as it was first asked."""

    request_id: str
    record: bytes  # the Request, JSON
    at: float  # unix seconds, Kafka's timestamp
    deadline: float  # unix seconds
    sources: bytes  # JSON, see schemas.records.Sources


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One question's standing answer."""

    request_id: str
    revision: int
    record: bytes  # the Answer as published
    withdrawn: bool
    answered_at: float  # unix seconds


@dataclass(frozen=True, slots=True)
class BasisRow:
    """One chunk or review that a writer was given for a request."""

    request_id: str
    source_key: str  # schemas.documents.document_key or review_key
    chunk_id: str
    cited: bool  # by the standing answer

    @property
    def place(self) -> ChunkPlace:
        """Where the words stand that were read."""
        return self.source_key, self.chunk_id


def pass_gate(connection: Connection) -> None:
    """Let one transaction at a time write answers or withdraw them; whoever is second sees what the first wrote.

    Without it an answer could be written from a document just before its deletion, while a withdrawal that does
    not see the answer yet passes by. SQLite's write lock does the same; Postgres needs this row.

    Args:
        connection: A write transaction.
    """
    connection.execute(_PASS, {"name": ANSWERS_GATE})


_PASS = sa.text(
    f"INSERT INTO {gate.name} (name, version) VALUES (:name, 1) "  # noqa: S608 - a table of ours
    f"ON CONFLICT (name) DO UPDATE SET version = {gate.name}.version + 1"
)


def load_requests(connection: Connection, request_ids: Sequence[str]) -> dict[str, RequestRow]:
    """Load questions; those never asked are absent."""
    found: dict[str, RequestRow] = {}
    for ids in _slices(request_ids):
        rows = connection.execute(sa.select(requests).where(requests.c.request_id.in_(ids)))
        found.update((row.request_id, RequestRow(**row._mapping)) for row in rows)
    return found


def put_request(connection: Connection, row: RequestRow) -> None:
    """Write a question that was not asked before.

    Raises:
        Moved: If another worker was first.
    """
    if not insert_new(connection, requests, {column.name: getattr(row, column.name) for column in requests.columns}):
        raise Moved(f"request {row.request_id} was written by another worker")


def load_answers(connection: Connection, request_ids: Sequence[str]) -> dict[str, AnswerRow]:
    """Load answers; requests without one are absent."""
    found: dict[str, AnswerRow] = {}
    for ids in _slices(request_ids):
        rows = connection.execute(sa.select(answers).where(answers.c.request_id.in_(ids)))
        found.update((row.request_id, AnswerRow(**row._mapping)) for row in rows)
    return found


def put_answer(connection: Connection, row: AnswerRow) -> None:
    """Write an answer over the one before it, if there was one.

    Args:
        connection: A write transaction.
        row: Its revision is that of the one before, plus 1.

    Raises:
        Moved: If another worker was first.
    """
    values = {column.name: getattr(row, column.name) for column in answers.columns}
    if row.revision == 1:
        written = insert_new(connection, answers, values)
    else:
        before = sa.and_(answers.c.request_id == row.request_id, answers.c.revision == row.revision - 1)
        written = connection.execute(answers.update().where(before).values(values)).rowcount == 1
    if not written:
        raise Moved(f"the answer to {row.request_id} was changed by another worker")


def add_basis(connection: Connection, rows: Iterable[BasisRow]) -> None:
    """Say what a call read: the ledger may keep words of it, whether or not its answer is ever written."""
    _put_basis(connection, rows, _ADD_BASIS)


def cite_basis(connection: Connection, rows: Iterable[BasisRow]) -> None:
    """Say what a standing answer was written from, and what of it it cites; what earlier calls read stays."""
    _put_basis(connection, rows, _CITE_BASIS)


def _put_basis(connection: Connection, rows: Iterable[BasisRow], statement: sa.TextClause) -> None:
    values = [
        {"request": row.request_id, "source": row.source_key, "chunk": row.chunk_id, "cited": row.cited}
        for row in sorted(rows, key=_order)
    ]
    if values:
        connection.execute(statement, values)


_ADD = (
    f"INSERT INTO {answer_basis.name} (request_id, source_key, chunk_id, cited) "  # noqa: S608 - a table of ours
    "VALUES (:request, :source, :chunk, :cited) ON CONFLICT (request_id, source_key, chunk_id) DO "
)
_ADD_BASIS = sa.text(f"{_ADD} NOTHING")
_CITE_BASIS = sa.text(f"{_ADD} UPDATE SET cited = excluded.cited")


def basis_on(connection: Connection, source_keys: Collection[str]) -> list[BasisRow]:
    """List what rests on some documents or reviews, by request and place."""
    found: list[BasisRow] = []
    for keys in _slices(sorted(source_keys)):
        rows = connection.execute(sa.select(answer_basis).where(answer_basis.c.source_key.in_(keys)))
        found += [BasisRow(**row._mapping) for row in rows]
    return sorted(found, key=_order)


def drop_basis(connection: Connection, request_ids: Sequence[str], *, cited: bool) -> None:
    """Forget what calls for some requests read: the ledger holds none of them any more.

    Args:
        connection: A write transaction that has passed the gate.
        request_ids: Whose.
        cited: Forget what a standing answer cites, too: it is withdrawn.
    """
    for ids in _slices(request_ids):
        ours = answer_basis.c.request_id.in_(ids)
        connection.execute(answer_basis.delete().where(ours if cited else sa.and_(ours, ~answer_basis.c.cited)))


def _order(row: BasisRow) -> tuple[str, str, str]:
    return row.request_id, row.source_key, row.chunk_id


def _slices(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + TOGETHER] for start in range(0, len(keys), TOGETHER))
