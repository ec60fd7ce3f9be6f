"""Liking and disliking of one claim, from word lists with a negation window."""

from collections.abc import Sequence
from typing import Final

from processors.language.lexicon import EXCESS, Sense, sense

_NEGATION_WINDOW: Final = 3
_NEGATED_COMPLAINT: Final = 0.6  # "no problems" praises less than "great" does


def polarity(words: Sequence[str]) -> tuple[float, int]:
    """Average the polarity of the words that have one.

    Args:
        words: Lower-case words in order.

    Returns:
        Polarity from -1 (dislike) to 1 (like), 0.0 when no word has one, and how many words have one.

    Example:
        >>> polarity("it is not very comfortable".split())
        (-1.0, 1)
        >>> polarity("no problems so far".split())
        (0.6, 1)
        >>> polarity("the sleeves are too long".split())
        (-1.0, 1)
    """
    return weigh([sense(word) for word in words], words)


def weigh(senses: Sequence[Sense], words: Sequence[str]) -> tuple[float, int]:
    """``polarity`` for a caller that has looked the words up already."""
    total, count, negated_until = 0.0, 0, -1
    for place, (value, negates, _) in enumerate(senses):
        if negates:
            negated_until = place + _NEGATION_WINDOW
            continue
        if place and words[place - 1] == "too" and words[place] in EXCESS:
            value = -1
        if not value:
            continue
        count += 1
        if place > negated_until:
            total += value
        else:
            total += -value if value > 0 else _NEGATED_COMPLAINT
    return (total / count, count) if count else (0.0, 0)
