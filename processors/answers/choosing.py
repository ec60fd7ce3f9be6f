"""Which sentences answer, and how they are put together."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.answers.candidates import Candidate
from processors.answers.questions import Question
from processors.answers.visible import folded

SENTENCES: Final = 3
"""Sentences of an answer at most."""
WORTH: Final = 0.5
"""Of the best sentence's probability that another one must have."""
ALIKE: Final = 0.86
"""Cosine from which two sentences say the same."""
_SAME_WORDS: Final = 0.75
_ECHO: Final = 0.9
_ECHO_ROOM: Final = 4


def choose(
    question: Question,
    sentences: Sequence[Candidate],
    probabilities: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float32],
    limit: int = SENTENCES,
) -> list[int]:
    """Return the places of the best sentences, best first, none saying what a better one says.

    Args:
        question: Lines of code are chosen only if it asks for code.
        sentences: N of them.
        probabilities: That each answers, ``(N,)``.
        vectors: ``(N, D)`` float32 of length 1.
        limit: Most sentences.
    """
    chosen: list[int] = []
    for place in map(int, np.argsort(-probabilities, kind="stable")):
        sentence = sentences[place]
        if len(chosen) == limit or (chosen and probabilities[place] < WORTH * probabilities[chosen[0]]):
            break
        if (sentence.code and not question.code) or echoes(question, sentence):
            continue
        if not any(vectors[place] @ vectors[other] >= ALIKE or same(sentence, sentences[other]) for other in chosen):
            chosen.append(place)
    return chosen


def told(sentences: Iterable[Candidate]) -> str:
    """Return sentences as quotes with markers: passage by passage, each in its order, the first one's first.

    Example:
        >>> first = Candidate(1, 0, "Open b.", frozenset(), 2, False)
        >>> told([Candidate(1, 3, 'Set "a".', frozenset(), 2, False), first])
        '"Open b." [2] "Set \\'a\\'." [2]'
    """
    listed = list(sentences)
    order = list(dict.fromkeys(sentence.passage for sentence in listed))
    listed.sort(key=lambda sentence: (order.index(sentence.passage), sentence.place))
    return " ".join(quoted(sentence) for sentence in listed)


def quoted(sentence: Candidate) -> str:
    """Return a sentence between quotation marks, with its marker."""
    return f'"{folded(sentence.text)}" [{sentence.passage + 1}]'


def same(one: Candidate, other: Candidate) -> bool:
    """Tell whether two sentences have almost the same content words."""
    either = one.stems | other.stems
    return bool(either) and len(one.stems & other.stems) >= _SAME_WORDS * len(either)


def echoes(question: Question, sentence: Candidate) -> bool:
    """Tell whether a sentence has only the question's own words: a title, or the question once more."""
    if sentence.words >= len(question.stems) + _ECHO_ROOM or sentence.stems.difference(question.stems):
        return False
    return len(sentence.stems) >= _ECHO * len(question.stems)
