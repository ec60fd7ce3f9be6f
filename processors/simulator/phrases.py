r"""Phrases with choices in them: ``The [battery|battery life] lasts [all day|two days]``.

``[a|b|]`` picks one part, which may be empty or hold further choices; ``{name}`` stands for the slot of
that name, itself a phrase. Words that have
synonyms become choices of their own. Grammar::

    phrase = (text | "[" phrase ("|" phrase)* "]")*
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from types import MappingProxyType

Choice = tuple["Phrase", ...]
Phrase = tuple["str | Choice", ...]

WEIGHT_LIMIT = 200
"""Wordings beyond which a phrase is drawn no oftener than others: rich ones must not drown the rest."""

_SLOT = re.compile(r"\{(\w+)\}")
_TOKEN = re.compile(r"[\[\]|]|[^\[\]|]+")


class BadPhrase(ValueError):
    """A phrase whose brackets do not match, or that names an unknown slot."""


def parse(source: str, slots: Mapping[str, str]) -> Phrase:
    """Read one phrase.

    Args:
        source: Text with choices and slots.
        slots: What each ``{name}`` stands for; may hold choices and further slots.

    Raises:
        BadPhrase: If brackets do not match, a bar stands outside of them, or a slot is unknown.

    Example:
        >>> parse("It is [very |]loud", {})
        ('It is ', (('very ',), ()), 'loud')
    """
    tokens = _TOKEN.findall(_fill(source, slots))
    phrase, position = _parse_sequence(tokens, 0)
    if position < len(tokens):
        raise BadPhrase(f"unmatched {tokens[position]!r} in {source!r}")
    return phrase


def _fill(source: str, slots: Mapping[str, str]) -> str:
    while match := _SLOT.search(source):
        name = match.group(1)
        if name not in slots:
            raise BadPhrase(f"unknown slot {{{name}}} in {source!r}")
        value = slots[name]
        value = f"[{value}]" if "|" in value else value
        source = source[: match.start()] + value + source[match.end() :]
    return source


def _parse_sequence(tokens: Sequence[str], position: int) -> tuple[Phrase, int]:
    parts: list[str | Choice] = []
    while position < len(tokens) and tokens[position] not in "|]":
        if tokens[position] == "[":
            choice, position = _parse_choice(tokens, position + 1)
            parts.append(choice)
        else:
            parts.append(tokens[position])
            position += 1
    return tuple(parts), position


def _parse_choice(tokens: Sequence[str], position: int) -> tuple[Choice, int]:
    options: list[Phrase] = []
    while True:
        option, position = _parse_sequence(tokens, position)
        options.append(option)
        if position == len(tokens):
            raise BadPhrase(f"unclosed choice in {''.join(tokens)!r}")
        position += 1
        if tokens[position - 1] == "]":
            return tuple(options), position


def count_wordings(phrase: Phrase) -> int:
    """Count the ways a phrase can come out.

    Example:
        >>> count_wordings(parse("[a|b [c|d]] [e|f]", {}))
        6
    """
    total = 1
    for part in phrase:
        if not isinstance(part, str):
            total *= sum(count_wordings(option) for option in part)
    return total


def _write(phrase: Phrase, random: Random) -> str:
    return "".join(
        part if isinstance(part, str) else _write(part[int(random.random() * len(part))], random) for part in phrase
    )


def with_synonyms(source: str, synonyms: Mapping[str, str]) -> str:
    """Make a choice of each word or group of words that has synonyms; names of slots stay.

    Args:
        source: A phrase.
        synonyms: Choices by lower-case words; they replace words of any case.

    Example:
        >>> with_synonyms("It is great[ fun|]", {"great": "great|superb"})
        'It is [great|superb][ fun|]'
    """
    if not synonyms:
        return source
    words = "|".join(re.escape(word) for word in sorted(synonyms, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w{{])(?:{words})(?![\w}}])", re.IGNORECASE)
    return pattern.sub(lambda match: f"[{synonyms[match.group().lower()]}]", source)


class Pool:
    """Phrases that say the same thing; the richer ones are drawn more often, up to a limit.

    Args:
        sources: Phrases, at least one.
        slots: What each ``{name}`` in them stands for.
        synonyms: Choices for words, wherever they stand.

    Raises:
        BadPhrase: If a phrase cannot be read, or there is none.

    Example:
        >>> Pool(["it was [very |]loud"], {}).write(Random(1))
        'It was loud'
    """

    def __init__(
        self, sources: Sequence[str], slots: Mapping[str, str], synonyms: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        if not sources:
            raise BadPhrase("a pool needs at least one phrase")
        self._phrases = [parse(with_synonyms(source, synonyms), slots) for source in sources]
        self._bounds = list(accumulate(min(count_wordings(phrase), WEIGHT_LIMIT) for phrase in self._phrases))

    @property
    def wordings(self) -> int:
        """How many texts can come out."""
        return sum(map(count_wordings, self._phrases))

    def write(self, random: Random) -> str:
        """Return one wording: capitalised, spaces in order, without a full stop."""
        drawn = bisect_right(self._bounds, random.random() * self._bounds[-1])
        text = " ".join(_write(self._phrases[drawn], random).split()).replace(" ,", ",")
        return text[:1].upper() + text[1:]
