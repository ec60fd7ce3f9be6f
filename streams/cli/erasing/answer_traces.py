"""What the store of answers holds of one document or review: answers that cite it, and words it has said."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from infra.ledger import all_said
from infra.rows.answer_rows import basis_on
from processors.language.wording import Run
from schemas.answer_tables import answers, requests
from schemas.requests import Request
from schemas.tables import ledger, outbox
from streams.cli.erasing.sought import Wanted

PAGE = 500
"""Rows read in one go."""


@dataclass(slots=True)
class Sayings:
    """What says words of something."""

    counts: Counter[str] = field(default_factory=Counter)  # by table
    words: set[Run] = field(default_factory=set)  # that were said


def citing(connection: Connection, source_key: str) -> list[str]:
    """List the requests whose standing answers cite something.

    Args:
        connection: On answer's store, in a transaction.
        source_key: schemas.documents.document_key or review_key.
    """
    return sorted({row.request_id for row in basis_on(connection, [source_key]) if row.cited})


def calls_on(connection: Connection, source_key: str) -> list[tuple[str, float]]:
    """List the calls of writers that were given something: their ledger keys, and when they were made.

    Args:
        connection: On answer's store, in a transaction.
        source_key: schemas.documents.document_key or review_key.
    """
    asked, found = sorted({row.request_id for row in basis_on(connection, [source_key])}), []
    for start in range(0, len(asked), PAGE):
        query = sa.select(ledger.c.ledger_key, ledger.c.created_at)
        found += [
            (row.ledger_key, row.created_at)
            for row in connection.execute(query.where(ledger.c.subject.in_(asked[start : start + PAGE])))
        ]
    return found


def find_sayings(connection: Connection, sought: Wanted) -> Sayings:
    """Find what says words of something, among all that may have been made from it.

    Args:
        connection: On answer's store, in a transaction.
        sought: With the words that are looked for.
    """
    found = Sayings()
    for table, said, asked in _outputs(connection) if sought.wording else ():
        if asked is not None and not sought.is_asked(msgspec.json.decode(asked, type=Request)):
            continue
        if words := sought.said_in(said):
            found.counts[table] += 1
            found.words |= words
    return found


def _outputs(connection: Connection) -> Iterator[tuple[str, object, bytes | None]]:
    """Yield whatever may quote something: where it is, what it says, and the request it was made for, if known."""
    for table, key, said, asked in (
        (answers, answers.c.request_id, answers.c.record, answers.c.request_id),
        (ledger, ledger.c.ledger_key, all_said(), ledger.c.subject),
    ):
        after = ""
        query = sa.select(key.label("place"), said.label("said"), requests.c.record.label("asked"))
        whole = query.outerjoin_from(table, requests, requests.c.request_id == asked).order_by(key).limit(PAGE)
        while rows := connection.execute(whole.where(key > after)).all():
            yield from ((table.name, row.said, row.asked) for row in rows)
            after = rows[-1].place
    for row in connection.execute(sa.select(outbox.c.value).order_by(outbox.c.seq)):  # what just waits for the broker
        yield outbox.name, row.value, None
