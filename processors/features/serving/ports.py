"""What evaluating a spec needs from others: somebody who reads rows, and somebody who calls functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from processors.features.cells.cell import Value

Argument = str | int | float | bool | datetime | None
"""What a feature function can be given."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One row that is wanted.

    Args:
        table: Name of the table.
        key: Parts of its primary key, joined: see ``processors.features.contributing.join_key``; empty where a record
            names none: that is missing.
    """

    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Found:
    """What stands of one row.

    Args:
        values: Every feature by its name, defaults where there is nothing to tell.
        as_of_us: When the newest event in it happened, microseconds since 1970; None for none.
        missing: Whether nothing is known of the key: all values are defaults.
        version: Of the table's definition.
    """

    values: Mapping[str, Value | None]
    as_of_us: int | None
    missing: bool
    version: str


class FeatureReader(Protocol):
    """Reads rows of many tables in one go."""

    def read(self, requests: Sequence[Lookup], at_us: int | None) -> list[Found]:
        """Read rows, one for each request, in their order; the same row may be asked for twice.

        Args:
            requests: Of any tables.
            at_us: Moment they are read at, microseconds since 1970; None is now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a feature function.

    Args:
        spec: Name of the spec it stands in.
        output: Name of its output there.
        arguments: By name, converted to the types it asks for.
    """

    spec: str
    output: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class Made:
    """What a function returned: a JSON value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Why something cannot be told for one record.

    Args:
        kind: Stable code: ``missing_input``, ``invalid_input``, ``feature_missing``, ``function_failed``,
            ``function_too_slow``, ``invalid_result``.
        title: What kind of thing it is, for people.
        detail: What happened, one line with what to do.
    """

    kind: str
    title: str
    detail: str


class FunctionCaller(Protocol):
    """Calls feature functions."""

    def call(self, calls: Sequence[Call]) -> list[Made | Failed]:
        """Make calls; returns one result for each, in their order. One that fails disturbs no other."""
        ...
