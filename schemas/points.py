"""Records on the ``points`` topic: what the reviews of one product say, counted."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.records import Op, Revision, Sources

BandName = Literal["negative", "neutral", "positive", "unrated"]
BAND_NAMES: tuple[BandName, ...] = ("negative", "neutral", "positive", "unrated")
FlagKind = Literal["safety", "severe", "profanity"]
Stance = Literal["good", "poor", "mixed", "unknown"]

POINT_LIMIT = 10
"""Points shown a band."""

EVIDENCE_LIMIT = 6
"""Quotes shown a point."""

FLAG_LIMIT = 20
"""Newest flags shown a product."""

FORGOTTEN_LIMIT = 50
"""Newest forgotten reviews named a product; texts older than these are rewritten whatever they cite."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One review that says it, in its own words."""

    review_id: str
    quote: str  # at most 240 characters


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that reviews of one band say."""

    point_id: str  # stable while its cluster lives
    label: str  # one or two words
    headline: str  # about 11 words, from a review
    review_count: int  # distinct reviews, exactly
    share: float  # of the band's reviews, 0 to 1
    trend: float  # share in the newest half-life of reviews / share overall; 1.0 = steady
    evidence: list[Evidence]


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """The reviews of one rating band: negative 1-2, neutral 3, positive 4-5, unrated."""

    review_count: int
    points: list[Point]


class Bands(msgspec.Struct, frozen=True, kw_only=True):
    """All four bands, empty ones too."""

    negative: Band
    neutral: Band
    positive: Band
    unrated: Band


class ValueForMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What reviews that speak of price say of it: counts of reviews, and some of them."""

    stance: Stance
    good: int
    poor: int
    unclear: int
    evidence: list[Evidence]


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """One review somebody should read."""

    kind: FlagKind
    review_id: str
    quote: str


class FlagCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct reviews flagged, by kind, of all time."""

    safety: int = 0
    severe: int = 0
    profanity: int = 0


class RatingCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Reviews by stars."""

    one: int = msgspec.field(name="1", default=0)
    two: int = msgspec.field(name="2", default=0)
    three: int = msgspec.field(name="3", default=0)
    four: int = msgspec.field(name="4", default=0)
    five: int = msgspec.field(name="5", default=0)


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Plain counts over all reviews of the product."""

    review_count: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    mean_rating: float | None  # none while no review has a rating
    rating_counts: RatingCounts
    last_30_days: int  # reviews in the 30 days before the newest one


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Everything read from a product's state at once."""

    bands: Bands
    value_for_money: ValueForMoney
    flags: list[Flag]  # the newest 20, newest first
    flag_counts: FlagCounts
    metrics: Metrics


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Reviews of a product that were deleted or replaced by an edit since it was first seen."""

    count: int = 0
    newest: list[str] = []  # review ids, the newest last, at most FORGOTTEN_LIMIT

    def add(self, review_id: str) -> "Forgotten":
        """Count one more."""
        return Forgotten(count=self.count + 1, newest=[*self.newest, review_id][-FORGOTTEN_LIMIT:])

    def since(self, count: int) -> list[str] | None:
        """Tell which reviews were forgotten after the first ``count``; None when that is no longer known.

        Example:
            >>> told = Forgotten(count=3, newest=["b", "c"])
            >>> told.since(2), told.since(0)
            (['c'], None)
        """
        missing = self.count - count
        if missing > len(self.newest):
            return None
        return self.newest[len(self.newest) - missing :] if missing > 0 else []


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one product after its latest reading. Kafka key: ``product_id``."""

    product_id: str
    revision: Revision  # grows by at least one a reading
    op: Op
    review_count: int
    bands: Bands
    value_for_money: ValueForMoney
    flags: list[Flag]
    flag_counts: FlagCounts
    metrics: Metrics
    sources: Sources
    forgotten: Forgotten = Forgotten()
