"""What one record adds to a feature table: its key, and a value for each cell."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processors.features.cells.cell import Value
from processors.features.cells.exact_sums import LARGEST, SMALLEST
from processors.features.definitions.aggregations import Use
from processors.features.definitions.tables import Events, FeatureTable

KEY_LIMIT = 200
STRING_LIMIT = 400


class Unfit(ValueError):
    """A record that a definition cannot be applied to.

    Args:
        field: ``TABLE.CELL`` or the record's field.
        what: Is wrong, one line with what to do.
    """

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field
        self.what = what


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a record adds.

    Args:
        key: Parts of the primary key, joined.
        values: One a cell; None adds nothing to it.
    """

    key: str
    values: tuple[Value | None, ...]


def contribution(table: FeatureTable, row: Mapping[str, Any]) -> Contribution | None:
    """Work out what a record adds; None when it has nothing to do with the table.

    Args:
        table: As defined.
        row: Fields of the record by name; of an event ``type``, entities and values.

    Raises:
        Unfit: If a user's function fails on it, or makes of it what cannot be added.

    Example:
        >>> from processors.features import Count, Events, FeatureTable, Sum
        >>> table = FeatureTable("spending", "customer", Events("sale"), {"sales": Count(), "spent": Sum("price")})
        >>> contribution(table, {"type": "sale", "customer": "c1", "price": 3})
        Contribution(key='c1', values=(True, 3.0))
    """
    if isinstance(table.source, Events) and table.source.types and row["type"] not in table.source.types:
        return None
    parts = [row.get(name) for name in table.primary_key]
    if any(part is None or part == "" for part in parts):
        return None
    if table.where is not None and not _judged(table, "where", table.where, row):
        return None
    key = join_key([str(part) for part in parts])
    return Contribution(key, tuple(_value(table, use, row) for use in table.uses))


def join_key(parts: list[str]) -> str:
    r"""Write the parts of a key as one; a part may hold anything.

    Example:
        >>> join_key(["a"]), join_key(["a|b", "c"])
        ('a', 'a\\|b|c')
    """
    if len(parts) == 1:
        return parts[0]
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def _value(table: FeatureTable, use: Use, row: Mapping[str, Any]) -> Value | None:
    if use.where is not None and not _judged(table, f"{use.shape.kind}.where", use.where, row):
        return None
    if use.of is None:
        return 1.0 if use.shape.kind == "decayed_rate" else True
    value = row.get(use.of) if isinstance(use.of, str) else _applied(table, use.shape.kind, use.of, row)
    if value is None:
        return None
    name = use.of if isinstance(use.of, str) else use.shape.kind
    return _number(table, name, value) if use.numeric else _plain(table, name, value)


def _number(table: FeatureTable, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(
            f"{table.name}.{name}", f"{name}: {type(value).__name__} is no number; send a number or leave it out"
        )
    size = abs(value)
    if not (size == 0 or SMALLEST <= size <= LARGEST) or math.isnan(value):
        raise Unfit(f"{table.name}.{name}", f"{name}: {value!r} is too large or too small to add up exactly")
    return float(value) + 0.0  # there is one zero: of 0.0 and -0.0 the smaller would be whichever came first


def _plain(table: FeatureTable, name: str, value: Any) -> Value:
    if isinstance(value, str) and len(value) > STRING_LIMIT:
        raise Unfit(f"{table.name}.{name}", f"{name}: {len(value):,} characters, at most {STRING_LIMIT} can be kept")
    if not isinstance(value, str | int | float | bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise Unfit(f"{table.name}.{name}", f"{name}: {type(value).__name__} is no number, text or truth value")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        raise Unfit(f"{table.name}.{name}", f"{name}: {value} does not fit 64 bits")
    return value + 0.0 if isinstance(value, float) else value


def _judged(table: FeatureTable, name: str, where: Any, row: Mapping[str, Any]) -> bool:
    return bool(_applied(table, name, where, row))


def _applied(table: FeatureTable, name: str, function: Any, row: Mapping[str, Any]) -> Any:
    try:
        return function(row)
    except Exception as error:
        told = f"the function of {table.name}.{name} failed: {type(error).__name__}: {error}"
        raise Unfit(f"{table.name}.{name}", f"{told}; give it a default, or exclude such records with where") from error
