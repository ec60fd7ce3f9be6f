"""Which side a review takes on what a question asks."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from processors.answers.candidates import Candidate
from processors.answers.questions import Kind, Question
from processors.answers.subject import rarity, share
from processors.answers.words import ASKING, STOP, stem, words_of
from processors.language.claims import split_segments
from processors.language.cleaning import clean_text
from processors.language.lexicon import CONCEPT_OF, sense
from processors.language.polarity import polarity

LIKES: Final = "like it"
COMPLAINS: Final = "complain"
_MENTION_SHARE: Final = 0.5
"""Of the weight of a question's words that a sentence must have to speak of its matter."""
_DENIED: Final = re.compile(r"(?:\b(?:not|never|no|without)|n't)(?:\s+\w+){0,2}\s*$", re.IGNORECASE)
_WORKS: Final = re.compile(r"^(?:does|do|did|will|would)\b.{0,80}\b(?:work|works|help)\b", re.IGNORECASE)
_HEARSAY: Final = re.compile(r"\b(?:review|reviews|reviewer|reviewers|others)\b", re.IGNORECASE)
"""Talk of what others said is no opinion."""
_CLEAR: Final = 0.2
"""Mean polarity from which a side is taken."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A matter with sides of its own."""

    matter: str
    asked: re.Pattern[str]
    mentioned: re.Pattern[str]
    sides: tuple[tuple[str, re.Pattern[str]], ...]


class Matter:
    """What a question asks buyers, and what a sentence says to it.

    Args:
        question: As read.
        sentences: All there are, by which words are weighed.

    Example:
        >>> from processors.answers.questions import read_question
        >>> matter = Matter(read_question("Does it run small?"), [])
        >>> matter.name, matter.side("Order a size up, it runs a bit small."), matter.side("I took a medium.")
        ('the size', 'say it runs small', None)
    """

    def __init__(self, question: Question, sentences: Sequence[Candidate]) -> None:
        self._scale = next((scale for scale in _scales() if scale.asked.search(question.text)), None)
        self._rare = {word: weight for word, weight in rarity(question, sentences).items() if word not in _ASKING_STEMS}
        self._concepts = {word: _concept(word, question) for word in self._rare}
        words = dict.fromkeys(word for word in words_of(question.text) if stem(word) in self._rare and word not in STOP)
        phrase = " ".join(words)
        named = phrase if phrase in question.text.lower() else " and ".join(words)
        self.name = self._scale.matter if self._scale else named
        """What it is about, in words; empty if the question does not say."""
        judged = any(sense(word).value for word in words_of(question.text)) or _WORKS.search(question.text)
        self._asks_liking = question.kind is Kind.OPINION or (question.kind is Kind.TRUTH and bool(judged))

    def mentions(self, sentence: str, stems: frozenset[str]) -> bool:
        """Tell whether a sentence speaks of it."""
        if self._scale:
            return bool(self._scale.mentioned.search(sentence))
        concepts = {CONCEPT_OF[term] for word in words_of(sentence) if (term := sense(word).term) in CONCEPT_OF}
        spoken = {word for word, concept in self._concepts.items() if word in stems or concept in concepts}
        return bool(spoken) and share(self._rare, frozenset(spoken)) >= _MENTION_SHARE

    def side(self, sentence: str) -> str | None:
        """Return what a sentence says to it, as it goes on after "12 reviews"; None if it takes no side."""
        if _HEARSAY.search(sentence):
            return None
        if self._scale:
            taken = [says for says, said in self._scale.sides if _says(said, sentence)]
            return f"say {taken[0]}" if len(taken) == 1 else None
        if not self._asks_liking:
            return None
        words = self._words_about(sentence)
        value, count = polarity(words)
        if not count or abs(value) < _CLEAR:
            return None
        return LIKES if value > 0 else COMPLAINS

    def _words_about(self, sentence: str) -> list[str]:
        """Return the words of the clauses that speak of it, of all where none does alone."""
        clauses = [words_of(clause) for clause in split_segments(clean_text(sentence))]
        about = [words for words in clauses if not self._rare.keys().isdisjoint(map(stem, words))]
        return [word for words in about or clauses for word in words]


def _says(said: re.Pattern[str], sentence: str) -> bool:
    """Tell whether a pattern stands in a sentence without a negation just before it."""
    return any(not _DENIED.search(sentence[: match.start()]) for match in said.finditer(sentence))


def _concept(word: str, question: Question) -> int | None:
    """Return the place of the concept that a stem of the question belongs to."""
    terms = (sense(written).term for written in words_of(question.text) if stem(written) == word)
    return next((CONCEPT_OF[term] for term in terms if term in CONCEPT_OF), None)


@cache
def _scales() -> tuple[Scale, ...]:
    listed: dict[str, Any] = tomllib.loads(files("processors.answers").joinpath("stances.toml").read_text("utf-8"))
    return tuple(
        Scale(
            scale["matter"],
            _joined(scale["asked"]),
            _joined(scale["mentioned"]),
            tuple((side["says"], _joined(side["said"])) for side in scale["sides"]),
        )
        for scale in listed.values()
    )


def _joined(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ASKING_STEMS: Final = frozenset(map(stem, ASKING))
