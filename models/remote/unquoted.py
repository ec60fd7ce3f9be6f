"""An endpoint's words without those of the prompt: errors are logged and kept, and must not outlive what they quote."""

import re
from collections.abc import Iterable
from typing import Final

GONE: Final = "[...]"
_RUN: Final = 3
_PART: Final = 4
"""Letters from which on the beginning of a word gives the word away: endpoints cut what they quote."""
_WORD: Final = re.compile(r"\w+")
_GAPS: Final = re.compile(r"\[\.\.\.\](?:\W*\[\.\.\.\])+")
_COMMON: Final = frozenset(
    _WORD.findall(
        "a again all allowed an and any api are argument array as at be body busy but by can cannot context down "
        "error exceeded exist exists extra field for found from has have if in input inputs instead invalid is it "
        "its key larger later length less limit maximum message messages minimum missing model more most must name "
        "no not number object of on one only or out output parameter permitted please property rate request "
        "requests required response schema seconds server set slow string support supported text than that the this "
        "to token tokens too try type unknown unsupported use value values was were will with you your"
    )
)
"""Words that errors are made of; in a prompt they tell nothing as long as they do not stand in its order."""


def unquoted(text: str, prompt: Iterable[str]) -> str:
    """Return an endpoint's words without words of a prompt, whole or cut, and without any three in its order.

    Args:
        text: What the endpoint says.
        prompt: Texts that it was sent.

    Example:
        >>> unquoted("Invalid value: 'The zipper brok' is not allowed", ["Review: the zipper broke in May."])
        "Invalid value: 'The [...]' is not allowed"
        >>> unquoted("temperature must be 1", ["The zipper broke."])
        'temperature must be 1'
    """
    sent = [word.casefold() for one in prompt for word in _WORD.findall(one)]
    known, whole = frozenset(sent), f" {' '.join(sent)} "
    found = list(_WORD.finditer(text))
    words = [match[0].casefold() for match in found]
    gone = {place for place, word in enumerate(words) if _told(word, known, whole)}
    for place in range(len(words) - _RUN + 1):
        if f" {' '.join(words[place : place + _RUN])} " in whole:
            gone.update(range(place, place + _RUN))
    for place in sorted(gone, reverse=True):
        text = text[: found[place].start()] + GONE + text[found[place].end() :]
    return _GAPS.sub(GONE, text)


def _told(word: str, known: frozenset[str], whole: str) -> bool:
    """Say whether a word stands in a prompt; scripts without spaces have no words, only pieces."""
    if word in _COMMON or len(word) < 2:
        return False
    if not word.isascii():
        return word in whole
    return word in known or (len(word) >= _PART and f" {word}" in whole)
