"""Drafting: any review of a simulation, alone, from the seed and its index."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

from processors.simulator.buyers import BUYERS, Buyer, buyer
from processors.simulator.catalogue import FOREIGN_LANGUAGES, Speech, english, foreign
from processors.simulator.composing import MOODS, Voice, compose
from processors.simulator.opinions import PREVALENCE_LIMIT, Profile, draw_opinions
from processors.simulator.randomness import seeded
from processors.simulator.scenario import Scenario
from processors.simulator.truth import Mention, Opinion
from schemas.reviews import Review

LOOKBACK = 40
"""Reviews before a repeated one among which its original is looked for."""

LATEST = timedelta(days=3)
"""How long a late review was under way at most."""

FLAG_WEIGHTS = (5.0, 3.0, 1.0, 0.2, 0.1)
"""How much oftener than on average reviews rated 1 to 5 hold a safety or severe remark."""

SAFETY_SHARE = 0.3
FOREIGN_TALK = 2.0
"""Buyers abroad have fewer things to say in the phrase bank and say them oftener."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A review and what it says: opinions, and remarks of kinds ``safety`` and ``severe``."""

    review: Review
    mentions: tuple[Mention, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """What a repeated review has in common with its original."""

    text: str
    title: str | None
    rating: int
    language: str
    mentions: tuple[Mention, ...]
    flags: tuple[str, ...]


class Drafter:
    """Makes the reviews of one simulation, in any order.

    Args:
        seed: Of the simulation.
        profiles: Its products, best sellers first.
        scenario: Its settings.
    """

    def __init__(self, seed: int, profiles: Sequence[Profile], scenario: Scenario) -> None:
        self._seed = seed
        self._profiles = profiles
        self._scenario = scenario
        self._bounds = list(accumulate((number + 1) ** -0.5 for number in range(len(profiles))))

    def draft(self, index: int) -> Draft:
        """Return the review of one index, from 0, and what it says."""
        random, product, author = self._begin(index)
        content = self._content(index, product, author, random)
        unrated = random.random() < self._scenario.unrated_share
        review = Review(
            review_id=f"s{self._seed}-{index:06d}",
            product_id=product.product_id,
            text=content.text,
            rating=None if unrated else content.rating,
            title=content.title,
            author_id=author.author_id,
            created_at=self._time(index, random),
            language=content.language,
            category=product.kind.category,
        )
        return Draft(review, content.mentions, content.flags)

    def find(self, review_id: str) -> Draft | None:
        """Return the draft of a review by its id, if it is one of this simulation."""
        prefix, _, index = review_id.rpartition("-")
        return self.draft(int(index)) if prefix == f"s{self._seed}" and index.isdecimal() else None

    def _begin(self, index: int) -> tuple[Random, Profile, Buyer]:
        random = seeded(self._seed, "review", index)
        product = self._profiles[bisect_right(self._bounds, random.random() * self._bounds[-1])]
        return random, product, buyer(self._seed, int(random.random() * BUYERS))

    def _content(self, index: int, product: Profile, author: Buyer, random: Random) -> _Content:
        if random.random() < self._scenario.duplicate_share:
            for earlier in range(index - 1, max(-1, index - LOOKBACK), -1):
                earlier_random, other, earlier_author = self._begin(earlier)
                if other is product:
                    return self._content(earlier, other, earlier_author, earlier_random)
        return self._write(index, product, author, random)

    def _write(self, index: int, product: Profile, author: Buyer, random: Random) -> _Content:
        rating = product.rate(random)
        language = self._language(random)
        speech = english(product.kind) if language == "en" else foreign(language)
        talk = author.talk if language == "en" else author.talk * FOREIGN_TALK
        opinions = draw_opinions(self._prevalence(product, index, speech), rating, talk, random)
        flags = self._flags(rating, random) if speech.english else ()
        composed = compose(Voice(author, speech, MOODS[rating - 1]), opinions, flags, random)
        return _Content(composed.text, composed.title, rating, language, composed.mentions, flags)

    def _language(self, random: Random) -> str:
        if random.random() >= self._scenario.foreign_share:
            return "en"
        return FOREIGN_LANGUAGES[int(random.random() * len(FOREIGN_LANGUAGES))]

    def _flags(self, rating: int, random: Random) -> tuple[str, ...]:
        if random.random() >= self._scenario.flag_share * FLAG_WEIGHTS[rating - 1]:
            return ()
        return ("safety",) if random.random() < SAFETY_SHARE else ("severe",)

    def _prevalence(self, product: Profile, index: int, speech: Speech) -> Mapping[Opinion, float]:
        prevalence = {opinion: share for opinion, share in product.prevalence.items() if opinion in speech.opinions}
        for drift in self._scenario.drifts:
            moved = Opinion(drift.aspect, drift.side)
            if drift.product_id == product.product_id and index >= drift.after and moved in prevalence:
                prevalence[moved] = min(PREVALENCE_LIMIT, prevalence[moved] * drift.factor)
        return prevalence

    def _time(self, index: int, random: Random) -> datetime:
        scenario = self._scenario
        at = scenario.start + (index + random.random()) * scenario.spacing
        if random.random() < scenario.late_share:
            at = max(scenario.start, at - random.random() * LATEST)
        return at.replace(microsecond=0)
