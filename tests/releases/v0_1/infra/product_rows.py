"""Rows of the digest agent: products, their state in parts, and every review that counted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tests.releases.v0_1.infra.fences import Moved
from tests.releases.v0_1.schemas.tables import product_parts, products, reviews

CHUNK = 400
"""Values in one IN list: SQLite allows 32,766 variables a statement; short statements are prepared faster."""

Value = TypeVar("Value")
ReviewKey = tuple[str, str]
"""(product_id, review_id)."""


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One product as it stands in SQL."""

    product_id: str
    version: int  # 0 = not there yet
    revision: int  # of the points last published
    sources: bytes
    parts: Mapping[str, bytes]
    traces: Sequence[bytes]


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
class ProductChange:
    """What one decision makes of one product."""

    product_id: str
    expected_version: int
    revision: int
    review_count: int
    sources: bytes
    parts: Mapping[str, bytes]


def load_products(connection: Connection, product_ids: Sequence[str]) -> list[ProductRow]:
    """Load products with all that is needed to go on folding; unknown ones are absent."""
    loaded = []
    for ids in _chunks(product_ids):
        parts: dict[str, dict[str, bytes]] = {}
        for row in connection.execute(sa.select(product_parts).where(product_parts.c.product_id.in_(ids))):
            parts.setdefault(row.product_id, {})[row.part] = row.state
        traces: dict[str, list[bytes]] = {}
        columns = sa.select(reviews.c.product_id, reviews.c.trace).where(reviews.c.product_id.in_(ids))
        for product_id, trace in connection.execute(columns.order_by(reviews.c.product_id, reviews.c.ordinal)):
            traces.setdefault(product_id, []).append(trace)
        loaded += [
            ProductRow(
                row.product_id,
                row.version,
                row.revision,
                row.sources,
                parts[row.product_id],
                traces.get(row.product_id, []),
            )
            for row in connection.execute(sa.select(products).where(products.c.product_id.in_(ids)))
        ]
    return loaded


def known_revisions(connection: Connection, keys: Sequence[ReviewKey]) -> dict[ReviewKey, int]:
    """Tell which reviews are kept already, with their revisions."""
    known: dict[ReviewKey, int] = {}
    place = sa.tuple_(reviews.c.product_id, reviews.c.review_id)
    for chunk in _chunks(keys):
        query = sa.select(reviews.c.product_id, reviews.c.review_id, reviews.c.revision).where(place.in_(chunk))
        known |= {(row.product_id, row.review_id): row.revision for row in connection.execute(query)}
    return known


def write_products(connection: Connection, changes: Sequence[ProductChange]) -> None:
    """Write products whose versions are still the expected ones.

    Raises:
        Moved: If another worker changed one of them.
    """
    expected = {change.product_id: change.expected_version for change in changes}
    if _versions(connection, list(expected)) != {key: version for key, version in expected.items() if version}:
        raise Moved("a product was changed by another worker")
    rows = [
        {
            "product_id": change.product_id,
            "version": change.expected_version + 1,
            "revision": change.revision,
            "review_count": change.review_count,
            "sources": change.sources,
        }
        for change in changes
    ]
    parts = [
        {"product_id": change.product_id, "part": part, "state": state}
        for change in changes
        for part, state in change.parts.items()
    ]
    if rows:
        connection.execute(_PUT_PRODUCT, rows)
    if parts:
        connection.execute(_PUT_PART, parts)


def add_reviews(connection: Connection, rows: Iterable[ReviewRow]) -> None:
    """Keep new reviews.

    Raises:
        sqlalchemy.exc.IntegrityError: If one is kept already; the caller has checked.
    """
    values = [{column.name: getattr(row, column.name) for column in reviews.columns} for row in rows]
    if values:
        connection.execute(reviews.insert(), values)


_PUT_PRODUCT = sa.text(
    "INSERT INTO products (product_id, version, revision, review_count, sources) "
    "VALUES (:product_id, :version, :revision, :review_count, :sources) ON CONFLICT (product_id) DO UPDATE SET "
    "version = excluded.version, revision = excluded.revision, "
    "review_count = excluded.review_count, sources = excluded.sources"
)
_PUT_PART = sa.text(
    "INSERT INTO product_parts (product_id, part, state) VALUES (:product_id, :part, :state) "
    "ON CONFLICT (product_id, part) DO UPDATE SET state = excluded.state"
)


def _versions(connection: Connection, product_ids: Sequence[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for ids in _chunks(product_ids):
        query = sa.select(products.c.product_id, products.c.version).where(products.c.product_id.in_(ids))
        versions |= {row.product_id: row.version for row in connection.execute(query)}
    return versions


def _chunks(values: Sequence[Value]) -> Iterable[Sequence[Value]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
