"""The stream of reviews, and the truth about those already taken."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from processors.simulator.drafting import Draft, Drafter
from processors.simulator.opinions import profile
from processors.simulator.scenario import Scenario
from processors.simulator.truth import BandTruth, Mention, Opinion, Truth
from schemas.points import BAND_NAMES, BandName
from schemas.reviews import Review

BANDS: tuple[BandName, ...] = ("negative", "negative", "neutral", "positive", "positive")
"""By rating, 1 to 5."""


@dataclass(slots=True)
class _Tally:
    """What was said of one product so far."""

    reviews: Counter[BandName] = field(default_factory=Counter)
    opinions: dict[BandName, Counter[Opinion]] = field(default_factory=lambda: {name: Counter() for name in BAND_NAMES})
    flags: Counter[str] = field(default_factory=Counter)

    def add(self, draft: Draft) -> None:
        rating = draft.review.rating
        band: BandName = BANDS[rating - 1] if rating else "unrated"
        self.reviews[band] += 1
        self.opinions[band].update({mention.opinion for mention in draft.mentions})
        self.flags.update(draft.flags)


class Simulator:
    """Endless reviews of invented products, and the truth about those already taken.

    Args:
        seed: 0 or more; equal seeds give equal reviews.
        products: How many, 1 or more; the first ones sell best.
        scenario: Everything else.

    Raises:
        ValueError: If seed or products is out of range, or a drift names a product or an aspect that this
            simulation does not have.

    Example:
        >>> simulator = Simulator(seed=7, products=1)
        >>> [review.product_id for review in simulator.reviews(2)]
        ['aero-buds-1', 'aero-buds-1']
        >>> simulator.truth("aero-buds-1").as_json()["review_count"]
        2
    """

    def __init__(self, seed: int, products: int = 3, scenario: Scenario | None = None) -> None:
        if seed < 0 or products < 1:
            raise ValueError("give a seed of 0 or more and at least 1 product")
        self.seed = seed
        self.scenario = scenario or Scenario()
        profiles = [profile(seed, number) for number in range(products)]
        prevalences = {one.product_id: one.prevalence for one in profiles}
        for drift in self.scenario.drifts:
            if (drift.aspect, drift.side) not in prevalences.get(drift.product_id, ()):
                raise ValueError(f"drift: {drift.product_id} has no {drift.aspect} in this simulation")
        self.products: Mapping[str, str] = {one.product_id: one.name for one in profiles}
        """Names of the products by id, best sellers first."""
        self._drafter = Drafter(seed, profiles, self.scenario)
        self._tallies = {product_id: _Tally() for product_id in self.products}
        self._taken = 0

    def reviews(self, count: int) -> Iterator[Review]:
        """Yield the next reviews; a second call goes on where the first one was left."""
        for _ in range(count):
            draft = self.draft(self._taken)
            self._taken += 1
            self._tallies[draft.review.product_id].add(draft)
            yield draft.review

    def draft(self, index: int) -> Draft:
        """Return the review of one index, from 0, and what it says. Takes nothing: the truth stays as it is."""
        return self._drafter.draft(index)

    def truth(self, product_id: str) -> Truth:
        """Return what the reviews taken so far said of a product.

        Raises:
            KeyError: If there is no such product.
        """
        tally = self._tallies[product_id]
        bands = {name: BandTruth(tally.reviews[name], dict(tally.opinions[name])) for name in BAND_NAMES}
        flags = {kind: tally.flags[kind] for kind in ("safety", "severe")}
        return Truth(product_id, self.products[product_id], bands, flags, self._mentions)

    def _mentions(self, review_id: str) -> tuple[Mention, ...]:
        draft = self._drafter.find(review_id)
        return draft.mentions if draft else ()
