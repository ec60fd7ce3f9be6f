"""Sentences that answers may say of what was evaluated."""

from collections.abc import Sequence
from typing import Any

from processors.features.definitions.sentences import Piece, Sentence
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.evaluating import Evaluated

_UNITS = ((86_400_000_000, "day"), (3_600_000_000, "hour"), (60_000_000, "minute"), (1_000_000, "second"))


def say(spec: FeatureSpec, evaluated: Evaluated, at_us: int) -> list[str]:
    """Fill the sentences of a spec in; one whose values are not all known is left out.

    Args:
        spec: Whose sentences.
        evaluated: What came of a record.
        at_us: Moment ages are told for, microseconds since 1970.
    """
    said = [_said(sentence, evaluated, at_us) for sentence in spec.sentences]
    return [one for one in said if one is not None]


def told_age(age_us: int) -> str:
    """Say how long ago something was, in its largest unit.

    Args:
        age_us: Microseconds; below 0, of what lies ahead by another clock, counts as nothing.

    Example:
        >>> told_age(2 * 3_600_000_000 + 5), told_age(90_000_000), told_age(-3)
        ('2 hours', '1 minute', '0 seconds')
    """
    unit_us, unit = next((one for one in _UNITS if age_us >= one[0]), _UNITS[-1])
    count = max(0, age_us) // unit_us
    return f"{count} {unit}" if count == 1 else f"{count:,} {unit}s"


def _said(sentence: Sentence, evaluated: Evaluated, at_us: int) -> str | None:
    parts: list[str] = []
    for piece in sentence.pieces:
        parts.append(piece.text)
        if piece.name is not None:
            told = told_piece(piece, piece.name, evaluated, at_us)
            if told is None:
                return None
            parts.append(told)
    return "".join(parts)


def told_piece(piece: Piece, name: str, evaluated: Evaluated, at_us: int) -> str | None:
    """Write the value or the age of one piece of a sentence; None when it is not known.

    Args:
        piece: Of a sentence.
        name: Of its value.
        evaluated: What came of a record.
        at_us: Moment ages are told for, microseconds since 1970.
    """
    if evaluated.missing(name):
        return None
    if piece.age:
        as_of_us = evaluated.as_of_us(name)
        return None if as_of_us is None else told_age(at_us - as_of_us)
    return _written(evaluated.values[name] if name in evaluated.values else evaluated.record.get(name))


def _written(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(told for told in map(_written, value) if told is not None)
    return " ".join(str(value).split())
