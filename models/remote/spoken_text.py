"""What models put into their texts that no database and no JSON takes, and how long texts are."""

import re
from collections.abc import Callable
from typing import Any, Final

_THOUGHTS: Final = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
BYTES_A_TOKEN: Final = 4
"""English in the vocabularies of 2024-26 has 3.5 to 4.5; only used where an endpoint counts nothing."""


def clean_spoken(text: str) -> str:
    """Return a text without NUL and lone surrogates; the halves of a pair become their character.

    Example:
        >>> clean_spoken("a\\x00b" + chr(0xD83D) + chr(0xDE00) + chr(0xD800)) == "ab" + chr(0x1F600) + chr(0xFFFD)
        True
    """
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "")


def clean_value(value: Any) -> Any:
    """Return a JSON value all of whose texts and names are clean.

    Raises:
        RecursionError: If it is nested deeper than Python goes.

    Example:
        >>> clean_value({"a": ["b\\x00", 1]})
        {'a': ['b', 1]}
    """
    if isinstance(value, str):
        return clean_spoken(value)
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    if isinstance(value, dict):
        return {clean_spoken(name): clean_value(item) for name, item in value.items()}
    return value


def without_thoughts(text: str) -> str:
    """Return a text without what a reasoning model thought aloud before it.

    Example:
        >>> without_thoughts("<think>Let me see.</think> It runs small.")
        'It runs small.'
    """
    return _THOUGHTS.sub("", text, count=1)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has: for endpoints that do not say.

    Example:
        >>> estimated_tokens(""), estimated_tokens("It runs small.")
        (0, 4)
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


class SpokenPieces:
    """Cleans a text that comes in pieces, and passes it on: a pair of surrogates may come in two.

    Args:
        tell: Gets what can be shown; None shows nothing.

    Example:
        >>> shown = []
        >>> pieces = SpokenPieces(shown.append)
        >>> for piece in ("so nice " + chr(0xD83D), chr(0xDE00), "\\x00"):
        ...     pieces.take(piece)
        >>> shown == ["so nice ", chr(0x1F600)]
        True
    """

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell
        self._half = ""

    def take(self, piece: str) -> None:
        """Pass on what can be shown now."""
        piece = self._half + piece
        self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        shown = clean_spoken(piece.removesuffix(self._half))
        if self._tell and shown:
            self._tell(shown)
