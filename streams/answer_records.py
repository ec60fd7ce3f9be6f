"""What an answer says and how its row is laid out: who asked, what is published, what takes its place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from infra.outbox import Output
from infra.rows.answer_rows import AnswerRow, RequestRow
from schemas.answers import Answer
from schemas.documents import PUBLIC
from schemas.hits import ChunkPlace
from schemas.records import Sources
from schemas.requests import Request
from streams.events import event_headers

WITHDRAWN = "withdrawn: a source it cited was deleted, edited or hidden from who asked"
"""The reason of an answer whose text is gone."""

LIMIT_BYTES = 200_000
"""A larger answer goes without its sources' titles and links: at most twenty quotes and their ids are left."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who may see what a request may be answered from."""

    principals: tuple[str, ...]  # sorted, with the one everybody has
    tenant: str | None


class Registry(Protocol):
    """What the index tells of words that were read."""

    def standing(
        self, places: Collection[ChunkPlace], principals: Sequence[str], tenant: str | None
    ) -> set[ChunkPlace]:
        """Return where they stand now, and one of the principals may see them."""
        ...


def asker_of(request: Request) -> Asker:
    """Tell who asks.

    Example:
        >>> asker_of(Request(request_id="1", question="?", principals=["staff"])).principals
        ('public', 'staff')
    """
    return Asker(tuple(sorted({*request.principals, PUBLIC})), request.tenant)


def request_of(row: RequestRow) -> Request:
    """Read a stored request."""
    return msgspec.json.decode(row.record, type=Request)


def answer_of(row: AnswerRow) -> Answer:
    """Read a stored answer."""
    return msgspec.json.decode(row.record, type=Answer)


def withdraw(answer: Answer, sources: Sources) -> Answer:
    """Take back what an answer says, without a word of what it rested on.

    Args:
        answer: The standing one.
        sources: Up to where it was found that something of it is gone; added to the answer's own.
    """
    return msgspec.structs.replace(
        answer,
        revision=answer.revision + 1,
        text=None,
        citations=[],
        abstained=True,
        reason=WITHDRAWN,
        confidence=None,
        writer=None,
        features={},
        feature_sources=[],
        sources={
            **answer.sources,
            **{topic: {**answer.sources.get(topic, {}), **ends} for topic, ends in sources.items()},
        },
    )


def make_row(answer: Answer, now: float, *, withdrawn: bool = False) -> AnswerRow:
    """Lay an answer out as its row.

    Args:
        answer: As it is to be published.
        now: Unix seconds.
        withdrawn: Whether it takes the place of one that said something.
    """
    record = msgspec.json.encode(answer)
    if len(record) > LIMIT_BYTES:
        bare = [msgspec.structs.replace(one, title=None, uri=None) for one in answer.citations]
        record = msgspec.json.encode(msgspec.structs.replace(answer, citations=bare))
    return AnswerRow(answer.request_id, answer.revision, record, withdrawn, now)


def publishable(topic: str, row: AnswerRow, trace: Mapping[str, bytes]) -> Output:
    """Make the record that is published of a row."""
    at = datetime.fromtimestamp(row.answered_at, UTC)
    headers = event_headers(f"answer:{row.request_id}@{row.revision}", "answer", "answer", at, trace)
    return Output(topic, row.request_id.encode(), row.record, headers)
