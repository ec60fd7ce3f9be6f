"""Plain figures of a product as they are published."""

from typing import Final

from tests.releases.v0_1.processors.digest.head import Head, ValueTally
from tests.releases.v0_1.schemas.points import FlagCounts, Metrics, RatingCounts, Stance, ValueForMoney

_STANCE_REVIEWS: Final = 3
_STANCE_MAJORITY: Final = 0.7


def read_metrics(head: Head, last_30_days: int) -> Metrics:
    """Count reviews by stars and age."""
    counts = head.rating_counts
    rated = sum(counts)
    total = sum(stars * count for stars, count in enumerate(counts, start=1))
    one, two, three, four, five = counts
    return Metrics(
        review_count=head.review_count,
        mean_rating=round(total / rated, 4) if rated else None,
        rating_counts=RatingCounts(one=one, two=two, three=three, four=four, five=five),
        last_30_days=last_30_days,
    )


def read_value(tally: ValueTally) -> ValueForMoney:
    """Say what reviews think of the price, newest quotes first, the stronger side's quotes before the other's."""
    good, poor = tally.good_evidence[::-1], tally.poor_evidence[::-1]
    return ValueForMoney(
        stance=stance(tally.good, tally.poor),
        good=tally.good,
        poor=tally.poor,
        unclear=tally.unclear,
        evidence=good + poor if tally.good >= tally.poor else poor + good,
    )


def stance(good: int, poor: int) -> Stance:
    """Judge value for money from 3 clear reviews on; 70 % make a side.

    Example:
        >>> stance(9, 1), stance(1, 9), stance(5, 5), stance(2, 0)
        ('good', 'poor', 'mixed', 'unknown')
    """
    clear = good + poor
    if clear < _STANCE_REVIEWS:
        return "unknown"
    if good >= _STANCE_MAJORITY * clear:
        return "good"
    return "poor" if poor >= _STANCE_MAJORITY * clear else "mixed"


def read_flag_counts(head: Head) -> FlagCounts:
    """Count flagged reviews by kind."""
    return FlagCounts(**{str(kind): count for kind, count in head.flag_counts.items()})
