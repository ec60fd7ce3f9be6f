"""Whether passages bear out what a sentence says in its own words."""

from collections.abc import Iterable, Sequence
from typing import Final

from processors.answers.sources import Source
from processors.answers.words import FRAME, content, names, numbers, stem, words_of

SHARE: Final = 0.7
"""Of a sentence's content words that must stand in the passages it points to."""
SENTENCE_SHARE: Final = 0.6
"""Of them that must stand together in one sentence there, which denies if the claim denies."""
CITED_SHARE: Final = 0.3
"""Of them that the sentence shown for a marker must have."""

_FRAME: Final = frozenset(map(stem, FRAME))


class Facts:
    """Statements that may be repeated as they stand.

    Example:
        >>> facts = Facts(["4 of 9 reviews say it runs small"])
        >>> "4 of 9 reviews say it runs small:" in facts, "5 of 9 reviews say it runs small" in facts
        (True, False)
    """

    def __init__(self, facts: Iterable[str]) -> None:
        self._facts = {tuple(words_of(fact)) for fact in facts}

    def __contains__(self, said: str) -> bool:
        return tuple(words_of(said)) in self._facts


def claimed(said: str) -> set[str]:
    """Return the stems of what a sentence claims; talk about the passages claims nothing.

    Example:
        >>> sorted(claimed("According to the documentation, the port is open")), claimed("Reviews say:")
        (['open', 'port'], set())
    """
    return set(content(said)) - _FRAME


def unsupported(said: str, sources: Sequence[Source]) -> str | None:
    """Return why the passages do not bear a sentence out, or None if they do.

    Args:
        said: The sentence without its quotes and markers.
        sources: The passages it points to.

    Example:
        >>> source = Source("The server listens on port 9042. It never sends telemetry.")
        >>> unsupported("The server is listening on port 9042", [source]) is None
        True
        >>> unsupported("The server sends telemetry", [source])
        'says what no sentence it cites says'
        >>> unsupported("The server listens on port 80", [source])
        'says "80", which is not in what it cites'
    """
    missing = _missing(said, sources)
    if missing:
        return f'says "{missing[0][:40]}", which is not in what it cites'
    wanted = claimed(said)
    stems = frozenset().union(*(source.stems for source in sources))
    if len(wanted & stems) < SHARE * len(wanted):
        return "says more than what it cites"
    if wanted and max((source.nearest(said)[1] for source in sources), default=0.0) < SENTENCE_SHARE:
        return "says what no sentence it cites says"
    return None


def _missing(said: str, sources: Sequence[Source]) -> list[str]:
    """Return numbers and names that no source has; the first word may be a name, so it has to stand there too."""
    stems = frozenset().union(*(source.stems for source in sources)) | _FRAME
    counted = numbers(said).difference(*(source.numbers for source in sources))
    named = names(said).difference(*(source.words for source in sources))
    first = [word for word in words_of(said)[:1] if said[:1].isupper() and not stems.issuperset(content(word))]
    return [*sorted(counted), *first, *sorted(name for name in named if stem(name) not in _FRAME)]
