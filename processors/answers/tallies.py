"""How many reviews say what to a question, with the words of some of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.answers.candidates import Candidate
from processors.answers.choosing import ALIKE, quoted, same
from processors.answers.questions import Question
from processors.answers.stances import Matter
from schemas.hits import Passage

LEAST: Final = 3
"""Reviews that must mention a matter before anything is counted."""
SIDES: Final = 3
QUOTES: Final = 2
"""Quotes of a side."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One side, and where it is said.

    Args:
        fact: The count in words.
        places: Of the sentences to quote, best first.
    """

    fact: str
    places: tuple[int, ...]


def tallies(
    question: Question,
    passages: Sequence[Passage],
    sentences: Sequence[Candidate],
    probabilities: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float32],
) -> list[Tally]:
    """Count the distinct reviews on each side of what a question asks, most frequent first.

    Only the passages given are counted, and the words say so. A review that takes several sides counts for the
    one it takes oftenest; if there is none, for none.

    Args:
        question: What is asked.
        passages: Reviews; others are not counted.
        sentences: N of them.
        probabilities: That each answers, ``(N,)``.
        vectors: ``(N, D)`` float32 of length 1.

    Returns:
        Nothing if fewer than 3 reviews mention it.
    """
    matter = Matter(question, sentences)
    keys = [passage.key if passage.hit.kind == "review" else None for passage in passages]
    mentioning = [
        place
        for place, sentence in enumerate(sentences)
        if matter.name and keys[sentence.passage] and matter.mentions(sentence.text, sentence.stems)
    ]
    reviews = {keys[sentences[place].passage] for place in mentioning}
    if len(reviews) < LEAST:
        return []
    sides = _sides(matter, sentences, mentioning, keys)
    counted = Counter(sides.values()).most_common(SIDES)
    found: list[Tally] = []
    for side, count in counted:
        speaking = [place for place in mentioning if sides.get(keys[sentences[place].passage]) == side]
        speaking = [place for place in speaking if matter.side(sentences[place].text) == side]
        fact = _fact(side, count, len(reviews), matter.name, None if found else len(set(keys) - {None}))
        found.append(Tally(fact, _best(speaking, sentences, probabilities, vectors)))
    return found


def tallied(found: Sequence[Tally], sentences: Sequence[Candidate]) -> str:
    """Return counts with their quotes.

    Example:
        >>> tallied([Tally("2 of the 3 say so", (0,))], [Candidate(4, 0, "So.", frozenset(), 1, False)])
        '2 of the 3 say so: "So." [5].'
    """
    return " ".join(
        f"{tally.fact}: {', '.join(quoted(sentences[place]) for place in tally.places)}." for tally in found
    )


def _sides(
    matter: Matter, sentences: Sequence[Candidate], mentioning: Sequence[int], keys: Sequence[str | None]
) -> dict[str | None, str]:
    taken: dict[str | None, Counter[str]] = {}
    for place in mentioning:
        side = matter.side(sentences[place].text)
        if side:
            taken.setdefault(keys[sentences[place].passage], Counter())[side] += 1
    clear = {}
    for key, counts in taken.items():
        (side, most), *others = counts.most_common(2)
        if not others or others[0][1] < most:
            clear[key] = side
    return clear


def _fact(side: str, count: int, mentioning: int, matter: str, read: int | None) -> str:
    """Return a count in words; the first one also tells how many were read.

    Example:
        >>> _fact("say it runs small", 12, 31, "the size", 50)
        '31 of the 50 reviews read here speak of the size, and 12 of these say it runs small'
        >>> _fact("complain", 1, 31, "the size", None)
        '1 of the 31 complains'
    """
    verb, _, rest = side.partition(" ")
    side = side if count > 1 else f"{verb}s {rest}".rstrip()
    if read is None:
        return f"{count} of the {mentioning} {side}"
    return f"{mentioning} of the {read} reviews read here speak of {matter}, and {count} of these {side}"


def _best(
    places: Sequence[int],
    sentences: Sequence[Candidate],
    probabilities: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float32],
) -> tuple[int, ...]:
    """Return the places of the best sentences of different reviews that say it in different words."""
    chosen: list[int] = []
    for place in sorted(places, key=lambda place: -probabilities[place]):
        alike = (
            vectors[place] @ vectors[other] >= ALIKE
            or same(sentences[place], sentences[other])
            or sentences[place].passage == sentences[other].passage
            for other in chosen
        )
        if len(chosen) < QUOTES and not any(alike):
            chosen.append(place)
    return tuple(chosen)
