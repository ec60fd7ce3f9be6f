"""Questions that were answered, as answer's store keeps them."""

import msgspec
import sqlalchemy as sa

from infra.ledger import Entry
from schemas.answer_tables import answer_basis, answers, requests
from schemas.answers import Answer, Citation
from schemas.requests import Request
from schemas.tables import ledger
from tests.streams.cli.erasing.stage import Stores


def answer(request_id: str, text: str | None, *citations: Citation, revision: int = 1) -> Answer:
    return Answer(
        request_id=request_id, revision=revision, op="upsert", text=text, citations=list(citations), features={},
        abstained=text is None, reason=None, confidence=0.9, writer=None, sources={}, timings_ms={},
    )  # fmt: skip


def citation(quote: str, document_id: str, **changed: object) -> Citation:
    return Citation(**({"document_id": document_id, "chunk_id": "c", "quote": quote, "score": 0.9} | changed))  # type: ignore[arg-type]


def entry(key: str, output: str, subject: str | None, at: float = 1.0) -> dict[str, object]:
    whole = Entry(key, "extractive", "1", "1", output, 0, 0, 0.0, at, subject)
    return {column.name: getattr(whole, column.name) for column in ledger.columns}


def put_answer(stores: Stores, told: Answer, *, reads: str, cited: bool = True, **asked: object) -> None:
    """Write a question, what was answered, and what it rests on."""
    request = Request(request_id=told.request_id, question="?", **asked)  # type: ignore[arg-type]
    place = {"request_id": told.request_id}
    question = {"record": msgspec.json.encode(request), "at": 0.0, "deadline": 0.0, "sources": b"{}"}
    stores.put("answer", requests, place | question)
    row = {"revision": told.revision, "record": msgspec.json.encode(told), "withdrawn": False, "answered_at": 0.0}
    stores.put("answer", answers, place | row)
    stores.put("answer", answer_basis, {**place, "chunk_id": "c", "source_key": reads, "cited": cited})
    stores.put("answer", ledger, entry(f"call of {told.request_id}", told.text or "", told.request_id))


def withdraw(connection: sa.Connection, source_key: str) -> None:
    """Do what answer does when something it has read is gone."""
    read = answer_basis.c.source_key == source_key
    for request_id in list(connection.scalars(sa.select(answer_basis.c.request_id).where(read))):
        connection.execute(ledger.delete().where(ledger.c.subject == request_id))
        cited = sa.select(answer_basis.c.cited).where(read, answer_basis.c.request_id == request_id)
        if connection.scalar(cited):
            gone = msgspec.json.encode(answer(request_id, None, revision=2))
            connection.execute(answers.update().where(answers.c.request_id == request_id).values(record=gone))
    connection.execute(answer_basis.delete().where(read))
