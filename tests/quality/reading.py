"""Read one product's reviews offline, as the digest would."""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.sentence_table import SentenceTable
from processors.digest.product import Product
from processors.language.claims import split_claims
from schemas.points import Reading
from schemas.reviews import Review

UNDATED = datetime(2020, 1, 1, tzinfo=UTC)


def fold(product: Product, review: Review, table: SentenceTable) -> None:
    """Fold one review in, at its own time or a fixed one."""
    claims = split_claims(review.text or "")
    vectors = table.encode([claim.text for claim in claims])
    product.fold(review, product.review_count, review.created_at or UNDATED, claims, vectors)


def read(reviews: Sequence[Review], table: SentenceTable) -> Reading:
    """Return what a product of these reviews says."""
    product = Product("p")
    for review in reviews:
        fold(product, review, table)
    return product.read(table.encode)
