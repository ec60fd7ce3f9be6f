"""How settings are declared, found and checked; which settings there are stands in ``infra.settings``."""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import SettingsError

_CREDENTIALS = re.compile(r"//.*@")  # a password may hold any character
_PARAMETERS = re.compile(r"\?.*")


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that never shows by accident.

    Example:
        >>> Secret("postgresql://me:hunter2@db.example/shop?password=x")
        postgresql://***@db.example/shop?***
        >>> print(Secret("hunter2"))
        ***
        >>> Secret("hunter2").reveal()
        'hunter2'
    """

    _value: str

    def reveal(self) -> str:
        """Return the value itself, for the client that needs it."""
        return self._value

    def __repr__(self) -> str:
        if "://" not in self._value:
            return "***"
        return _PARAMETERS.sub("?***", _CREDENTIALS.sub("//***@", self._value))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a setting is for and which values it can have; stands in its ``Annotated`` type.

    Args:
        explanation: One line for people, with the unit.
        minimum: The smallest number allowed, if any.
        maximum: The largest number allowed, if any.
        choices: The words allowed, if only some are; one that ends with a colon goes on freely.
        short: A second, shorter environment variable.
    """

    explanation: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    short: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """One setting as its dataclass declares it.

    Args:
        name: ``section.key``, or ``key`` alone outside any section.
        kind: The type of its values: str, int, float, Path or Secret.
        optional: Whether it may be without a value.
        default: Its value when nobody sets it.
        meaning: What it is for.
    """

    name: str
    kind: type
    optional: bool
    default: Any
    meaning: Meaning

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that set it, the one that wins first."""
        long = "MILLRACE_" + self.name.replace(".", "_").upper()
        return (self.meaning.short, long) if self.meaning.short else (long,)


def declared(section: type, prefix: str = "") -> list[Declared]:
    """List what a settings dataclass declares, in order, sections inside it included."""
    found = []
    for name, hint in typing.get_type_hints(section, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            found += declared(typing.cast(type, hint), f"{name}.")
        elif typing.get_origin(hint) is typing.Annotated:
            kind, meaning = typing.get_args(hint)
            kinds = [one for one in typing.get_args(kind) if one is not types.NoneType] or [kind]
            default = section.__dataclass_fields__[name].default  # type: ignore[attr-defined]  # it is a dataclass
            found.append(Declared(f"{prefix}{name}", kinds[0], kinds != [kind], default, meaning))
    return found


def parse(one: Declared, value: object, source: str) -> Any:
    """Turn a raw value into the setting's type.

    Args:
        one: The setting.
        value: Text from the environment, or a TOML value.
        source: Where the value stands, for the error.

    Raises:
        SettingsError: If the setting cannot have this value.
    """
    if one.optional and value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(one, value, source, f"is no {_KINDS[one.kind]}")
    try:
        parsed = one.kind(value)
    except ValueError:
        raise _wrong(one, value, source, f"is no {_KINDS[one.kind]}") from None
    if value == "" or (isinstance(value, float) and one.kind is int and value != parsed):
        raise _wrong(one, value, source, f"is no {_KINDS[one.kind]}")
    if one.meaning.minimum is not None and not parsed >= one.meaning.minimum:
        raise _wrong(one, value, source, f"is below {one.meaning.minimum:g}")
    if one.meaning.maximum is not None and not parsed <= one.meaning.maximum:
        raise _wrong(one, value, source, f"is above {one.meaning.maximum:g}")
    if one.meaning.choices and not any(_chosen(parsed, choice) for choice in one.meaning.choices):
        raise _wrong(one, value, source, f"is none of {', '.join(one.meaning.choices)}")
    return parsed


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Name every value of a TOML document ``section.key``.

    Example:
        >>> flatten({"home": "x", "kafka": {"prefix": "shop"}})
        {'home': 'x', 'kafka.prefix': 'shop'}
    """
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def check_known(names: list[str], known: list[str], source: str) -> None:
    """Refuse names nobody knows.

    Raises:
        SettingsError: Naming the first unknown one and the nearest known one.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(f"unknown setting {name} in {source}", f"Did you mean {near}?")


def _chosen(value: str, choice: str) -> bool:
    return value.startswith(choice) and value != choice if choice.endswith(":") else value == choice


_KINDS: dict[type, str] = {str: "text", int: "whole number", float: "number", Path: "path", Secret: "text"}


def _wrong(one: Declared, value: object, source: str, why: str) -> SettingsError:
    shown = "the value" if one.kind is Secret else repr(value)
    return SettingsError(f"{one.name} in {source}: {shown} {why}", f"It is for: {one.meaning.explanation}")
