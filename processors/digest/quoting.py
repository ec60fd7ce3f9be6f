"""Whose words a product's state holds."""

import msgspec

from processors.digest.head import Head
from processors.digest.persistence import load_band
from processors.digest.product import BASE, HEAD


def quoted_reviews(part: str, state: bytes) -> list[str]:
    """List the reviews quoted in one part of a product's state, once for every quote.

    Args:
        part: Its name, as in ``Product.dump_changed``.
        state: Its bytes.

    Raises:
        msgspec.ValidationError: If the bytes are not what this version writes.
    """
    if part == BASE:  # numbers only
        return []
    if part != HEAD:
        return [excerpt.review_id for cluster in load_band(state, {}).clusters for excerpt in cluster.excerpts]
    head = msgspec.msgpack.decode(state, type=Head)
    told = [*head.value.good_evidence, *head.value.poor_evidence]
    return [evidence.review_id for evidence in told] + [flag.review_id for flag in head.flags]
