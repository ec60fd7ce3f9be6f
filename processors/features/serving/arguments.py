"""Values as feature functions ask for them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from processors.features.definitions.functions import Parameter
from processors.features.serving.ports import Argument

_SURROGATE = re.compile("[\ud800-\udfff]")
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", datetime: "a time"}


class Unsuitable(ValueError):
    """A value that an argument cannot be given."""


def argument(parameter: Parameter, value: Any) -> Argument:
    """Convert a JSON value to what an argument asks for.

    A whole number does for a number, 3.0 for a whole number, a text as RFC 3339 with a zone for a time.

    Raises:
        Unsuitable: If it is of another kind; one line with what to send.

    Example:
        >>> argument(Parameter("price", "last_price", float, False, False), 3)
        3.0
        >>> argument(Parameter("price", "last_price", float, False, False), "3")
        Traceback (most recent call last):
        ...
        processors.features.serving.arguments.Unsuitable: last_price: "3" is a text, where a number is needed
    """
    if value is None:
        if parameter.nullable:
            return None
        raise Unsuitable(f"{parameter.source}: nothing, where {_NAMES[parameter.kind]} is needed")
    converted = _CONVERTERS[parameter.kind](value)
    if converted is None:
        told = f"{_written(value)} is {_name(value)}, where {_needed(parameter.kind, value)} is needed"
        raise Unsuitable(f"{parameter.source}: {told}")
    return converted


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and not _SURROGATE.search(value) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


_CONVERTERS: Mapping[type, Callable[[Any], Argument]] = {
    str: _text,
    bool: _truth,
    int: _whole,
    float: _number,
    datetime: _time,
}


def _needed(kind: type, value: Any) -> str:
    written = kind is datetime and isinstance(value, str)
    return "a time with its zone, as 2026-01-31T12:00:00Z," if written else _NAMES[kind]


def _name(value: Any) -> str:
    if isinstance(value, float):
        return "a number" if not value.is_integer() else "a large number"
    return _NAMES.get(type(value), f"a {type(value).__name__}")


def _written(value: Any) -> str:
    told = f'"{value}"' if isinstance(value, str) else repr(value)
    return told if len(told) <= 60 else f"{told[:60]}..."
