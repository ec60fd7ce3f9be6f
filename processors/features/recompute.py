"""Features by a plain walk over events, without tiles: what rows are held against."""

from collections.abc import Callable, Iterable, Sequence
from math import fsum, isclose, log
from typing import Any

from processors.features.cells.cell import Moment, Value
from processors.features.shape import CellShape, FeatureShape, TableShape
from processors.features.tiles import Values

DISTINCT_ERROR = 0.12
"""Of a distinct count a sketch estimates, relative: five times its standard error of 2.2 %, rounded up."""

DISTINCT_EXACT = 2_048
"""Different values up to which it is exact, whatever their tiles."""

RATE_ERROR = 1e-9
"""Of a decayed rate, relative: its weights are rounded once more where they are kept by tiles."""

Event = tuple[Moment, Values]


def recompute(shape: TableShape, events: Iterable[Event], at_us: int) -> dict[str, Value | None]:
    """Compute all features of a key from all its events.

    Args:
        shape: Of the table.
        events: All of the key that stand, each once, in any order.
        at_us: When it is read: nothing that happened later counts. Microseconds since 1970.

    Returns:
        Every feature by its name. Quantiles and distinct counts are the true ones, not what a sketch would say.

    Example:
        >>> from processors.features import Count, Events, FeatureTable
        >>> shape = FeatureTable("sales", "customer", Events("sale"), {"sales": Count()}, windows=("1m", "all")).shape
        >>> recompute(shape, [((60_000_000, "a"), [True]), ((200_000_000, "b"), [True])], 201_000_000)
        {'sales_1m': 1, 'sales': 2}
    """
    ordered = sorted((one for one in events if one[0][0] <= at_us), key=lambda one: one[0])
    return {one.name: _feature(shape, one, ordered, at_us) for one in shape.features}


def agrees(shape: TableShape, feature: FeatureShape, kept: Value | None, true: Value | None) -> bool:
    """Tell whether a value read from a row is the one a walk finds, within the error its kind is stated with.

    Args:
        shape: Of the table.
        feature: Which.
        kept: Read from the row.
        true: Found by the walk.

    Example:
        >>> from processors.features import Events, FeatureTable, Quantile, Sum
        >>> aggregations = {"median": Quantile("price", error=0.01), "spent": Sum("price")}
        >>> shape = FeatureTable("sales", "customer", Events("sale"), aggregations).shape
        >>> agrees(shape, shape.features[0], 99.5, 100.0), agrees(shape, shape.features[1], 99.5, 100.0)
        (True, False)
    """
    if repr(kept) == repr(true):  # 1, 1.0 and True are equal, but not the same
        return True
    cell = shape.cells[feature.cells[0]]
    errors = {"quantile": cell.error + 1e-9, "distinct": DISTINCT_ERROR, "decayed_rate": RATE_ERROR}
    error = errors.get(cell.kind)
    if error is None or isinstance(kept, str | None) or isinstance(true, str | None):
        return False
    if cell.kind == "distinct" and true <= DISTINCT_EXACT:
        return False
    return isclose(kept, true, rel_tol=error)


def _feature(shape: TableShape, feature: FeatureShape, ordered: Sequence[Event], at_us: int) -> Value | None:
    hop_us = shape.levels[feature.level].hop_us
    begin_us = None if feature.width_us is None else (at_us - feature.width_us) // hop_us * hop_us
    inside = [one for one in ordered if begin_us is None or one[0][0] >= begin_us]
    told = [_cell(shape.cells[cell], cell, inside, at_us) for cell in feature.cells]
    value = told[0] if len(told) == 1 else _divided(*told)
    return feature.default if value is None else value


def _divided(top: Any, bottom: Any) -> float | None:
    return None if top is None or not bottom else top / bottom


def _cell(shape: CellShape, place: int, events: Sequence[Event], at_us: int) -> Value | None:
    if shape.kind == "decayed_rate":
        return _rate(shape, place, events, at_us)
    values: Any = [values[place] for _, values in events if values[place] is not None]
    if shape.kind == "quantile":
        return _quantile(values, shape.q)
    told: Value | None = _WALKS[shape.kind](values)
    return told


_WALKS: dict[str, Callable[[Any], Any]] = {
    "count": len,
    "sum": lambda values: fsum(values) + 0.0,
    "mean": lambda values: (fsum(values) + 0.0) / len(values) if values else None,
    "min": lambda values: min(map(float, values), default=None),
    "max": lambda values: max(map(float, values), default=None),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "distinct": lambda values: len({(type(one) is bool, _comparable(one)) for one in values}),
}


def _comparable(value: Value) -> str | float:
    return value if isinstance(value, str) else float(value)


def _quantile(values: Sequence[float], q: float) -> float | None:
    ordered = sorted(values)
    return float(ordered[int(q * (len(ordered) - 1))]) if ordered else None


def _rate(shape: CellShape, place: int, events: Sequence[Event], at_us: int) -> float:
    faded = [
        float(value) * 2.0 ** ((moment[0] - at_us) / shape.half_life_us)
        for moment, values in events
        for value in (values[place],)
        if value is not None
    ]
    return fsum(faded) * log(2) * shape.per_us / shape.half_life_us
