"""The words of a question that are looked up; they are only ever words, whatever was typed."""

import re
from collections.abc import Sequence
from typing import Final

LIMIT: Final = 24
"""Words of one query: more are prose, and their rarest are among the first."""

LONGEST: Final = 64
"""Characters of a word; longer ones are no words."""

_STOP = """
a about am an and any are as at be been but by can could d did do does doing don for from get had has have how i
if in into is it its just ll m me my no not of on or our ours re s she should so some such t than that the their
them then there these they this to us ve was we were what when where which who whom why will with would you your
"""

STOP_WORDS: Final = frozenset(_STOP.split())
"""English words that say nothing of what is meant."""

_WORD: Final = re.compile(r"[^\W_]+")
_STEM: Final = 5
"""Letters two forms of a word have in common; what a database looks up is stemmed by its own rules."""


def terms_of(question: str) -> tuple[str, ...]:
    """Return the words to look up, lower case, each once, in the order they came.

    Stop words are left out, unless there is nothing else.

    Example:
        >>> terms_of('How do I reset the "X-200"? Reset it NEAR(x, y)*')
        ('reset', 'x', '200', 'near', 'y')
        >>> terms_of("Who is it?"), terms_of("?!")
        (('who', 'is', 'it'), ())
    """
    found = (word.lower() for word in _WORD.findall(question))
    words = list(dict.fromkeys(word for word in found if len(word) <= LONGEST))
    return tuple(([word for word in words if word not in STOP_WORDS] or words)[:LIMIT])


def spans_of(terms: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Return where a text has words of a question, in whatever form, as start and end.

    Example:
        >>> spans_of(("indexes", "kafka"), "An index is built.")
        [(3, 8)]
    """
    stems = {term[:_STEM] for term in terms}
    return [match.span() for match in _WORD.finditer(text) if match[0].lower()[:_STEM] in stems]


def shared_words(terms: Sequence[str], text: str) -> float:
    """Return the share of a question's words that a text has, in whatever form, 0 to 1.

    Example:
        >>> shared_words(("indexes", "kafka"), "An index is built."), shared_words((), "An index.")
        (0.5, 0.0)
    """
    stems = {word[:_STEM] for word in _WORD.findall(text.lower())}
    return sum(term[:_STEM] in stems for term in terms) / len(terms) if terms else 0.0
