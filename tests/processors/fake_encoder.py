"""A seeded stand-in for the sentence table: every word has a random vector, texts add them up."""

import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from processors.digest.product import Product
from processors.language.claims import split_claims
from schemas.reviews import Review

DIMENSIONS = 48
INVENTED = [
    first + second
    for first in ("bor", "kel", "mud", "zip", "lan", "fro", "wex", "tus")
    for second in ("ta", "nok", "ram", "lis", "gup", "vex", "dof", "sel")
]
"""Words that name an aspect and mean nothing."""

START = datetime(2024, 1, 1, tzinfo=UTC)


def encode(texts: Sequence[str]) -> npt.NDArray[np.int8]:
    vectors = np.zeros((len(texts), DIMENSIONS), np.int8)
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        if words:
            total = np.sum([_word(word) for word in words], axis=0)
            vectors[row] = np.rint(total / np.linalg.norm(total) * 127)
    return vectors


@cache
def _word(word: str) -> npt.NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIMENSIONS)


def review(number: int, text: str, rating: int | None = 5, hours: float | None = None) -> tuple[Review, datetime]:
    at = START + timedelta(hours=number if hours is None else hours)
    return Review(review_id=f"r{number}", product_id="p", text=text, rating=rating), at


def fold(
    product: Product, reviews: Sequence[tuple[Review, datetime]], first: int | None = None
) -> list[tuple[int, bytes]]:
    """Fold in order of arrival; returns what ``Product.load`` takes."""
    start = product.review_count if first is None else first
    return [(ordinal, fold_one(product, one, ordinal, at)) for ordinal, (one, at) in enumerate(reviews, start)]


def fold_one(product: Product, review: Review, ordinal: int, at: datetime) -> bytes:
    claims = split_claims(review.text or "")
    return product.fold(review, ordinal, at, claims, encode([claim.text for claim in claims]))
