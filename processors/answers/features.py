"""What tells an answering sentence from others, as numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.answers.candidates import Candidate
from processors.answers.questions import Kind, Question
from processors.answers.signs import fits, polar_words
from processors.answers.words import content
from schemas.hits import Passage

Floats = npt.NDArray[np.float64]
Embeddings = npt.NDArray[np.float32]

SENTENCE_NAMES: Final = (
    "cosine",
    "cosine_behind",
    "overlap",
    "overlap_behind",
    "said_before",
    "neighbour_cosine",
    "heading_overlap",
    "centrality",
    "place",
    "length",
    "short",
    "passage",
    "score_behind",
    "fits",
    "misses",
    "polar",
    "code",
)
"""The columns of ``sentence_features``; "behind" is the distance to the best sentence."""


LONG: Final = 15
"""Words, and places, beyond which more make no difference: invented texts teach nothing about them."""
LATE: Final = 10


def rarity(question: Question, sentences: Sequence[Candidate]) -> dict[str, float]:
    """Weigh the words of a question by how few of the sentences have them.

    Example:
        >>> from processors.answers.questions import read_question
        >>> rare = rarity(read_question("Does the card fail?"), [])
        >>> rare["card"] == rare["fail"] > 0
        True
    """
    having = Counter(stem for sentence in sentences for stem in sentence.stems)
    return {stem: math.log((len(sentences) + 2) / (having[stem] + 1)) for stem in question.stems}


def share(rare: Mapping[str, float], stems: frozenset[str]) -> float:
    """Return how much of the words' weight a set of stems has, 0 to 1.

    Example:
        >>> share({"card": 1.0, "fail": 3.0}, frozenset({"fail"}))
        0.75
    """
    whole = sum(rare.values())
    return sum(weight for stem, weight in rare.items() if stem in stems) / whole if whole else 0.0


def sentence_features(
    question: Question,
    passages: Sequence[Passage],
    sentences: Sequence[Candidate],
    asked: Embeddings,
    vectors: Embeddings,
) -> Floats:
    """Describe each sentence as an answer to a question.

    Args:
        question: What is asked.
        passages: Best first.
        sentences: N of them, N >= 1, passage by passage.
        asked: The question's unit vector, ``(D,)`` float32.
        vectors: The sentences' unit vectors, ``(N, D)`` float32.

    Returns:
        ``(N, F)`` float64, rounded to 4 decimals so that embedders that agree that far agree here.
    """
    cosines = (vectors @ asked).astype(np.float64)
    rare = rarity(question, sentences)
    overlaps = np.array([share(rare, sentence.stems) for sentence in sentences])
    scores = np.array([passages[sentence.passage].hit.score for sentence in sentences])
    headings = [share(rare, _heading(passage)) for passage in passages]
    columns = [
        cosines,
        cosines - cosines.max(),
        overlaps,
        overlaps - overlaps.max(),
        _said_before(sentences, overlaps),
        _beside(sentences, cosines),
        np.array([headings[sentence.passage] for sentence in sentences]),
        _centrality(vectors),
        np.log1p([min(sentence.place, LATE) for sentence in sentences]),
        np.array([min(sentence.words, LONG) / LONG for sentence in sentences]),
        np.array([sentence.words < 6 for sentence in sentences]),
        np.log1p([sentence.passage for sentence in sentences]),
        (scores - scores.max()) / (scores.max() or 1.0),
        np.array([fits(sentence.text, question.kind) is True for sentence in sentences]),
        np.array([fits(sentence.text, question.kind) is False for sentence in sentences]),
        np.array([_polar(question, sentence) for sentence in sentences]),
        np.array([sentence.code for sentence in sentences]),
    ]
    features: Floats = np.stack([column.astype(np.float64) for column in columns], axis=1).round(4)
    return features


def _heading(passage: Passage) -> frozenset[str]:
    return frozenset(content(f"{passage.hit.title or ''} {passage.hit.breadcrumb}"[:2_000]))


def _beside(sentences: Sequence[Candidate], values: Floats) -> Floats:
    """Return the larger value of each sentence's neighbours in its passage, 0 without any."""
    beside = np.zeros(len(sentences))
    for left in range(len(sentences) - 1):
        if sentences[left].passage == sentences[left + 1].passage:
            beside[left] = max(beside[left], values[left + 1])
            beside[left + 1] = max(beside[left + 1], values[left])
    return beside


def _said_before(sentences: Sequence[Candidate], overlaps: Floats) -> Floats:
    """Tell of each sentence whether an earlier one of its passage has as many of the question's words, not none."""
    most: dict[int, float] = {}
    said = np.zeros(len(sentences))
    for place, (sentence, overlap) in enumerate(zip(sentences, overlaps, strict=True)):
        said[place] = 0.0 < overlap <= most.get(sentence.passage, 0.0)
        most[sentence.passage] = max(overlap, most.get(sentence.passage, 0.0))
    return said


def _centrality(vectors: Embeddings) -> Floats:
    """Return each sentence's mean cosine to the others, 0 for a single one."""
    if len(vectors) < 2:
        return np.zeros(len(vectors))
    whole = vectors.sum(axis=0)
    centrality: Floats = ((vectors @ whole - 1.0) / (len(vectors) - 1)).astype(np.float64)
    return centrality


def _polar(question: Question, sentence: Candidate) -> float:
    asks = question.kind in {Kind.OPINION, Kind.TRUTH, Kind.OTHER}
    return min(polar_words(sentence.text), 2) / 2 if asks else 0.0
