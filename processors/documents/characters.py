"""Characters that are no text: kept out of what is stored, searched and embedded."""

import re

CRUMB = 120
"""Characters of a heading; what is longer is a paragraph that looks like one."""

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_NOT_TEXT = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

_TAG = re.compile("</?[A-Za-z][^<>]{0,300}>|<!--[^<>]{0,300}-->")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,300}\)")
_EMPHASIS = re.compile(r"`|\*\*|__(?=\w)|(?<=\w)__|\\(?=[^\w\s])|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")


def clean(text: str) -> str:
    """Return a text without characters nobody sees, its line ends all "\\n", in Unicode's composed form.

    NUL cannot be stored in Postgres and a lone surrogate nowhere; zero-width spaces and marks of the writing
    direction make words that look equal differ. Joiners (U+200C, U+200D) stay: scripts and emoji need them.

    Example:
        >>> clean("a\\x00b\\r\\nc\\u200bd")
        'ab\\ncd'
    """
    if text.isascii() and text.isprintable():
        return text
    return _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text))


def bare(heading: str) -> str:
    """Return what a heading says: on one line, without tags, the targets of links and marks of emphasis.

    Example:
        >>> bare("Use `feast apply` <a id='x'></a> from [the CLI](cli.md)")
        'Use feast apply from the CLI'
    """
    plain = _LINK.sub(r"\1", _TAG.sub(" ", clean(heading)))
    return " ".join(_EMPHASIS.sub("", plain).split())


def crumb(heading: str) -> str:
    """Return a heading or title as it stands in a breadcrumb: what it says, cut at a word if that is too long.

    Example:
        >>> len(crumb("heading " * 100)), crumb("A **B**")
        (120, 'A B')
    """
    words = bare(heading)
    if len(words) <= CRUMB:
        return words
    space = words.rfind(" ", CRUMB // 2, CRUMB)
    return words[: CRUMB - 1 if space < 0 else space] + "…"
