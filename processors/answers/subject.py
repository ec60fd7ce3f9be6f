"""What a question is about, and what a sentence says of it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from processors.answers.candidates import Candidate
from processors.answers.questions import Question
from processors.answers.words import ASKING, stem, words_of
from processors.language.lexicon import CONCEPT_OF, sense

_ASKING_STEMS: Final = frozenset(map(stem, ASKING))
"""Stems that ask for a judgement without saying of what."""


class Subject:
    """The words of a question that say what it is about.

    Args:
        question: As read.
        sentences: All there are, by which words are weighed.

    Example:
        >>> from processors.answers.questions import read_question
        >>> subject = Subject(read_question("How good is the flavour?"), [])
        >>> list(subject.weights), subject.related("It tastes bland."), subject.related("It is red.")
        (['flavour'], True, False)
    """

    def __init__(self, question: Question, sentences: Sequence[Candidate]) -> None:
        rare = rarity(question, sentences)
        self.weights = {word: weight for word, weight in rare.items() if word not in _ASKING_STEMS} or rare
        """Of its stems, the words that only ask left out unless there are no others."""
        words = [word for word in words_of(question.text) if stem(word) in self.weights]
        self._concepts = _concepts(words)

    def overlap(self, stems: frozenset[str]) -> float:
        """Return how much of its weight a set of stems has, 0 to 1."""
        return share(self.weights, stems)

    def related(self, text: str) -> bool:
        """Tell whether a text has a word of the same concept: flavour and taste."""
        return not self._concepts.isdisjoint(_concepts(words_of(text)))


def _concepts(words: Sequence[str]) -> frozenset[int]:
    return frozenset(CONCEPT_OF[term] for word in words if (term := sense(word).term) in CONCEPT_OF)


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
