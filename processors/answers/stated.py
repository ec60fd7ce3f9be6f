"""What features say to a request: sentences whose words are the spec's and whose values are data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from processors.answers.questions import Kind
from processors.answers.sources import Source
from processors.answers.visible import clipped, folded, neutral, visible
from processors.answers.words import content, numbers
from processors.features.definitions.sentences import Sentence
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.evaluating import Evaluated
from processors.features.serving.saying import told_piece
from schemas.features import FeatureValue
from schemas.records import QUOTE_LIMIT

VALUES: Final = 100
"""Of a spec that are told at most."""
VALUE_LIMIT: Final = 200
"""Characters of a value that are told."""
STATEMENTS: Final = 10
_SHORT: Final = 4
"""Words of a value that a question may name; a longer one is prose: it chooses nothing, and bears nothing out."""
_KEYS: Final = frozenset({"id", "key"})
"""What names of inputs end with: nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence that features say.

    Args:
        text: Visible, at most 240 characters; nothing in it acts on who shows it.
        words: Stems of the spec's own words in it, and of its values' names.
        values: Stems of its short values.
        tells: What kinds of questions it has a value for: a number, a time, a place.
        prose: Whether a value is longer than a few words: then the sentence is quoted or not said at all.
    """

    text: str
    words: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    tells: frozenset[Kind] = frozenset()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Stated:
    """All that features say to one request.

    Args:
        spec: Its name.
        statements: In the spec's order.
        values: Those that are known, by their names; strings as they may be shown.
        words: Stems of what else asks for it: the names of the spec and of its inputs.
        named: Stems of the inputs' values.
    """

    spec: str
    statements: tuple[Statement, ...] = ()
    values: Mapping[str, FeatureValue] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()


def plain(value: Any) -> FeatureValue:
    """Make a value fit to be shown: text visible, inactive and short, whole numbers whole, the rest as JSON.

    Example:
        >>> plain(3.0), plain("a [1]\\n<b>"), plain(["x", 1]), plain(None)
        (3, 'a (1) \u2039b>', '["x", 1]', None)
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return neutral(clipped(visible(text[: 4 * VALUE_LIMIT]), VALUE_LIMIT))


def make_stated(spec: FeatureSpec, evaluated: Evaluated, at_us: int) -> Stated:
    """Say all that a spec's features say of one request, within bounds.

    Args:
        spec: Whose sentences are said: those whose values are all known.
        evaluated: What came of the request.
        at_us: Moment that ages are told for, microseconds since 1970.

    Example:
        >>> from processors.features import Events, FeatureTable, Last
        >>> from processors.features.definitions.lookups import FeatureLookup
        >>> from processors.features.serving.evaluating import Source
        >>> table = FeatureTable("scans", "order_id", Events("order.scanned"), {"city": Last("city")})
        >>> says = ["Your order left {city} {city.age} ago."]
        >>> spec = FeatureSpec("orders", [FeatureLookup(table, "order_id")], says=says)
        >>> left, scans = {"city": "Leipzig"}, (Source("scans", "77", "v1", 0, missing=False),)
        >>> stated = make_stated(spec, Evaluated({"order_id": "77"}, left, left, {"city": scans}), 7_300_000_000)
        >>> stated.statements[0].text, sorted(stated.words), sorted(stated.named)
        ('Your order left Leipzig 2 hours ago.', ['order'], ['77'])
    """
    said = [one for sentence in spec.sentences if (one := _state(sentence, evaluated, at_us)) is not None]
    known = [name for name in evaluated.outputs if not evaluated.missing(name)]
    shown = {name: plain(evaluated.outputs[name]) for name in known[:VALUES]}
    words = content(" ".join([spec.name, *spec.inputs]))
    inputs = [plain(evaluated.record[name]) for name in spec.inputs if evaluated.record.get(name) is not None]
    named = content(" ".join(map(str, inputs)))
    return Stated(spec.name, tuple(said[:STATEMENTS]), shown, frozenset(words) - _KEYS, frozenset(named))


def _state(sentence: Sentence, evaluated: Evaluated, at_us: int) -> Statement | None:
    """Fill a sentence in; None if one of its values is not known: half a sentence says something else."""
    told, words, values = [], [], []
    tells = {Kind.TIME} if sentence.aged else set()
    for piece in sentence.pieces:
        told.append(piece.text)
        words.append(piece.text)
        if piece.name is None:
            continue
        written = told_piece(piece, piece.name, evaluated, at_us)
        if not written:
            return None
        shown = str(plain(written))
        told.append(shown)
        words.append(f" {piece.name} ")
        if not piece.age:
            values.append(shown)
            tells.add(Kind.PLACE if shown[:1].isupper() else Kind.NUMBER if numbers(shown) else Kind.OTHER)
    text = clipped(folded(neutral(visible("".join(told)))), QUOTE_LIMIT)
    short = [one for one in values if _is_short(one)]
    named = frozenset(content(" ".join(short)))
    return Statement(text, frozenset(content("".join(words))), named, frozenset(tells), prose=short != values)


def _is_short(value: str) -> bool:
    return len(value.split()) <= _SHORT


class StatedSource(Source):
    """What features say, as it is compared with what is said about it; prose among the values can only be quoted.

    Args:
        stated: Of one request.

    Example:
        >>> left = Statement("Your order left Leipzig.")
        >>> source = StatedSource(Stated("orders", (left,), {"items": 3}))
        >>> source.quote("Your order left Leipzig."), source.quote("order left Leipzig"), sorted(source.numbers)
        ('Your order left Leipzig.', None, ['3'])
    """

    def __init__(self, stated: Stated) -> None:
        values = {name: _told(value) for name, value in stated.values.items() if value is not None}
        short = [f"{name}: {value}" for name, value in values.items() if _is_short(value)]
        super().__init__("\n\n".join([*(one.text for one in stated.statements if not one.prose), *short]))
        whole = [*(one.text for one in stated.statements), *values.values()]
        self._whole = {folded(visible(text)) for text in whole}

    def quote(self, wanted: str) -> str | None:
        """Return a quote that is a whole sentence or a whole value; a part of one may say something else."""
        wanted = folded(visible(wanted))
        return wanted if wanted in self._whole else None


def _told(value: FeatureValue) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
