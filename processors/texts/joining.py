"""Join chosen statements to a paragraph: who says what, and what is only said by some."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from processors.texts.personal import Statement
from processors.texts.sentences import lowered

MANY_SHARE = 0.25
MANY_REVIEWS = 5
"""Part of all reviews, and number, from which a point is said by many."""

FEW_SHARE = 0.05
"""Part of all reviews below which a point is said by a few."""

_JOINED_WORDS = 9
"""Longest sentence, in words, that another is joined to."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A statement with how many stand behind it."""

    statement: Statement
    support: int
    share: float  # of all reviews, 0 to 1

    @property
    def words(self) -> int:
        """Length of its sentence."""
        return len(self.statement.sentence.split())

    @property
    def by_many(self) -> bool:
        """Whether "many" is no exaggeration."""
        return self.share >= MANY_SHARE and self.support >= MANY_REVIEWS

    @property
    def by_one(self) -> bool:
        """Whether one reviewer alone says it."""
        return self.support == 1 or self.statement.story


def write_paragraph(
    leading: Sequence[Chosen], other: Sequence[Chosen], praise_first: bool, uncapitalised: Set[str]
) -> str:
    """Return the paragraph: the leading side told plainly, the other side as what some say.

    Args:
        leading: What most reviews say, most important first.
        other: What the rest say.
        praise_first: Whether the leading side is praise.
        uncapitalised: Words that are no names.

    Example:
        >>> plain = Chosen(Statement("The fabric is soft"), 3, 0.6)
        >>> write_paragraph([plain], [Chosen(Statement("The zipper broke"), 1, 0.2)], True, set())
        'The fabric is soft. However, one reviewer says the zipper broke.'
    """
    sentences = _leading(leading)
    turn = ("However, " if praise_first else "Still, ") if sentences else ""
    for place, chosen in enumerate(other):
        sentence = _attributed(chosen, place == 0, uncapitalised)
        sentences.append(turn + sentence if turn and place == 0 else sentence[0].upper() + sentence[1:])
    return " ".join(sentence + "." for sentence in sentences)


def quotation(quote: str | None) -> str:
    """Return a reviewer's own words as the whole text; "" when there are none.

    Example:
        >>> quotation("I got this for my son")
        'One reviewer writes: "I got this for my son."'
    """
    return f'One reviewer writes: "{quote[0].upper()}{quote[1:]}."' if quote else ""


def _leading(leading: Sequence[Chosen]) -> list[str]:
    sentences: list[str] = []
    voices = 0
    for chosen in leading:
        statement = chosen.statement
        if statement.personal:
            who = _voice(chosen, voices)
            sentences.append(f"{who} {statement.singular if chosen.by_one else statement.text}")
            voices += 1
        elif sentences and _joinable(sentences[-1], statement.text):
            sentences[-1] += " and " + statement.text.removeprefix("It ")
        else:
            sentences.append(statement.text)
    return sentences


def _voice(chosen: Chosen, voices: int) -> str:
    if chosen.by_one:
        return "Another reviewer" if voices else "One reviewer"
    if voices == 0:
        return "Reviewers"
    return "Many" if chosen.by_many else "Others"


def _joinable(last: str, following: str) -> bool:
    """Return whether "It ..." follows "It ..." and both are short enough to be one sentence."""
    if not (last.startswith("It ") and following.startswith("It ")) or " and " in last or "," in last:
        return False
    return len(last.split()) <= _JOINED_WORDS and len(following.split()) <= _JOINED_WORDS


def _attributed(chosen: Chosen, first: bool, uncapitalised: Set[str]) -> str:
    statement = chosen.statement
    told = lowered(statement.text, uncapitalised)
    if chosen.by_one:
        who = "one reviewer" if first else "another reviewer"
        return f"{who} {statement.singular}" if statement.personal else f"{who} says {told}"
    who = ("many" if chosen.by_many else "a few" if chosen.share < FEW_SHARE else "some") if first else "others"
    if statement.personal:
        return f"{who} reviewers {statement.text}" if first else f"{who} {statement.text}"
    return f"{who} say {told}"
