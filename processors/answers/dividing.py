"""What of a question features answer, and what is left for the documents."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.answers.candidates import Candidate
from processors.answers.clauses import clauses
from processors.answers.questions import Kind, Question, read_question
from processors.answers.stated import Stated, Statement
from processors.answers.words import PRESENT, content, names, numbers, stem

COVERED: Final = 2 / 3
"""Of a clause's words that a statement must have."""
OWN: Final = 1 / 2
"""Of them that must not be values."""
TOLD: Final = 3
"""Statements of an answer at most."""
_PRESENT: Final = frozenset(map(stem, PRESENT))
_HOW: Final = re.compile(r"\bhow\s+\w+", re.IGNORECASE)  # how many, how long: what is asked for, not of what
_VALUES: Final = frozenset({Kind.NUMBER, Kind.PLACE, Kind.TIME, Kind.OTHER})
"""What asks for a value; other kinds ask for rules and opinions as well, which documents have."""


@dataclass(frozen=True, slots=True)
class Division:
    """A question, divided.

    Args:
        told: What features say to it, in the spec's order.
        rest: What is left to ask documents; None is nothing.
    """

    told: tuple[Statement, ...]
    rest: Question | None


@dataclass(frozen=True, slots=True)
class _Clause:
    """One clause: its words, and those of them that must stand in what answers it."""

    text: str
    kind: Kind
    words: frozenset[str]
    named: frozenset[str]


def divide(question: Question, stated: Stated | None, sentences: Sequence[Candidate]) -> Division:
    """Choose the statements that answer clauses of a question.

    A statement answers a clause if it has two thirds of its words, and all names and numbers: itself, in the names of
    what it tells, of the spec and of its inputs, or in short values, though never more than half of them there: whoever
    sends a value cannot have it told to just any question. Of several, those are told that have a value of the kind
    that is asked for, and of these those with most of the clause's words themselves. No statement is told where a
    sentence of the documents has more of the clause's words; where one has as many, documents are asked too, unless
    the clause asks for a number, a place or a time.

    Args:
        question: What is asked.
        stated: What features say; None is nothing.
        sentences: Of the documents.

    Example:
        >>> left = Statement("Your order left Leipzig.", frozenset({"order", "left", "city"}), frozenset({"leipzig"}))
        >>> stated = Stated("orders", (left,))
        >>> division = divide(read_question("Where is my order, and can I return it?"), stated, [])
        >>> [one.text for one in division.told], division.rest.text
        (['Your order left Leipzig.'], 'can I return it?')
    """
    if stated is None or not stated.statements:
        return Division((), question)
    told, left = set[int](), []
    for clause in map(_read, clauses(question.text)):
        places = _answering(clause, stated)
        share = max((_share(clause, sentence.stems) for sentence in sentences), default=0.0)
        own = max((_share(clause, _having(stated, place)) for place in places), default=0.0)
        if not places or share > own:
            left.append(clause.text)
            continue
        told.update(places)
        if share == own and clause.words and clause.kind not in _VALUES:
            left.append(clause.text)
    if not told:
        return Division((), question)
    rest = read_question(f"{', and '.join(left)}?") if left else None
    return Division(tuple(stated.statements[place] for place in sorted(told)[:TOLD]), rest)


def _read(text: str) -> _Clause:
    asked = _HOW.sub(" ", text)
    named = frozenset(stem(word) for word in names(text) | numbers(asked))
    return _Clause(text, read_question(text).kind, frozenset(content(asked)), named)


def _answering(clause: _Clause, stated: Stated) -> list[int]:
    """Return the places of the statements that answer a clause."""
    places = [place for place in range(len(stated.statements)) if _answers(clause, stated, place)]
    fitting = [place for place in places if clause.kind in stated.statements[place].tells] or places
    most = max((_share(clause, stated.statements[place].words) for place in fitting), default=0.0)
    return [place for place in fitting if _share(clause, stated.statements[place].words) == most]


def _answers(clause: _Clause, stated: Stated, place: int) -> bool:
    if not clause.words - _PRESENT:  # "where is it?", "what is its state?": of what the request is about
        return clause.kind in (_VALUES if clause.words else {Kind.PLACE, Kind.TIME})
    having = _having(stated, place)
    own = stated.statements[place].words | stated.words | stated.named
    return clause.named <= having and _share(clause, having) >= COVERED and _share(clause, own) >= OWN


def _having(stated: Stated, place: int) -> frozenset[str]:
    """Return all words a statement answers by."""
    statement = stated.statements[place]
    return statement.words | statement.values | stated.words | stated.named


def _share(clause: _Clause, having: frozenset[str]) -> float:
    """Return the share of a clause's words that are there; those that ask for the present need not be."""
    wanted = {word for word in clause.words if word not in _PRESENT or word in having}
    return len(wanted & having) / len(wanted) if wanted else 1.0
