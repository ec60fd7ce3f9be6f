"""Tell whether a user's function is still the same."""

from collections.abc import Callable
from hashlib import sha256
from types import CodeType
from typing import Any

_SIMPLE = (str, bytes, int, float, bool, complex, type(None), type(...))


def fingerprint(function: Callable[..., Any]) -> str:
    """Hash what a function does: its code, its constants, its defaults, what it closes over, and functions it names.

    Where it stands, its comments and the names of its variables do not count. What it calls in other modules counts by
    name only; another minor version of Python makes other hashes.

    Example:
        >>> one, same, other = (lambda row: row["a"] + 1), (lambda x: x["a"] + 1), (lambda row: row["a"] + 2)
        >>> fingerprint(one) == fingerprint(same), fingerprint(one) == fingerprint(other)
        (True, False)
    """
    return sha256(repr(_told(function, ())).encode("utf-8", "surrogatepass")).hexdigest()


def _told(value: Any, above: tuple[CodeType, ...]) -> object:
    """Say what a value is, so that equal values are told alike in every process."""
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return "again" if code in above else _function(value, code, (*above, code))
    if isinstance(value, CodeType):
        return _code(value, above)
    if isinstance(value, _SIMPLE):
        return (type(value).__name__, value)
    if isinstance(value, tuple | list):
        return (type(value).__name__, [_told(one, above) for one in value])
    if isinstance(value, set | frozenset):
        return (type(value).__name__, sorted(repr(_told(one, above)) for one in value))
    if isinstance(value, dict):
        return ("dict", [(_told(key, above), _told(one, above)) for key, one in value.items()])
    return (type(value).__module__, getattr(value, "__qualname__", type(value).__qualname__))


def _function(function: Any, code: CodeType, above: tuple[CodeType, ...]) -> object:
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [function.__globals__[name] for name in _names(code) if name in function.__globals__]
    parts = (function.__defaults__, function.__kwdefaults__, closed, named)
    return (_code(code, above), *(_told(part, above) for part in parts))


def _names(code: CodeType) -> list[str]:
    """Names of globals and attributes it uses, those of functions inside it too."""
    inner = [name for one in code.co_consts if isinstance(one, CodeType) for name in _names(one)]
    return [*code.co_names, *inner]


def _code(code: CodeType, above: tuple[CodeType, ...]) -> object:
    constants = [_told(one, above) for one in code.co_consts if not _is_docstring(code, one)]
    return (code.co_code.hex(), code.co_names, constants, code.co_argcount, code.co_kwonlyargcount)


def _is_docstring(code: CodeType, constant: object) -> bool:
    return (
        isinstance(constant, str)
        and code.co_consts[0] is constant
        and constant not in code.co_names
        and "\n" in constant
    )
