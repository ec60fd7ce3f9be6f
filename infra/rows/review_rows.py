"""Rows of the digest agent's reviews: what counted, in order of arrival, and what must not come back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.product_rows import chunks
from schemas.tables import reviews, tombstones

ReviewKey = tuple[str, str]
"""(product_id, review_id)."""

UNBOUNDED = 2**62
"""Above every ordinal."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One review as it is kept."""

    product_id: str
    review_id: str
    ordinal: int
    revision: int
    record: bytes
    at: float  # unix seconds
    trace: bytes


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a deleted review."""

    product_id: str
    review_id: str
    revision: int


def known_reviews(connection: Connection, keys: Sequence[ReviewKey]) -> dict[ReviewKey, ReviewRow | Tombstone]:
    """Tell what stands of some reviews; those never heard of are absent."""
    known: dict[ReviewKey, ReviewRow | Tombstone] = {}
    for chunk in chunks(keys):
        here = sa.tuple_(reviews.c.product_id, reviews.c.review_id).in_(chunk)
        for row in connection.execute(sa.select(reviews).where(here)):
            known[row.product_id, row.review_id] = ReviewRow(**row._mapping)
        gone = sa.tuple_(tombstones.c.product_id, tombstones.c.review_id).in_(chunk)
        for row in connection.execute(sa.select(tombstones).where(gone)):
            known[row.product_id, row.review_id] = Tombstone(**row._mapping)
    return known


def write_reviews(
    connection: Connection, changes: Mapping[ReviewKey, ReviewRow | Tombstone], risen: Collection[ReviewKey] = ()
) -> None:
    """Write what some reviews are now: kept, or gone. The caller holds their products' versions.

    Args:
        connection: A write transaction.
        changes: What each review is now.
        risen: Those of the kept that had a tombstone.
    """
    kept = [change for change in changes.values() if isinstance(change, ReviewRow)]
    gone = [change for change in changes.values() if isinstance(change, Tombstone)]
    if kept:
        connection.execute(_PUT_REVIEW, [_values(one, *_REVIEW_COLUMNS) for one in kept])
    if risen:
        connection.execute(_DELETE_TOMBSTONE, [{"product_id": one, "review_id": two} for one, two in sorted(risen)])
    if gone:
        connection.execute(_DELETE_REVIEW, [_values(one, "product_id", "review_id") for one in gone])
        connection.execute(_PUT_TOMBSTONE, [_values(one, "product_id", "review_id", "revision") for one in gone])


def reviews_from(connection: Connection, product_id: str, ordinal: int, limit: int) -> list[ReviewRow]:
    """List a product's reviews from an ordinal on, in order of arrival."""
    query = sa.select(reviews).where(reviews.c.product_id == product_id, reviews.c.ordinal >= ordinal)
    return [ReviewRow(**row._mapping) for row in connection.execute(query.order_by(reviews.c.ordinal).limit(limit))]


def times(connection: Connection, product_id: str, below: int = UNBOUNDED) -> dict[str, float]:
    """Tell when each review of a product was written, of those with an ordinal below a bound.

    Returns:
        Unix seconds by review id.
    """
    query = sa.select(reviews.c.review_id, reviews.c.at).where(reviews.c.product_id == product_id)
    return {row.review_id: row.at for row in connection.execute(query.where(reviews.c.ordinal < below))}


_REVIEW_COLUMNS = tuple(column.name for column in reviews.columns)
_PUT_REVIEW = sa.text(
    "INSERT INTO reviews (product_id, review_id, ordinal, revision, record, at, trace) "
    "VALUES (:product_id, :review_id, :ordinal, :revision, :record, :at, :trace) "
    "ON CONFLICT (product_id, review_id) DO UPDATE SET ordinal = excluded.ordinal, revision = excluded.revision, "
    "record = excluded.record, at = excluded.at, trace = excluded.trace"
)
_PUT_TOMBSTONE = sa.text(
    "INSERT INTO tombstones (product_id, review_id, revision) VALUES (:product_id, :review_id, :revision) "
    "ON CONFLICT (product_id, review_id) DO UPDATE SET revision = excluded.revision"
)
_DELETE_REVIEW = sa.text("DELETE FROM reviews WHERE product_id = :product_id AND review_id = :review_id")
_DELETE_TOMBSTONE = sa.text("DELETE FROM tombstones WHERE product_id = :product_id AND review_id = :review_id")


def _values(row: ReviewRow | Tombstone, *names: str) -> dict[str, object]:
    return {name: getattr(row, name) for name in names}
