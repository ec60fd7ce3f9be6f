"""What is thought of one product: hidden quality, and how often each opinion is voiced."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from processors.simulator.catalogue import SIDES, Kind, english, kinds
from processors.simulator.randomness import seeded
from processors.simulator.truth import Opinion, Side

PREVALENCE_LIMIT = 0.95
FIRST_PREVALENCE = 0.46
PREVALENCE_DECAY = 0.8
"""The most frequent opinion of a side is voiced in 46 % of its reviews, each next one in 0.8 times as many."""

LOVED = (0.02, 0.03, 0.06, 0.2, 0.69)
LOATHED = (0.25, 0.15, 0.15, 0.2, 0.25)
"""Ratings 1 to 5 of a perfect and of a poor product; real ones lie between."""

VOICED: dict[Side, tuple[float, ...]] = {
    "positive": (0.05, 0.2, 0.55, 0.9, 1.0),
    "negative": (1.0, 0.9, 0.55, 0.18, 0.04),
}
"""How readily buyers who rate 1 to 5 voice an opinion of a side."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One product and what buyers think of it.

    ``prevalence`` is per review of average length whose rating suits the opinion's side.
    """

    product_id: str
    name: str
    kind: Kind
    prevalence: Mapping[Opinion, float]
    rating_bounds: tuple[float, ...]

    def rate(self, random: Random) -> int:
        """Draw a rating, 1 to 5."""
        drawn = random.random()
        return 1 + sum(drawn >= bound for bound in self.rating_bounds[:-1])


def profile(seed: int, number: int) -> Profile:
    """Return the product of one number, from 0; numbers 12 apart are successors ("trail-runner-2")."""
    kind = kinds()[number % len(kinds())]
    model = 1 + number // len(kinds())
    random = seeded(seed, "product", number)
    quality = random.uniform(0.5, 0.95)
    ratings = [quality * loved + (1 - quality) * loathed for loved, loathed in zip(LOVED, LOATHED, strict=True)]
    return Profile(
        product_id=f"{kind.stem}-{model}",
        name=kind.name if model == 1 else f"{kind.name} {model}",
        kind=kind,
        prevalence=_prevalence(english(kind).salience, random),
        rating_bounds=tuple(accumulate(ratings)),
    )


def _prevalence(salience: Mapping[str, float], random: Random) -> dict[Opinion, float]:
    """Draw a hidden quality per aspect: what is good is praised often and rarely complained about."""
    quality = {aspect: random.random() for aspect in salience}
    appeal = {
        Opinion(aspect, side): salience[aspect] * (quality[aspect] if side == "positive" else 1 - quality[aspect])
        for side in SIDES
        for aspect in salience
    }
    prevalence = {}
    for side in SIDES:
        ranked = sorted((opinion for opinion in appeal if opinion.side == side), key=lambda opinion: -appeal[opinion])
        for rank, opinion in enumerate(ranked):
            prevalence[opinion] = FIRST_PREVALENCE * PREVALENCE_DECAY**rank
    return prevalence


def draw_opinions(prevalence: Mapping[Opinion, float], rating: int, talk: float, random: Random) -> list[Opinion]:
    """Draw what one review mentions, each aspect once at most.

    Returns:
        The opinions that suit the rating first (after a rating of 3: either side first), then the others; none at
        all if only others were drawn, for nobody rates 5 and just complains.
    """
    chosen: dict[str, Opinion] = {}
    for opinion, share in prevalence.items():
        chance = min(PREVALENCE_LIMIT, share * talk * VOICED[opinion.side][rating - 1])
        if random.random() < chance and (opinion.aspect not in chosen or random.random() < 0.5):
            chosen[opinion.aspect] = opinion
    opinions = list(chosen.values())
    random.shuffle(opinions)
    first = "positive" if rating > 3 or (rating == 3 and random.random() < 0.5) else "negative"
    if rating != 3 and all(opinion.side != first for opinion in opinions):
        return []
    return sorted(opinions, key=lambda opinion: opinion.side != first)
