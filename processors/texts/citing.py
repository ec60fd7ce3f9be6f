"""Which reviews a text rests on, and whether one of them is gone."""

from collections.abc import Set

from schemas.points import BAND_NAMES, Forgotten, Points, Reading
from schemas.summaries import Summary


def quoted_reviews(shown: Reading | Points | Summary) -> list[str]:
    """List the reviews whose words are shown, once for every quote; a headline is the first quote of its point.

    Args:
        shown: What is published, or what a text is written from.
    """
    points = (point for name in BAND_NAMES for point in getattr(shown.bands, name).points)
    quotes = [evidence.review_id for point in points for evidence in point.evidence]
    told = [evidence.review_id for evidence in shown.value_for_money.evidence]
    return [*quotes, *told, *(flag.review_id for flag in shown.flags)]


def cited_reviews(reading: Reading) -> frozenset[str]:
    """Return the ids of all reviews whose words a reading shows.

    Args:
        reading: What a text is written from.
    """
    return frozenset(quoted_reviews(reading))


def cites_forgotten(cited: Set[str], forgotten: Forgotten, before: int) -> bool:
    """Tell whether a text may hold words of a review that was forgotten after it was written.

    Args:
        cited: The reviews it rests on.
        forgotten: What its product has forgotten by now.
        before: How many reviews the product had forgotten when the text's reading was made.

    Returns:
        True also when it is not known what was forgotten since.

    Example:
        >>> told = Forgotten(count=3, newest=["b", "c"])
        >>> cites_forgotten({"b"}, told, 1), cites_forgotten({"b"}, told, 2), cites_forgotten({"b"}, told, 0)
        (True, False, True)
    """
    gone = forgotten.since(before) if before <= forgotten.count else None  # a count that fell is of another history
    return gone is None or not cited.isdisjoint(gone)
