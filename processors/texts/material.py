"""Tell when points have changed so much that their text no longer fits."""

import math
from typing import NamedTuple

from schemas.points import BandName, Point, Reading

TOP = 5
"""Points that a text is taken to be about."""

NEW_POINTS = 2
"""New ones among the top that make a text stale."""

SHARE_MOVE = 0.10
SIGMAS = 2.5
BAND_FLOOR = 5
"""Reviews a band needs before its points count."""

_OPINIONS: tuple[BandName, ...] = ("negative", "positive", "unrated")


def material_change(before: Reading | None, after: Reading) -> str | None:
    """Return why a text written from ``before`` no longer fits ``after``, or None while it does.

    Unrated reviews count like rated ones: a source without stars must be rewritten too.

    Args:
        before: What the standing text was written from; None when there is none.
        after: What stands now.

    Returns:
        ``first text``, ``first safety flag``, ``new points`` or ``share moved``.
    """
    if before is None:
        return "first text"
    if after.flag_counts.safety and not before.flag_counts.safety:
        return "first safety flag"
    top = _top(after)
    known = _points(before)
    if sum(key not in known for key in top) >= min(NEW_POINTS, len(top)) > 0:
        return "new points"
    if any(_moved(known[key], now) for key, now in top.items() if key in known):
        return "share moved"
    return None


class _Standing(NamedTuple):
    """A point and the size of its band."""

    point: Point
    band_count: int


def _points(reading: Reading) -> dict[tuple[BandName, str], _Standing]:
    """Return the points of all opinionated bands; their ids are unique within a band only."""
    return {
        (name, point.point_id): _Standing(point, band.review_count)
        for name in _OPINIONS
        for band in [getattr(reading.bands, name)]
        for point in band.points
    }


def _top(reading: Reading) -> dict[tuple[BandName, str], _Standing]:
    counted = [pair for pair in _points(reading).items() if pair[1].band_count >= BAND_FLOOR]
    return dict(sorted(counted, key=lambda pair: (-pair[1].point.review_count, pair[0]))[:TOP])


def _moved(old: _Standing, new: _Standing) -> bool:
    pooled = (old.point.review_count + new.point.review_count) / (old.band_count + new.band_count)
    sigma = math.sqrt(pooled * (1 - pooled) / old.band_count)
    return abs(new.point.share - old.point.share) > max(SHARE_MOVE, SIGMAS * sigma)
