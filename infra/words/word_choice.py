"""Which words of a query a database is asked to rank by: ranking costs as many rows as have one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BUDGET = 6_000
"""Rows ranked for one query, about. SQLite ranks a row in 5 us: 10,000 chunks take 15 ms of CPU, 100,000 took 164 ms
ranked whole and take 40 so. The hundred best hold 92 % of what is relevant instead of 93 (budget 8 % of the rows)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are ranked; whichever they are, all words of the query count in their scores.

    Args:
        terms: The words that decide.
        every: Whether a row must have all of them; otherwise one is enough.
        complete: Whether no row is left out that has any word of the query.
    """

    terms: tuple[str, ...]
    every: bool
    complete: bool


def choose(rows: Mapping[str, int], rows_with_all: Callable[[Sequence[str]], int], budget: int = BUDGET) -> Choice:
    """Choose the rarest words whose rows fit the budget; where not one does, rows that have several at once.

    Args:
        rows: How many rows have each word of the query; above the budget it need not be exact.
        rows_with_all: Tells how many rows have all of some words.
        budget: Rows.

    Example:
        >>> choose({"the": 90, "zipper": 4, "broke": 30, "unheard": 0}, len, budget=50)
        Choice(terms=('zipper', 'broke'), every=False, complete=False)
        >>> choose({"the": 90, "dress": 60}, lambda _terms: 20, budget=50)
        Choice(terms=('dress', 'the'), every=True, complete=False)
    """
    known = sorted((term for term, count in rows.items() if count), key=lambda term: (rows[term], term))
    chosen: list[str] = []
    for term in known:
        if sum(rows[one] for one in chosen) + rows[term] > budget:
            break
        chosen.append(term)
    if chosen or not known:
        return Choice(tuple(chosen), False, len(chosen) == len(known))
    for length in range(2, len(known) + 1):
        count = rows_with_all(known[:length])
        if not count:
            break
        if count <= budget:
            return Choice(tuple(known[:length]), True, False)
    return Choice(tuple(known), False, True)
