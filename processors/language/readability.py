"""How well a claim would stand alone as a headline."""

from collections.abc import Sequence
from typing import Final

from processors.language.lexicon import ELSEWHERE, LEANING, LOOSE, PERSONAL, sense

_IDEAL_WORDS: Final = 11
_LONG_FROM: Final = 15  # words: beyond, each costs twice


def readability(text: str, words: Sequence[str]) -> float:
    """Score a claim from 0.1 to 1.03: near 11 words, whole, in nobody's person, starting like a sentence,
    naming nothing twice and nothing outside itself.

    Args:
        text: The claim, not empty.
        words: Its words in lower case, at least one.

    Example:
        >>> good, poor = "The fabric is soft and the fit is true to size.", "and I love my"
        >>> readability(good, good.lower().split()) > readability(poor, poor.lower().split())
        True
    """
    count = len(words)
    score = 1.0 - abs(count - _IDEAL_WORDS) * 0.02 if count >= 5 else 0.74 + 0.025 * count
    score -= 0.02 * max(0, count - _LONG_FROM)
    if text[0].islower():
        score -= 0.04
    elif not text[0].isalnum():
        score -= 0.06
    if not PERSONAL.isdisjoint(words):
        score -= 0.14
    if not ELSEWHERE.isdisjoint(words):
        score -= 0.2
    if _repeats(words):
        score -= 0.2
    if words[0] in LEANING or (words[0].endswith("ed") and not sense(words[0]).value):
        score -= 0.14
    if words[-1] in LOOSE or len(words[-1]) == 1 or text[-1] in ",:;(-":
        score -= 0.2
    if text[-1] in ".!":
        score += 0.03
    if text.isupper() or text.count("(") != text.count(")") or '"' in text:
        score -= 0.15
    return max(score, 0.1)


def _repeats(words: Sequence[str]) -> bool:
    terms = [term for word in words if (term := sense(word).term)]
    return len(set(terms)) < len(terms)
