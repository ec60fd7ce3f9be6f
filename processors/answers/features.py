"""What tells an answering sentence from others, as numbers."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.answers.candidates import Candidate
from processors.answers.questions import Kind, Question
from processors.answers.signs import fits, polar_words
from processors.answers.subject import Subject
from processors.answers.words import content
from schemas.hits import Passage

Floats = npt.NDArray[np.float64]
Embeddings = npt.NDArray[np.float32]

SENTENCE_NAMES: Final = (
    "cosine",
    "cosine_behind",
    "overlap",
    "overlap_behind",
    "related",
    "said_before",
    "heading_overlap",
    "centrality",
    "place",
    "passage",
    "score_behind",
    "fits",
    "polar",
    "code",
)
"""The columns of ``sentence_features``; "behind" is the distance to the best sentence."""


LATE: Final = 10
"""Places beyond which more make no difference: invented texts teach nothing about them."""


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
    subject = Subject(question, sentences)
    overlaps = np.array([subject.overlap(sentence.stems) for sentence in sentences])
    scores = np.array([passages[sentence.passage].hit.score for sentence in sentences])
    headings = [subject.overlap(_heading(passage)) for passage in passages]
    columns = [
        cosines,
        cosines - cosines.max(),
        overlaps,
        overlaps - overlaps.max(),
        np.array([subject.related(sentence.text) for sentence in sentences]),
        _said_before(sentences, overlaps),
        np.array([headings[sentence.passage] for sentence in sentences]),
        _centrality(vectors),
        np.log1p([min(sentence.place, LATE) for sentence in sentences]),
        np.log1p([sentence.passage for sentence in sentences]),
        (scores - scores.max()) / (scores.max() or 1.0),
        np.array([fits(sentence.text, question.kind) is True for sentence in sentences]),
        np.array([_polar(question, sentence) for sentence in sentences]),
        np.array([sentence.code for sentence in sentences]),
    ]
    features: Floats = np.stack([column.astype(np.float64) for column in columns], axis=1).round(4)
    return features


def _heading(passage: Passage) -> frozenset[str]:
    return frozenset(content(f"{passage.hit.title or ''} {passage.hit.breadcrumb}"[:2_000]))


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
