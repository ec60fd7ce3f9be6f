"""One or two words that name an opinion."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Final

from processors.language.lexicon import NOT_WORKING, sense

_NEAR: Final = 3  # words between which two terms stand side by side
_PAIR_SHARE: Final = 0.34  # of the quotes with the first term that pair it with the second


def label_of(ranked: Sequence[str], quotes: Sequence[Sequence[str]], taken: Collection[str]) -> str:
    """Name an opinion like no other point of its band.

    Args:
        ranked: Its terms, the best name first.
        quotes: Words of its quotes.
        taken: Labels of other points.

    Example:
        >>> quotes = [["the", "zipper", "broke"], ["zipper", "just", "broke"]]
        >>> label_of(["zipper", "broke"], quotes, {}), label_of(["zipper", "broke"], quotes, {"zipper broke"})
        ('zipper broke', 'zipper')
    """
    placed = [_terms(words) for words in quotes]
    for candidate in _candidates(ranked, placed):
        label = candidate.replace(NOT_WORKING, "not working")
        if label not in taken and len(label.split()) <= 2:
            return label
    return next(label for number in range(1, len(taken) + 2) if (label := f"other {number}") not in taken)


def _candidates(ranked: Sequence[str], placed: list[list[tuple[int, str]]]) -> Iterator[str]:
    for term in ranked:
        partner = _partner(term, placed)
        if partner:
            yield partner
        yield term
    for terms in placed:
        yield from (f"{left} {right}" for (_, left), (_, right) in pairwise(terms))


def _terms(words: Sequence[str]) -> list[tuple[int, str]]:
    return [(place, term) for place, word in enumerate(words) if (term := sense(word).term)]


def _partner(term: str, placed: list[list[tuple[int, str]]]) -> str:
    """Join a term with the one that mostly stands beside it, in their order."""
    pairs: dict[tuple[str, str], int] = {}
    uses = 0
    for terms in placed:
        uses += any(found == term for _, found in terms)
        near = {(a, b) for (at, a), (to, b) in pairwise(terms) if to - at <= _NEAR and a != b and term in (a, b)}
        for pair in near:
            pairs[pair] = pairs.get(pair, 0) + 1
    if not pairs:
        return ""
    pair = min(pairs, key=lambda one: (-pairs[one], one))
    return " ".join(pair) if pairs[pair] >= max(min(2, uses), _PAIR_SHARE * uses) else ""
