"""Tell when points have changed so much that their text no longer fits."""

import math

from schemas.points import Band, Point, Reading

TOP = 5
"""Points that a text is taken to be about."""

NEW_POINTS = 2
"""New ones among the top that make a text stale."""

SHARE_MOVE = 0.10
SIGMAS = 2.5
BAND_FLOOR = 5
"""Reviews a band needs before its points count."""


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
    known = {point.point_id: (point, band) for band in _opinions(before) for point in band.points}
    if sum(point.point_id not in known for point, _ in top) >= min(NEW_POINTS, len(top)) > 0:
        return "new points"
    if any(_moved(*known[point.point_id], point, band) for point, band in top if point.point_id in known):
        return "share moved"
    return None


def _opinions(reading: Reading) -> tuple[Band, ...]:
    return reading.bands.negative, reading.bands.positive, reading.bands.unrated


def _top(reading: Reading) -> list[tuple[Point, Band]]:
    pairs = [(p, band) for band in _opinions(reading) if band.review_count >= BAND_FLOOR for p in band.points]
    return sorted(pairs, key=lambda pair: (-pair[0].review_count, pair[0].point_id))[:TOP]


def _moved(old: Point, old_band: Band, new: Point, new_band: Band) -> bool:
    pooled = (old.review_count + new.review_count) / (old_band.review_count + new_band.review_count)
    sigma = math.sqrt(pooled * (1 - pooled) / old_band.review_count)
    return abs(new.share - old.share) > max(SHARE_MOVE, SIGMAS * sigma)
