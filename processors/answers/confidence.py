"""How probable it is that passages answer a question at all."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.answers.candidates import Candidate
from processors.answers.features import SENTENCE_NAMES
from processors.answers.questions import Question
from processors.answers.subject import share
from processors.answers.words import content, names, numbers, words_of
from schemas.hits import Passage

Floats = npt.NDArray[np.float64]

WHOLE_NAMES: Final = ("best", "second", "spread", "cosine", "covered", "told", "words", "sentences")
"""The columns of ``whole_features``."""
_TOP: Final = 3
_COLUMN: Final = {name: place for place, name in enumerate(SENTENCE_NAMES)}


def whole_features(question: Question, sentences: Sequence[Candidate], features: Floats, logits: Floats) -> Floats:
    """Describe how well all sentences together answer.

    Args:
        question: What is asked.
        sentences: N of them, N >= 1.
        features: ``(N, F)`` of ``sentence_features``.
        logits: Log odds ``(N,)`` that each answers.

    Returns:
        ``(1, C)`` float64.
    """
    order = np.argsort(-logits, kind="stable")
    best = int(order[0])
    equal = dict.fromkeys(question.stems, 1.0)
    top = frozenset().union(*(sentences[int(place)].stems for place in order[:_TOP]))
    everything = frozenset().union(*(sentence.stems for sentence in sentences))
    row = [
        logits[best],
        logits[order[min(1, len(order) - 1)]],
        logits[best] - float(np.median(logits)),
        features[best, _COLUMN["cosine"]],
        share(equal, top),
        share(equal, everything),
        np.log1p(len(question.stems)),
        np.log1p(len(sentences)),
    ]
    return np.array([row], np.float64).round(4)


def missing_words(question: Question, sentences: Sequence[Candidate]) -> list[str]:
    """Return the question's words, as written, that no sentence has.

    Example:
        >>> from processors.answers.questions import read_question
        >>> missing_words(read_question("Does the Cable fray?"), [])
        ['Cable', 'fray']
    """
    having = frozenset().union(*(sentence.stems for sentence in sentences))
    words = dict.fromkeys(word.strip("?!.,;:'\"()") for word in question.text.split())
    return [word for word in words if (stems := content(word)) and not having.intersection(stems)]


def unspoken(question: Question, passages: Sequence[Passage]) -> str | None:
    """Return why passages cannot answer a question, in words: they never speak of what it is about.

    However well a sentence fits the rest, one about something else is no answer. A question's names and numbers must
    all be spoken of, and at least half of its words.

    Args:
        question: What is asked.
        passages: What was found.

    Example:
        >>> from processors.answers.questions import read_question
        >>> unspoken(read_question("How often is the forklift charged in Zanzibar?"), [])
        'nothing that was found speaks of "Zanzibar"'
    """
    told = " ".join(f"{one.hit.title or ''} {one.hit.breadcrumb} {one.text}" for one in passages)
    spoken = frozenset(content(told))
    asked = dict.fromkeys(word.strip("?!.,;:'\"()") for word in _HOW.sub(" ", question.text).split())
    silent = [word for word in asked if (stems := content(word)) and not spoken.intersection(stems)]
    named = names(question.text) | numbers(question.text)
    wanted = [word for word in silent if named.intersection(words_of(word))]
    if not wanted and 2 * len(silent) > sum(bool(content(word)) for word in asked):
        wanted = silent
    listed = ", ".join(f'"{word[:_SHOWN]}"' for word in wanted[:_LISTED])
    return f"nothing that was found speaks of {listed}" if wanted else None


_HOW: Final = re.compile(r"\bhow\s+\w+", re.IGNORECASE)  # how often, how long: what is asked for, not of what
_SHOWN: Final = 40
_LISTED: Final = 3
