"""The few quotes a cluster keeps: the best ones and the newest ones."""

from collections.abc import Iterable
from typing import Final

import msgspec

KEPT_BEST: Final = 3
KEPT_NEWEST: Final = 3


class Excerpt(msgspec.Struct, array_like=True, frozen=True):
    """One review's words for a cluster."""

    ordinal: int  # of the review in its band
    review_id: str
    text: str
    quality: float  # as a headline; larger is better


def keep(excerpts: Iterable[Excerpt]) -> list[Excerpt]:
    """Choose the 3 newest and the 3 best of the others, texts distinct, oldest first.

    Of equal texts the better one stays, then the older.
    """
    distinct: dict[str, Excerpt] = {}
    for excerpt in sorted(excerpts, key=lambda one: (-one.quality, one.ordinal, one.text)):
        distinct.setdefault(excerpt.text, excerpt)
    by_age = sorted(distinct.values(), key=lambda one: (one.ordinal, one.text))
    older, newest = by_age[:-KEPT_NEWEST], by_age[-KEPT_NEWEST:]
    best = sorted(older, key=lambda one: (-one.quality, one.ordinal, one.text))[:KEPT_BEST]
    return sorted(best, key=lambda one: (one.ordinal, one.text)) + newest
