"""What feature functions may return: what JSON can say."""

import math
from typing import Any

DEPTH = 32
"""Lists and objects in each other, at most."""


class NoResult(ValueError):
    """A value JSON cannot say."""


def json_value(value: Any, depth: int = 0) -> Any:
    """Return a value as plain strings, numbers, truth values, lists and dicts.

    Args:
        value: As a user's function returned it; subclasses, as numpy's float64, become what they are made of.
        depth: How deep it lies.

    Raises:
        NoResult: If JSON cannot say it.

    Example:
        >>> json_value({"scores": (1, 0.5)})
        {'scores': [1, 0.5]}
        >>> json_value(float("nan"))
        Traceback (most recent call last):
        ...
        processors.features.serving.results.NoResult: nan is no JSON value; return None where there is nothing
    """
    if depth > DEPTH:
        raise NoResult(f"it is more than {DEPTH} levels deep; return something flatter")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NoResult(f"{value} is no JSON value; return None where there is nothing")
        return float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return [json_value(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {_name(name): json_value(one, depth + 1) for name, one in value.items()}
    raise NoResult(f"{type(value).__name__} is no JSON value; return a text, a number, a list or a dict")


def _whole(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise NoResult("a whole number of more than 64 bits; return it as a text")
    return int(value)


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NoResult("a text that is no Unicode (half of a surrogate pair); replace it") from error
    return str(value)


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise NoResult(f"{name!r} is no name of a field; use texts as the keys of a dict")
    return _text(name)
