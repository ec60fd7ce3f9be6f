"""Write the paragraph of a reading out of its reviewers' own words.

Sentences come from headlines and quotes alone, restated in the third person. What is central to its side
and well supported is chosen, once; praise and complaints share the words as the ratings do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.candidates import Candidate, collect, quotable
from processors.sentence_words import OPPOSITES
from processors.sentences import words_of
from processors.wording import Chosen, quotation, write_paragraph
from schemas.points import Reading

VERSION = "extractive-1"
"""Grows with every change that can change a text."""

Encode = Callable[[Sequence[str]], npt.NDArray[np.int8]]

TARGET_WORDS = 60
MINOR_PART = 0.35
"""Most of the words that the smaller side gets."""

MINOR_LEAST = 0.2
"""Fewest, where it is heard at all."""

MINOR_FROM = 0.08
"""Part of the reviews from which the smaller side is heard at all; so it is from MINOR_REVIEWS on."""

MINOR_REVIEWS = 5
REDUNDANT = 0.65
"""Cosine from which two sentences say the same."""

_UNIT = 127.0 * 127.0
_CENTRALITY_POWER = 1.0
_SUPPORT_POWER = 0.5
_BEST_WORDS = 11
_PERSONAL, _STORY, _LABELLED, _FLAT = 0.8, 0.3, 1.2, 0.4
_VOICES = 2
"""Sentences a side may begin with who says it."""


def compose(reading: Reading, encode: Encode) -> str:
    """Return about 60 words on what the reviews say, or "" when no sentence can be told.

    Args:
        reading: The points; nothing else is used.
        encode: Gives one int8 row a text, unit length times 127.
    """
    candidates = collect(reading)
    praise, complaint = _mix(reading, candidates)
    praise_first = praise >= complaint
    if not any(candidate.side == (1 if praise_first else -1) for candidate in candidates):
        return quotation(quotable(reading, 1 if praise_first else -1))
    vectors = encode([candidate.statement.sentence for candidate in candidates]).astype(np.float64)
    field = _Field(candidates, vectors @ vectors.T / _UNIT)
    minor = min(praise, complaint) / (praise + complaint)
    minor_words = _minor_words(minor, min(praise, complaint))
    other = field.choose(-1 if praise_first else 1, minor_words) if minor_words else []
    leading = field.choose(1 if praise_first else -1, TARGET_WORDS - sum(chosen.words for chosen in other))
    return write_paragraph(leading, other, praise_first)


def _mix(reading: Reading, candidates: Sequence[Candidate]) -> tuple[float, float]:
    """Return how many reviews praise and complain; those without a clear rating are split by what they say."""
    bands = reading.bands
    praise, complaint = float(bands.positive.review_count), float(bands.negative.review_count)
    for name, count in (("neutral", bands.neutral.review_count), ("unrated", bands.unrated.review_count)):
        weights = [(c.side, c.weight) for c in candidates if c.point[0] == name]
        liked = sum(weight for side, weight in weights if side > 0)
        total = sum(weight for _, weight in weights)
        if total:
            praise += count * liked / total
            complaint += count * (1 - liked / total)
    return (praise, complaint) if praise + complaint else (1.0, 0.0)


def _minor_words(part: float, reviews: float) -> int:
    """Return the words of the smaller side: its part of the reviews, but enough for one sentence."""
    if part < MINOR_FROM and reviews < MINOR_REVIEWS:
        return 0
    return round(TARGET_WORDS * min(MINOR_PART, max(part, MINOR_LEAST)))


@dataclass
class _Field:
    """Candidates with the similarity of each pair, ``(N, N)`` float64 cosines."""

    candidates: list[Candidate]
    likeness: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        self.taken: list[int] = []

    def choose(self, side: int, words: int) -> list[Chosen]:
        """Choose sentences of one side, best first, until the words are used up."""
        scores = self._scores(side)
        order = sorted(scores, key=lambda index: (-scores[index], self.candidates[index].statement.sentence))
        picked: list[int] = []
        for once in (True, False):
            for index in order:
                if self._fits(index, picked, words, once):
                    picked.append(index)
                    self.taken.append(index)
        chosen = [self.candidates[index] for index in _arranged(picked, self.candidates)]
        return [Chosen(candidate.statement, candidate.support, candidate.share) for candidate in chosen]

    def _scores(self, side: int) -> dict[int, float]:
        own = [index for index, candidate in enumerate(self.candidates) if candidate.side == side]
        weights = np.array([self.candidates[index].weight for index in own])
        if not own:
            return {}
        centrality = np.maximum(self.likeness[np.ix_(own, own)] @ weights / weights.sum(), 1e-6)
        return {
            index: float(central) ** _CENTRALITY_POWER
            * self.candidates[index].support ** _SUPPORT_POWER
            * _readability(self.candidates[index])
            for index, central in zip(own, centrality, strict=True)
        }

    def _fits(self, index: int, picked: list[int], words: int, once: bool) -> bool:
        candidate = self.candidates[index]
        rest = words - sum(_length(self.candidates[other]) for other in picked)
        if index in self.taken or _length(candidate) > rest + (2 if picked else words):
            return False
        if any(self.likeness[index, other] >= REDUNDANT for other in self.taken):
            return False
        if once and any(self.candidates[other].point == candidate.point for other in picked):
            return False
        if candidate.statement.personal and sum(self.candidates[o].statement.personal for o in picked) >= _VOICES:
            return False
        if candidate.statement.story and any(self.candidates[o].statement.story for o in picked):
            return False
        return not any(_opposed(candidate, self.candidates[other]) for other in picked)


def _arranged(picked: list[int], candidates: Sequence[Candidate]) -> list[int]:
    """Return the chosen in order of choice, led by the first that is about the product itself."""
    first = next((index for index in picked if not candidates[index].statement.personal), None)
    return picked if first is None else [first, *(index for index in picked if index != first)]


def _readability(candidate: Candidate) -> float:
    words = words_of(candidate.statement.sentence)
    value = 1.0 - 0.02 * abs(len(words) - _BEST_WORDS)
    if candidate.statement.personal:
        value *= _STORY if candidate.statement.story else _PERSONAL
    if candidate.labelled:
        value *= _LABELLED
    return value * (_FLAT + (1 - _FLAT) * abs(candidate.polarity))


def _length(candidate: Candidate) -> int:
    return len(candidate.statement.sentence.split())


def _opposed(one: Candidate, other: Candidate) -> bool:
    """Return whether two sentences of one side call the same thing by opposite words."""
    left, right = set(words_of(one.statement.sentence)), set(words_of(other.statement.sentence))
    return any((left & a and right & b) or (left & b and right & a) for a, b in OPPOSITES)
