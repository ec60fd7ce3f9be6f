"""Text from strangers, made fit to be shown and to be compared. Every pattern is linear in its input."""

import re
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)
"""Controls, format characters, surrogates, private use: nobody sees them, and some turn or end what follows."""

_SPACES: Final = re.compile(r"\s+")
_QUOTE_MARKS: Final = dict.fromkeys(
    map(ord, '"\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\u2033\u2018\u2019\u201a\u201b`\u00b4\u2032\u2039\u203a'), "'"
)
_LINK: Final = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\n]{0,500}\)")
_SCHEME: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.\-]{0,15}://")
_CALL: Final = re.compile(r"\b(javascript|vbscript|data|mailto):(?=\S)", re.IGNORECASE)
_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_MARKER_LIKE: Final = re.compile(r"\[(\s*F?[1-9][0-9]{0,5}(?:\s*,\s*F?[0-9]{1,6})*\s*)\]")


def visible(text: str) -> str:
    """Drop what nobody can see and make every run of white space one space.

    Example:
        >>> visible("  run\\u200bs\\n\\tsmall\\x1b ")
        'runs small'
    """
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    return _SPACES.sub(" ", text).strip()


def folded(text: str) -> str:
    """Make all quote marks one, character by character: places in the result are places in the text.

    Example:
        >>> folded("the \u201cbest\u201d `x`"), folded('the "best" `x`')
        ("the 'best' 'x'", "the 'best' 'x'")
    """
    return text.translate(_QUOTE_MARKS)


def neutral(text: str) -> str:
    """Take from visible text what a page, a terminal or a reader could act on: markup, links, false markers.

    Args:
        text: From ``visible``.

    Example:
        >>> neutral("see [1] or [the *guide*](https://x.example/a) or http://y.example/<b>")
        'see (1) or the *guide* or y.example/\u2039b>'
    """
    text = _LINK.sub(r"\1", text).replace("](", "] (")
    text = _SCHEME.sub("", text).replace("://", "/")
    text = _CALL.sub(r"\1: ", text)
    text = _TAG.sub("\u2039", text.replace("**", ""))
    return _MARKER_LIKE.sub(r"(\1)", text)


def clipped(text: str, limit: int) -> str:
    """Return the beginning of a text that is at most ``limit`` characters long, cut between words if it can be.

    Example:
        >>> clipped("one two three", 9), clipped("onetwothree", 6)
        ('one two', 'onetwo')
    """
    if len(text) <= limit:
        return text
    space = text.rfind(" ", 0, limit + 1)
    return text[: space if space > 0 else limit].rstrip()
