"""Words of questions, sentences and passages, as they are compared."""

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Final

from processors.answers.visible import folded

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_NUMBER: Final = re.compile(r"(?<![^\W_])(?<![0-9][.,:])\d+(?:[.,:]\d+)*")
_NAME: Final = re.compile(r"(?<=[^\s.!?:;'(\[])\s['(\[]*([A-Z]\w*)|\b(\w*[a-z0-9_][A-Z]\w*|[A-Z]{2,}\w*|\w+_\w+)")
_DOUBLE: Final = re.compile(r"([bdfgklmnprtz])\1$")
_LONGEST_WORD: Final = 40

_LISTS: Final = tomllib.loads(files("processors.answers").joinpath("words.toml").read_text("utf-8"))

STOP: Final = frozenset(_LISTS["stop"].split())
"""Words that carry no content; negations and quantities are not among them."""

NEGATIONS: Final = frozenset(_LISTS["negations"].split())

QUANTITIES: Final = frozenset(_LISTS["quantities"].split())
"""Words that count: as binding as digits."""

FRAME: Final = frozenset(_LISTS["frame"].split())
"""Words about passages, not about what they say."""

PRESENT: Final = frozenset(_LISTS["present"].split())
"""Words that ask for how things stand without saying of what."""

ASKING: Final = frozenset(_LISTS["asking"].split())
"""Words that ask for an opinion without saying of what."""


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text, in order; words of more than 40 characters are none.

    Example:
        >>> words_of("It\u2019s the `log_model` call, v2.1!")
        ["it's", 'the', 'log', 'model', 'call', 'v2', '1']
    """
    return [word for word in _WORD.findall(folded(text).lower()) if len(word) <= _LONGEST_WORD]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Cut a lower-case word down to what its forms share, roughly.

    Example:
        >>> [stem(word) for word in ("batteries", "battery", "charging", "charges", "charged", "running", "runs")]
        ['batteri', 'batteri', 'charg', 'charg', 'charg', 'run', 'run']
    """
    word = word.removesuffix("'s")
    if not word.isascii() or len(word) < 4:
        return word
    for suffix in ("ings", "ing", "edly", "ies", "ied", "es", "ed", "ly", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(suffix) + ("y" if suffix in {"ies", "ied"} else "")
            break
    word = _DOUBLE.sub(r"\1", word.removesuffix("e"))
    return word[:-1] + "i" if word.endswith("y") else word


def content(text: str) -> list[str]:
    """Return the stems of the words that carry content, in order.

    Example:
        >>> content("How long does the battery last when charging?")
        ['long', 'batteri', 'last', 'charg']
    """
    return [stem(word) for word in words_of(text) if word not in STOP and not negates(word)]


def negates(word: str) -> bool:
    """Tell whether a lower-case word turns what is said.

    Example:
        >>> negates("doesn't"), negates("nothing"), negates("note")
        (True, True, False)
    """
    return word in NEGATIONS or word.endswith("n't")


def numbers(text: str) -> set[str]:
    """Return the numbers in a text, and the words that count.

    Example:
        >>> sorted(numbers("Most of the 12 ports, v2.1 and 1,000 ms"))
        ['1,000', '12', 'most']
    """
    return {*_NUMBER.findall(text), *QUANTITIES.intersection(words_of(text))}


def names(text: str) -> set[str]:
    """Return the lower-case words of a text's names: capitals inside a sentence, identifiers.

    Example:
        >>> sorted(names("The server of Acme reads log_model and DATABASE_URL"))
        ['acme', 'database', 'log', 'model', 'url']
    """
    found = (first or second for first, second in _NAME.findall(folded(text)))
    return {word for name in found for word in words_of(name) if word not in STOP and word != "i"}
