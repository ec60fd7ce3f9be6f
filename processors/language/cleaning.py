"""Text as people typed it, made safe and even. Every pattern is linear in its input."""

import html
import re
from string import ascii_uppercase
from typing import Final

TEXT_READ_LIMIT: Final = 4_000
"""Characters of a review that are read for claims, value and flags."""

_MARKUP: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ud800-\udfff]")
_SPACES: Final = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LOWER: Final = {ord(letter): letter.lower() for letter in ascii_uppercase} | dict.fromkeys(
    map(ord, "\u2018\u2019\u00b4"), "'"
)


def clean_text(text: str) -> str:
    """Decode entities, turn markup into line ends, drop control characters, even out white space.

    Args:
        text: Any text; only its first 4,000 characters are read.

    Returns:
        Text with single spaces; line ends are kept, because sentences end there.

    Example:
        >>> clean_text("Fits  &#34;my&#34; phone<br />Bob&amp;#39;s too\\x00")
        'Fits "my" phone\\nBob\\'s too'
    """
    text = text[:TEXT_READ_LIMIT]
    for _ in range(2):  # exports are often escaped twice
        if "&" in text:
            text = html.unescape(text)
    if "<" in text:
        text = _MARKUP.sub("\n", text)
    if not (text.isascii() and text.isprintable()):  # most texts are, and skip three passes
        text = _CONTROL.sub(" ", text.replace("\r", "\n"))
        text = _SPACES.sub(" ", text)
    elif "  " in text:
        text = _SPACES.sub(" ", text)
    return text.strip()


def lower_case(text: str) -> str:
    """Put A-Z in lower case and make apostrophes plain, nothing else: ``str.lower`` can move what follows.

    Example:
        >>> len("\u0130stanbul".lower()), len(lower_case("\u0130stanbul"))
        (9, 8)
    """
    return text.lower() if text.isascii() else text.translate(_LOWER)


def clip(text: str, limit: int) -> str:
    """Shorten to at most ``limit`` characters, at a space where there is one, ending with an ellipsis.

    Example:
        >>> clip("it broke after two weeks", 12)
        'it broke…'
    """
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > limit // 2 else head).rstrip(" ,;:-") + "…"


def quote_around(text: str, start: int, end: int, limit: int) -> str:
    """Cut the sentence that holds ``text[start:end]`` out of a cleaned text, at most ``limit`` characters.

    Example:
        >>> quote_around("Nice. It caught fire! Sad.", 9, 20, 240)
        'It caught fire!'
    """
    before = max(text.rfind(mark, 0, start) for mark in (". ", "! ", "? ", "\n"))
    first = before + 1 if before >= 0 else 0
    ends = [place for mark in (". ", "! ", "? ", "\n") if (place := text.find(mark, end)) >= 0]
    sentence_end = min(ends) + 1 if ends else len(text)
    if sentence_end - first > limit:
        first = max(first, start - limit // 3)
        if first and text[first - 1].isalnum():
            space = text.find(" ", first, start)
            first = space + 1 if space >= 0 else first
    return clip(text[first:sentence_end].strip().replace("\n", " "), limit)
