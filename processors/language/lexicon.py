"""What single words mean: liking, negation, and whether they name an aspect."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

_FOLDER: Final = files("processors.language")
_LISTS: Final = tomllib.loads(_FOLDER.joinpath("lexicon.toml").read_text("utf-8"))
_CONCEPTS: Final = tomllib.loads(_FOLDER.joinpath("concepts.toml").read_text("utf-8"))

NOT_WORKING: Final = "not-working"
"""Term of claims that something does not work."""

CONCEPT_OF: Final = {term: place for place, terms in enumerate(_CONCEPTS.values()) for term in terms.split()}
"""Place among the concepts of terms that belong to one."""

CONCEPT_COUNT: Final = len(_CONCEPTS)


def _words(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in _LISTS[name].split())


POSITIVE: Final = _words("plain_positive", "descriptive_positive")
NEGATIVE: Final = _words("plain_negative", "descriptive_negative")
EXCESS: Final = _words("excess")
ENGLISH: Final = _words("english") | POSITIVE | NEGATIVE
PERSONAL: Final = _words("personal")
REVIEWING: Final = _words("reviewing")
ELSEWHERE: Final = _words("elsewhere")
LEANING: Final = _words("leaning")
LOOSE: Final = _words("loose")
WORKING: Final = _words("working")
ENDING: Final = _words("ending")
_DESCRIPTIVE: Final = _words("descriptive_positive", "descriptive_negative")
_NEGATORS: Final = _words("negators")
_EMPTY: Final = _words("stop", "generic", "plain_positive", "plain_negative", "negators") - _DESCRIPTIVE


class Sense(NamedTuple):
    """What one word contributes."""

    value: int  # +1 liking, -1 disliking, 0 neither
    negates: bool
    term: str  # what the word is counted under when it names an aspect, else ""


@lru_cache(maxsize=1 << 16)
def sense(word: str) -> Sense:
    """Look one lower-case word up.

    Example:
        >>> sense("batteries")
        Sense(value=0, negates=False, term='battery')
        >>> sense("great"), sense("didn't").negates
        (Sense(value=1, negates=False, term=''), True)
    """
    value = 1 if word in POSITIVE else -1 if word in NEGATIVE else 0
    return Sense(value, word in _NEGATORS or word.endswith("n't"), _term(word))


def _term(word: str) -> str:
    if word in _DESCRIPTIVE:
        return word
    if len(word) < 3 or word in _EMPTY or "'" in word or word[0].isdigit():
        return ""
    singular = _singular(word)
    return "" if singular in _EMPTY else singular


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
