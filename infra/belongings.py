"""What an agent's store keeps under one key, in whatever table."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from schemas import answer_tables, feature_tables, index_tables, tables
from schemas.tables import GROUPS

OWNERS: Mapping[str, sa.Column[str] | sa.Column[bytes]] = {
    "outbox": tables.outbox.c.key,
    "work": tables.work.c.key,
    "work_inputs": tables.work_inputs.c.key,
    "timers": tables.timers.c.key,
    "timer_inputs": tables.timer_inputs.c.key,
    "ledger": tables.ledger.c.subject,
    "spending": tables.spending.c.key,
    "products": tables.products.c.product_id,
    "product_parts": tables.product_parts.c.product_id,
    "reviews": tables.reviews.c.product_id,
    "tombstones": tables.tombstones.c.product_id,
    "summaries": tables.summaries.c.product_id,
    "documents": index_tables.documents.c.document_key,
    "document_principals": index_tables.document_principals.c.document_key,
    "document_labels": index_tables.document_labels.c.document_key,
    "chunks": index_tables.chunks.c.document_key,
    "placements": index_tables.placements.c.document_key,
    "review_texts": index_tables.review_texts.c.product_id,
    "requests": answer_tables.requests.c.request_id,
    "answers": answer_tables.answers.c.request_id,
    "answer_basis": answer_tables.answer_basis.c.request_id,
    "feature_rows": feature_tables.feature_rows.c.key,
}
"""The column of each table that says whose a row is."""

UNOWNED = (
    *("fences", "vectors", "collections", "gate", "usage"),
    *("feature_definitions", "feature_log", "feature_members", "feature_copies", "feature_copyings"),
)
"""Tables whose rows are nobody's."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """One row that belongs to a key."""

    table: str
    values: Mapping[str, object]  # by column


def belongings(
    connection: Connection, groups: Collection[str], key: str, without: Collection[str] = ()
) -> Iterator[Belonging]:
    """Read every row of a store that belongs to a key.

    Args:
        connection: In a transaction.
        groups: Names in ``schemas.tables.GROUPS`` that the store holds.
        key: Of what they belong to.
        without: Tables to leave out.
    """
    for table in (table for group in groups for table in GROUPS[group].sorted_tables):
        owner = OWNERS.get(table.name)
        if owner is None or table.name in without:
            continue
        mine = owner == (key.encode() if isinstance(owner.type, sa.LargeBinary) else key)
        for row in connection.execute(sa.select(table).where(mine)).mappings():
            yield Belonging(table.name, dict(row))
