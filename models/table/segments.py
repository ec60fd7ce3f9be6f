"""Read the clothing reviews (CC0) that the table is fitted on; nothing of them ships but the fitted numbers."""

import gzip
import hashlib
import json
import random
import re
from pathlib import Path

REVIEWS = Path("reviews_womens_clothing") / "womens_clothing.jsonl.gz"
REVIEWS_SHA256 = "89d81b5150c57d45b739756d0f9141a4e9b305fb0ed390b133e7bf859d2a74fa"

_BORDER = re.compile(
    r"[.!?]+[\"')\]]*(?=\s|$|[A-Z])|[\r\n]+|;\s+|\s-+\s|,?\s+(?:but|however|although|though|except|while)\s+"
    r"|,\s+(?:and|so|yet)\s+(?=(?:i|it|the|they|my|this|we)\b)",
    re.IGNORECASE,
)
"""A splitter of its own: improving the one that reads reviews must not change the table."""


class WrongReviewsError(Exception):
    """The reviews are not the ones the table was fitted on."""


def split_segments(text: str) -> list[str]:
    """Return the sentences and clauses of a review that have 3 to 30 words.

    Example:
        >>> split_segments("Love this dress! It runs small, but the fabric is soft. Yes.")
        ['Love this dress', 'It runs small', 'the fabric is soft']
    """
    parts = (part.strip(' ,"') for part in _BORDER.split(text))
    return [part for part in parts if 3 <= len(part.split()) <= 30]


def read_clothing_segments(data: Path, seed: int) -> list[str]:
    """Return the different segments of all clothing reviews, shuffled, about 121,000.

    Args:
        data: The folder that holds ``reviews_womens_clothing/``.
        seed: Same seed, same order.

    Raises:
        OSError: If the file cannot be read.
        WrongReviewsError: If it is not the pinned file.
    """
    packed = (data / REVIEWS).read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != REVIEWS_SHA256:
        raise WrongReviewsError(f"{REVIEWS.name} has sha256 {found}, want {REVIEWS_SHA256}")
    segments: dict[str, None] = {}
    for line in gzip.decompress(packed).splitlines():
        segments.update(dict.fromkeys(split_segments(json.loads(line)["text"] or "")))
    shuffled = list(segments)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 -- reproducible order, no secret
    return shuffled
