"""Readings made by hand, for tests of what is written from them."""

from collections.abc import Sequence

from schemas.points import (
    Band,
    Bands,
    Evidence,
    FlagCounts,
    Metrics,
    Point,
    RatingCounts,
    Reading,
    ValueForMoney,
)


def point(
    headline: str, count: int = 1, of: int = 10, quotes: Sequence[str] = (), point_id: str | None = None
) -> Point:
    return Point(
        point_id=point_id or headline,
        label=headline.split()[-1].lower(),
        headline=headline,
        review_count=count,
        share=count / of,
        trend=1.0,
        evidence=[Evidence(review_id=f"r{number}", quote=quote) for number, quote in enumerate(quotes or [headline])],
    )


def band(count: int = 0, points: Sequence[Point] = ()) -> Band:
    return Band(review_count=count, points=list(points))


def reading(
    positive: Band | None = None,
    negative: Band | None = None,
    neutral: Band | None = None,
    unrated: Band | None = None,
    safety: int = 0,
) -> Reading:
    bands = Bands(
        negative=negative or band(),
        neutral=neutral or band(),
        positive=positive or band(),
        unrated=unrated or band(),
    )
    count = sum(one.review_count for one in (bands.negative, bands.neutral, bands.positive, bands.unrated))
    return Reading(
        bands=bands,
        value_for_money=ValueForMoney(stance="unknown", good=0, poor=0, unclear=0, evidence=[]),
        flags=[],
        flag_counts=FlagCounts(safety=safety),
        metrics=Metrics(review_count=count, mean_rating=None, rating_counts=RatingCounts(), last_30_days=0),
    )
