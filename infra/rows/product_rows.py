"""Rows of the digest agent's products: their state in parts, compared before it is written.

The reviews themselves are in ``infra.rows.review_rows``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from schemas.tables import product_parts, products, reviews

CHUNK = 400
"""Values in one IN list: SQLite allows 32,766 variables a statement; short statements are prepared faster."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One product as it stands in SQL."""

    product_id: str
    version: int
    revision: int  # of the points last published
    sources: bytes
    review_count: int
    next_ordinal: int
    base_ordinal: int
    forgotten: bytes
    parts: Mapping[str, bytes]
    traces: Sequence[tuple[int, bytes]]  # (ordinal, trace) from the base on


@dataclass(frozen=True, slots=True)
class ProductChange:
    """What one decision makes of one product."""

    product_id: str
    expected_version: int  # 0 = not there yet
    revision: int
    review_count: int
    sources: bytes
    next_ordinal: int
    base_ordinal: int
    forgotten: bytes
    parts: Mapping[str, bytes]
    emptied: bool = False  # all parts written before go


def load_products(connection: Connection, product_ids: Sequence[str]) -> list[ProductRow]:
    """Load products with all that is needed to go on folding; unknown ones are absent."""
    loaded = []
    for ids in chunks(product_ids):
        parts: dict[str, dict[str, bytes]] = {}
        for row in connection.execute(sa.select(product_parts).where(product_parts.c.product_id.in_(ids))):
            parts.setdefault(row.product_id, {})[row.part] = row.state
        traces = _traces(connection, ids)
        loaded += [
            ProductRow(**row._mapping, parts=parts.get(row.product_id, {}), traces=traces.get(row.product_id, []))
            for row in connection.execute(sa.select(products).where(products.c.product_id.in_(ids)))
        ]
    return loaded


def read_product(connection: Connection, product_id: str) -> ProductRow | None:
    """Read what SQL says of a product, without its parts and traces; None when it is unknown."""
    row = connection.execute(sa.select(products).where(products.c.product_id == product_id)).first()
    return None if row is None else ProductRow(**row._mapping, parts={}, traces=())


def _traces(connection: Connection, product_ids: Sequence[str]) -> dict[str, list[tuple[int, bytes]]]:
    since_base = sa.and_(products.c.product_id == reviews.c.product_id, reviews.c.ordinal >= products.c.base_ordinal)
    columns = sa.select(reviews.c.product_id, reviews.c.ordinal, reviews.c.trace).join(products, since_base)
    query = columns.where(reviews.c.product_id.in_(product_ids)).order_by(reviews.c.product_id, reviews.c.ordinal)
    found: dict[str, list[tuple[int, bytes]]] = {}
    for product_id, ordinal, trace in connection.execute(query):
        found.setdefault(product_id, []).append((ordinal, trace))
    return found


def write_products(connection: Connection, changes: Sequence[ProductChange]) -> None:
    """Write products whose versions are still the expected ones, in the order of their ids.

    Raises:
        Moved: If another worker changed one of them.
    """
    changes = sorted(changes, key=lambda change: change.product_id)
    expected = {change.product_id: change.expected_version for change in changes}
    if _versions(connection, list(expected)) != {key: version for key, version in expected.items() if version}:
        raise Moved("a product was changed by another worker")
    if changes and connection.execute(_PUT_PRODUCT, [_values(change) for change in changes]).rowcount != len(changes):
        raise Moved("a product was made by another worker")
    for change in changes:
        if change.emptied:
            connection.execute(product_parts.delete().where(product_parts.c.product_id == change.product_id))
    parts = [
        {"product_id": change.product_id, "part": part, "state": state}
        for change in changes
        for part, state in sorted(change.parts.items())
    ]
    if parts:
        connection.execute(_PUT_PART, parts)


def _values(change: ProductChange) -> dict[str, object]:
    return {
        "product_id": change.product_id,
        "expected": change.expected_version,
        "version": change.expected_version + 1,
        "revision": change.revision,
        "review_count": change.review_count,
        "sources": change.sources,
        "next_ordinal": change.next_ordinal,
        "base_ordinal": change.base_ordinal,
        "forgotten": change.forgotten,
    }


_PUT_PRODUCT = sa.text(
    "INSERT INTO products (product_id, version, revision, review_count, sources, next_ordinal, base_ordinal, "
    "forgotten) VALUES (:product_id, :version, :revision, :review_count, :sources, :next_ordinal, :base_ordinal, "
    ":forgotten) ON CONFLICT (product_id) DO UPDATE SET "
    "version = excluded.version, revision = excluded.revision, review_count = excluded.review_count, "
    "sources = excluded.sources, next_ordinal = excluded.next_ordinal, base_ordinal = excluded.base_ordinal, "
    "forgotten = excluded.forgotten WHERE products.version = :expected"  # somebody may have made it meanwhile
)
_PUT_PART = sa.text(
    "INSERT INTO product_parts (product_id, part, state) VALUES (:product_id, :part, :state) "
    "ON CONFLICT (product_id, part) DO UPDATE SET state = excluded.state"
)


def _versions(connection: Connection, product_ids: Sequence[str]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for ids in chunks(product_ids):
        query = sa.select(products.c.product_id, products.c.version).where(products.c.product_id.in_(ids))
        locked = query.order_by(products.c.product_id).with_for_update()  # in order: no two workers lock crosswise
        versions |= {row.product_id: row.version for row in connection.execute(locked)}
    return versions


def chunks(values: Sequence[Value]) -> Iterable[Sequence[Value]]:
    """Cut a long list into pieces for one IN list each."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
