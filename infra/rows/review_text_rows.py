"""Rows of reviews that can be searched within their product, and what must not come back."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.rows.product_rows import chunks as pieces
from infra.rows.review_rows import ReviewKey
from schemas.index_tables import review_texts


@dataclass(frozen=True, slots=True)
class ReviewTextRow:
    """One review as it is kept; a deleted one has nothing but its name and revision."""

    product_id: str
    review_id: str
    row_id: int  # of its words; another one with every other text
    revision: int
    version: int
    op: str
    title: str | None
    text: str | None
    rating: float | None
    at: float  # unix seconds
    vector: bytes | None  # (D,) int8


def known_review_texts(connection: Connection, keys: Sequence[ReviewKey]) -> dict[ReviewKey, ReviewTextRow]:
    """Tell what stands of some reviews, tombstones among them; those never heard of are absent."""
    known = {}
    for some in pieces(keys):
        here = sa.tuple_(review_texts.c.product_id, review_texts.c.review_id).in_(some)
        for row in connection.execute(sa.select(review_texts).where(here)):
            known[row.product_id, row.review_id] = ReviewTextRow(**row._mapping)
    return known


def write_review_texts(connection: Connection, changes: Sequence[tuple[ReviewTextRow, int]]) -> None:
    """Write reviews whose versions are still the expected ones, in the order of their keys.

    Args:
        connection: A write transaction.
        changes: Each row with the version it was made from; 0 = not there yet.

    Raises:
        Moved: If another worker changed one of them.
    """
    rows = [
        {**{name: getattr(row, name) for name in _COLUMNS}, "expected": expected}
        for row, expected in sorted(changes, key=_key)
    ]
    if rows and connection.execute(_PUT, rows).rowcount != len(rows):
        raise Moved("a review was changed by another worker")


_COLUMNS = tuple(column.name for column in review_texts.columns)
_SET = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("product_id", "review_id"))
# Every name in it is that of a column of ours.
_PUT = sa.text(
    f"INSERT INTO review_texts ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "  # noqa: S608
    f"ON CONFLICT (product_id, review_id) DO UPDATE SET {_SET} WHERE review_texts.version = :expected"
)


def _key(change: tuple[ReviewTextRow, int]) -> tuple[bytes, bytes]:
    return change[0].product_id.encode(), change[0].review_id.encode()
