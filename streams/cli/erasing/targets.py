"""Which review a person means: ids may hold anything, also a '/'."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import click
import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.review_rows import ReviewKey, ReviewRow, Tombstone, known_reviews
from schemas.tables import reviews, tombstones
from streams.cli.errors import CommandError, Exit
from streams.cli.render import printable

LISTED = 10
"""Candidates named when several are meant."""


@dataclass(frozen=True, slots=True)
class Target:
    """One review to be erased.

    Args:
        product_id: Its product.
        review_id: Its own id.
        was: Whether it counts, was deleted before, or was never heard of.
        revision: What stands of it; none when it was never heard of.
        record: The review as it is kept, JSON; only while it counts.
    """

    product_id: str
    review_id: str
    was: Literal["kept", "deleted", "unseen"]
    revision: int | None = None
    record: bytes | None = None


def find_target(connection: Connection, named: str, product_id: str | None, *, unseen: bool) -> Target:
    """Find the review a person named.

    Args:
        connection: On digest's store, in a transaction.
        named: ``PRODUCT/REVIEW``, or only the review's id.
        product_id: Of its product; none looks for it in all.
        unseen: Whether a review nobody has heard of will do.

    Raises:
        CommandError: If there is none, or there are several.
        click.UsageError: If it is unseen, and not clear which part is the product.
    """
    keys = [(product_id, named)] if product_id is not None else [*splits(named), *_called(connection, named)]
    found = known_reviews(connection, list(dict.fromkeys(keys)))
    if len(found) > 1:
        raise _several(named, sorted(found))
    for row in found.values():
        return _target(row)
    if not unseen:
        remedy = "An ID is PRODUCT/REVIEW. If it may still arrive, --unseen sees to it that it never counts."
        raise CommandError(
            f"nothing is known of a review {printable(named)!r}{_of(product_id)}", remedy, Exit.NOT_FOUND
        )
    if len(keys) != 1:
        raise click.UsageError(f"Which part of {named!r} is the product? Say it with --product.")
    return Target(*keys[0], "unseen")


def splits(named: str) -> Iterator[ReviewKey]:
    """Yield every way to read an id as ``PRODUCT/REVIEW``.

    Example:
        >>> list(splits("a/b/c")), list(splits("a"))
        ([('a', 'b/c'), ('a/b', 'c')], [])
    """
    for place, letter in enumerate(named):
        if letter == "/" and 0 < place < len(named) - 1:
            yield named[:place], named[place + 1 :]


def _called(connection: Connection, review_id: str) -> list[ReviewKey]:
    """List the reviews of all products that have an id; there is no index for it, and it is asked rarely."""
    return [
        (product_id, review_id)
        for table in (reviews, tombstones)
        for product_id in connection.scalars(sa.select(table.c.product_id).where(table.c.review_id == review_id))
    ]


def _target(row: ReviewRow | Tombstone) -> Target:
    if isinstance(row, Tombstone):
        return Target(row.product_id, row.review_id, "deleted", row.revision)
    return Target(row.product_id, row.review_id, "kept", row.revision, row.record)


def _several(named: str, keys: Sequence[ReviewKey]) -> CommandError:
    told = [f"{printable(review_id)} of {printable(product_id)}" for product_id, review_id in keys[:LISTED]]
    more = f" and {len(keys) - LISTED:,} more" if len(keys) > LISTED else ""
    what = f"{printable(named)!r} can be {len(keys):,} reviews: {', '.join(told)}{more}"
    return CommandError(what, "Name one: millrace erase review REVIEW --product PRODUCT", Exit.USAGE)


def _of(product_id: str | None) -> str:
    return "" if product_id is None else f" of {printable(product_id)!r}"
