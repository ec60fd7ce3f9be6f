"""Write the paragraph of a reading out of its reviewers' own words.

Sentences come from headlines and quotes alone, restated in the third person. What is central to its side
and well supported is chosen, once; praise and complaints share the words as the ratings do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.texts.candidates import Candidate, collect, quotable
from processors.texts.joining import Chosen, quotation, write_paragraph
from processors.texts.sentence_words import OPPOSITES
from processors.texts.sentences import words_of
from schemas.points import Reading

VERSION = "extractive-2"
"""Grows with every change that can change a text."""

Encode = Callable[[Sequence[str]], npt.NDArray[np.int8]]

TARGET_WORDS = 60
MINOR_PART = 0.35
"""Most of the words that the smaller side gets."""

MINOR_LEAST = 0.3
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
_PERSONAL, _STORY, _LABELLED, _FLAT = 0.8, 0.3, 1.5, 0.4
_ATTRIBUTION = 2
"""Words of "some say", which each sentence of the smaller side begins with."""
_LONGEST_MINOR = round(MINOR_PART * TARGET_WORDS)
"""Words of the first sentence of a side, however small its part."""
_FULL = 0.7
"""Part of its words from which a side is not filled up with what neither praises nor complains."""
_LATER = 0.93
"""Weight of each point against the one before it in its band."""
_STRAY = 0.2
"""Part of its score that a quote keeps however far it is from its point's headline."""
_VOICES = 2
"""Sentences a side may begin with who says it."""
_FLATS = 2
"""Sentences a side may have that neither praise nor complain."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one side of the paragraph may take up.

    Args:
        side: 1 praise, -1 complaint.
        words: Words to be used up.
        flats: Sentences that may neither praise nor complain.
        attribution: Words added to each sentence to say whose it is.
    """

    side: int
    words: int
    flats: int
    attribution: int


@dataclass
class _Field:
    """N candidates with the cosines of each pair, and of each with its point's headline.

    A quote that is far from its headline may be a stray of a large point: it must not borrow the support.
    """

    candidates: list[Candidate]
    likeness: npt.NDArray[np.float64]  # (N, N)
    loyalty: npt.NDArray[np.float64]  # (N,)

    def __post_init__(self) -> None:
        self.taken: list[int] = []

    def choose(self, part: _Part) -> list[Chosen]:
        """Choose the sentences of one part, best first, until its words are used up."""
        scores = self._scores(part.side)
        order = sorted(scores, key=lambda index: (-scores[index], self.candidates[index].statement.sentence))
        picked: list[int] = []
        polar = [index for index in order if self.candidates[index].polarity]
        for ranked, once in ((polar, True), (order, True), (order, False)):
            if ranked is order and _words_of(picked, self.candidates) > _FULL * part.words:
                break
            for index in ranked:
                if self._fits(index, picked, part, once):
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
            * (_STRAY + (1 - _STRAY) * max(0.0, float(self.loyalty[index])))
            * _LATER ** self.candidates[index].point[1]
            * _readability(self.candidates[index])
            for index, central in zip(own, centrality, strict=True)
        }

    def _fits(self, index: int, picked: list[int], part: _Part, once: bool) -> bool:
        candidate = self.candidates[index]
        words = _words_of([index, *picked], self.candidates) + part.attribution * (len(picked) + 1)
        if index in self.taken or words > (part.words if picked else max(part.words, _LONGEST_MINOR)):
            return False
        if any(self.likeness[index, other] >= REDUNDANT for other in self.taken):
            return False
        if once and any(_alike(candidate, self.candidates[other]) for other in picked):
            return False
        if candidate.statement.personal and sum(self.candidates[o].statement.personal for o in picked) >= _VOICES:
            return False
        if not candidate.polarity and sum(not self.candidates[o].polarity for o in picked) >= part.flats:
            return False
        if candidate.statement.story and any(self.candidates[o].statement.story for o in picked):
            return False
        return not any(_opposed(candidate, self.candidates[other]) for other in picked)


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
    field = _compare(candidates, encode)
    side = 1 if praise_first else -1
    minor_words = _minor_words(min(praise, complaint) / (praise + complaint), min(praise, complaint))
    other = field.choose(_Part(-side, minor_words, 0, _ATTRIBUTION)) if minor_words else []
    leading = field.choose(_Part(side, TARGET_WORDS - _words(other, _ATTRIBUTION), _FLATS, 0))
    while len(other) > 1 and _words(other, _ATTRIBUTION) > MINOR_PART / (1 - MINOR_PART) * _words(leading, 0):
        other.pop()
    uncapitalised = {word for c in candidates for word in c.statement.text.split()[1:] if word.islower()}
    return write_paragraph(leading, other, praise_first, uncapitalised)


def _compare(candidates: list[Candidate], encode: Encode) -> _Field:
    texts = [candidate.statement.sentence for candidate in candidates]
    headlines = [candidate.headline for candidate in candidates]
    vectors = encode([*texts, *headlines]).astype(np.float64)
    own, heads = vectors[: len(texts)], vectors[len(texts) :]
    return _Field(candidates, own @ own.T / _UNIT, np.einsum("nd,nd->n", own, heads) / _UNIT)


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


def _words(part: Sequence[Chosen], attribution: int) -> int:
    return sum(chosen.words + attribution for chosen in part)


def _words_of(indices: Sequence[int], candidates: Sequence[Candidate]) -> int:
    return sum(len(candidates[index].statement.sentence.split()) for index in indices)


def _alike(one: Candidate, other: Candidate) -> bool:
    """Return whether two sentences speak for one point, or for points of different bands about the same."""
    return one.point == other.point or (one.point[0] != other.point[0] and not one.topics.isdisjoint(other.topics))


def _opposed(one: Candidate, other: Candidate) -> bool:
    """Return whether two sentences of one side call the same thing by opposite words."""
    left, right = set(words_of(one.statement.sentence)), set(words_of(other.statement.sentence))
    return any((left & a and right & b) or (left & b and right & a) for a, b in OPPOSITES)
