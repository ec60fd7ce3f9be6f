"""Signs in a sentence that it gives what a kind of question asks for."""

from typing import Final

from processors.answers.questions import Kind, pattern
from processors.answers.words import numbers, words_of
from processors.language.lexicon import sense

_SIGNED: Final = (Kind.PLACE, Kind.TIME, Kind.REASON, Kind.STEPS)
_PATTERNS: Final = {kind: pattern("signs", kind) for kind in _SIGNED}
_CODE: Final = pattern("code", "line")
_LETTERS_SHARE: Final = 0.6


def fits(sentence: str, kind: Kind) -> bool | None:
    """Tell whether a sentence shows a sign of what a kind of question asks for; None where there is no sign to see.

    Example:
        >>> fits("It holds 64 GB.", Kind.NUMBER), fits("It is fast.", Kind.NUMBER), fits("It is fast.", Kind.OTHER)
        (True, False, None)
    """
    if kind is Kind.NUMBER:
        return bool(numbers(sentence))
    if kind in {Kind.OPINION, Kind.TRUTH}:
        return polar_words(sentence) > 0
    signs = _PATTERNS.get(kind)
    return None if signs is None else bool(signs.search(sentence))


def polar_words(sentence: str) -> int:
    """Count the words that like or dislike.

    Example:
        >>> polar_words("Great sound, terrible battery.")
        2
    """
    return sum(sense(word).value != 0 for word in words_of(sentence))


def is_code(sentence: str) -> bool:
    """Tell whether a line is code rather than a sentence.

    Example:
        >>> is_code("model = load(path)"), is_code("Call load(path) to read a model.")
        (True, False)
    """
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return bool(_CODE.search(sentence)) or letters < _LETTERS_SHARE * len(sentence)
