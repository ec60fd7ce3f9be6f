"""Which quotes of a group really say what the group says."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from processors.digest.clusters import side_of
from processors.language.claims import words_of
from processors.language.lexicon import CONCEPT_OF, PERSONAL, sense
from processors.language.polarity import polarity
from processors.points.grouping import Group
from processors.points.wording import Wording

_TELLING_SHARE: Final = 0.12  # of a group's claims, weighted by how specific the term is
_TYPICAL_LEAST: Final = 0.35  # weight of a quote with none of its group's terms
_TYPICAL_TERMS: Final = 2  # of the group's best terms make a quote fully typical
_COMMON_SHARE: Final = 0.03  # of a group's claims: rarer terms are a quote's own
_OWN_COST: Final = 0.35  # of a quote all of whose terms are its own
_SIDE_WEIGHTS: Final = {1: 1.0, 0: 0.85, -1: 0.4}  # of a quote on the group's side, on none, on the other


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one quote speaks of."""

    words: tuple[str, ...]  # lower case, in order
    personal: bool  # of its writer too
    terms: frozenset[str]
    concepts: frozenset[int]
    side: int  # -1, 0 or 1


@lru_cache(maxsize=1 << 14)  # most quotes of a product are the same at its next reading
def speak(text: str) -> Spoken:
    """Read a quote.

    Example:
        >>> sorted(speak("The zipper broke!").terms)
        ['broke', 'zipper']
    """
    words = tuple(words_of(text))
    terms = frozenset(term for word in words if (term := sense(word).term))
    concepts = frozenset(CONCEPT_OF[term] for term in terms if term in CONCEPT_OF)
    return Spoken(words, not PERSONAL.isdisjoint(words), terms, concepts, side_of(polarity(words)[0]))


class Profile:
    """What the claims of a group have in common.

    Args:
        wording: Of the band's clusters.
        group: The group.
    """

    def __init__(self, wording: Wording, group: Group) -> None:
        used = group.words.nonzero()[0]
        weights = (group.words[used] * wording.salience[used] / max(1, group.claim_count)).tolist()
        self._weights = {wording.terms[column]: weight for column, weight in zip(used.tolist(), weights, strict=True)}
        self._concepts: dict[int, float] = {}
        for term, weight in self._weights.items():
            if term in CONCEPT_OF:
                self._concepts[CONCEPT_OF[term]] = self._concepts.get(CONCEPT_OF[term], 0.0) + weight
        self._conceived = max(self._concepts.values(), default=0.0)
        best = sorted(self._weights.values(), reverse=True)[:_TYPICAL_TERMS]
        self._termed = max(sum(best), 1e-6)
        self._telling = min(_TELLING_SHARE, 0.5 * self._termed)
        self._side = side_of(group.polarity)

    def typicality(self, spoken: Spoken) -> float:
        """Return from .09 to 1 how much a quote speaks of what the group speaks of, and of that alone, on its side."""
        weights = [self._weights.get(term, 0.0) for term in spoken.terms]
        termed = sum(weights)
        conceived = max((self._concepts.get(concept, 0.0) for concept in spoken.concepts), default=0.0)
        told = min(1.0, (termed + conceived) / (self._termed + self._conceived))
        own = sum(weight < _COMMON_SHARE for weight in weights) / max(1, len(weights))
        typical: float = (_TYPICAL_LEAST + (1.0 - _TYPICAL_LEAST) * told) * (1.0 - _OWN_COST * own)
        return typical * (_SIDE_WEIGHTS[spoken.side * self._side] if self._side else 1.0)

    def backs(self, spoken: Spoken, headline: Spoken) -> bool:
        """Tell whether a quote shares a telling term or aspect with the headline and does not contradict it."""
        if spoken.side * headline.side < 0:
            return False
        if spoken is headline:
            return True
        told = any(self._weights.get(term, 0.0) >= self._telling for term in spoken.terms & headline.terms)
        common = spoken.concepts & headline.concepts
        return told or any(self._concepts.get(concept, 0.0) >= self._telling for concept in common)
