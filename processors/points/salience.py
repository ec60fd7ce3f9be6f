"""How specific terms are within one product: "zipper" is, "dress" is not among reviews of a dress."""

from typing import Final

from processors.digest.head import Head

_TOLD_FROM: Final = 20  # reviews; before, every term may be specific
_LEAST: Final = 0.05
_SPREAD_WEIGHT: Final = 2.2
_POINTED_WEIGHT: Final = 3.5
_POINTED_FREE: Final = 0.06  # share of uses behind "this": even an aspect is pointed at now and then


_NAMED_SHARE: Final = 0.25  # of its uses, written like a name
_NAMED_SPREAD: Final = 0.04  # of all reviews: rarer names may be what an opinion is about
_NAMED_WEIGHT: Final = 0.25


class Salience(dict[str, float]):
    """Weights from .05 to 1 by term: less the more reviews use it, the more often "this" points at it, and for names.

    Args:
        head: Counts of the product.

    Example:
        >>> head = Head(review_count=100, terms={"dress": 60, "zipper": 6}, pointed={"dress": 40})
        >>> {term: round(weight, 2) for term, weight in ((t, Salience(head)[t]) for t in head.terms)}
        {'dress': 0.05, 'zipper': 0.87}
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self._head = head

    def __missing__(self, term: str) -> float:
        reviews = self._head.review_count
        weight = 1.0
        if reviews >= _TOLD_FROM:
            uses = self._head.terms.get(term, 0)
            pointed_share = self._head.pointed.get(term, 0) / (uses + 3)
            weight -= _SPREAD_WEIGHT * uses / reviews
            weight = max(weight, _LEAST) * (1.0 - _POINTED_WEIGHT * max(0.0, pointed_share - _POINTED_FREE))
            if uses >= _NAMED_SPREAD * reviews and self._head.named.get(term, 0) >= _NAMED_SHARE * uses:
                weight *= _NAMED_WEIGHT  # a brand, an artist: whose product it is, not an opinion of it
        self[term] = max(weight, _LEAST)
        return self[term]
