"""Rows of the summarize agent: what stands for each product, and what its text was written from."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.locking import insert_new
from schemas.tables import summaries


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One product's standing summary."""

    product_id: str
    revision: int  # of the summary last made
    points_revision: int
    points: bytes  # the Points record, JSON
    text_points: bytes | None  # the Reading its text was written from, JSON
    text_forgotten: int | None  # reviews the product had forgotten by then
    record: bytes  # the Summary, JSON
    review_count: int
    updated_at: float  # unix seconds
    wanted: bytes | None = None  # what its next text is to be written from, JSON; none while none is wanted


def load_summaries(connection: Connection, product_ids: Sequence[str]) -> dict[str, SummaryRow]:
    """Load rows; products without one are absent."""
    query = sa.select(summaries).where(summaries.c.product_id.in_(product_ids))
    return {row.product_id: SummaryRow(**row._mapping) for row in connection.execute(query)}


def lock_summary(connection: Connection, product_id: str) -> SummaryRow | None:
    """Load a row that nobody else changes until the transaction ends; None when there is none."""
    query = sa.select(summaries).where(summaries.c.product_id == product_id).with_for_update()
    row = connection.execute(query).first()
    return None if row is None else SummaryRow(**row._mapping)


def put_summary(connection: Connection, row: SummaryRow, expected_revision: int) -> None:
    """Write a row over the one it was made from.

    Args:
        connection: A write transaction.
        row: The new row.
        expected_revision: The revision it was made from; 0 when there was none.

    Raises:
        Moved: If another worker was first.
    """
    values = {column.name: getattr(row, column.name) for column in summaries.columns}
    if expected_revision == 0:
        written = insert_new(connection, summaries, values)
    else:
        same = sa.and_(summaries.c.product_id == row.product_id, summaries.c.revision == expected_revision)
        written = connection.execute(summaries.update().where(same).values(values)).rowcount == 1
    if not written:
        raise Moved(f"the summary of {row.product_id} was changed by another worker")
