"""Work out what a feature table needs: its cells, its tiles and where each feature is read from."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from processors.features.definitions.aggregations import Aggregation, Of, Use
from processors.features.definitions.fingerprints import fingerprint
from processors.features.definitions.windows import ALL, DAY_US, Window
from processors.features.shape import CellShape, FeatureShape, LevelShape, TableShape

if TYPE_CHECKING:
    from processors.features.definitions.tables import FeatureTable

FEATURES = 500
"""Of one table at most."""

KEPT_DAYS = 7
"""How long events can be corrected when nobody says: at least; of all time 90, and always the longest window."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What was worked out; see ``FeatureTable``."""

    shape: TableShape
    uses: tuple[Use, ...]
    version: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One feature before tiles are shared out."""

    name: str
    hop_us: int
    width_us: int | None  # None: all time
    reach_us: int | None  # None: all time
    aggregation: Aggregation


def compile_table(table: "FeatureTable") -> Compiled:
    """Work a table out.

    Raises:
        WrongDefinition: If two features would have one name, or there are too many.
    """
    wanted = [one for name, aggregation in table.aggregations.items() for one in _wanted(table, name, aggregation)]
    names = [one.name for one in wanted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise table.wrong(f"two features are called {twice!r}", "Rename one of them.")
    if len(wanted) > FEATURES:
        raise table.wrong(f"it has {len(wanted):,} features, at most {FEATURES}", "Make two tables of it.")
    uses = list({_identity(use): use for one in wanted for use in one.aggregation.uses}.values())
    places = {_identity(use): place for place, use in enumerate(uses)}
    shape = _shape(table, wanted, uses, places)
    return Compiled(shape, tuple(uses), _version(table, shape, uses))


def feature_prints(table: "FeatureTable") -> dict[str, str]:
    """Tell features of two versions of a table apart: each by a hash of all that decides its values.

    Example:
        >>> from processors.features import Count, Events, FeatureTable, Sum
        >>> old = FeatureTable("sales", "customer", Events("sale"), {"sales": Count(), "spent": Sum("price")})
        >>> new = FeatureTable("sales", "customer", Events("sale"), {"sales": Count(), "spent": Sum("total")})
        >>> [one == other for one, other in zip(feature_prints(old).values(), feature_prints(new).values())]
        [True, False]
    """
    where = None if table.where is None else fingerprint(table.where)
    whole = (tuple(table.primary_key), repr(table.source), where, table.shape.keep_us)
    prints = {}
    for one in table.shape.features:
        uses = [_identity(table.uses[cell]) for cell in one.cells]
        told = (whole, table.shape.levels[one.level].hop_us, one.width_us, one.default, repr(uses))
        prints[one.name] = sha256(repr(told).encode()).hexdigest()[:12]
    return prints


def _wanted(table: "FeatureTable", name: str, aggregation: Aggregation) -> Iterator[_Wanted]:
    if aggregation.own_hop_us is not None:
        yield _Wanted(name, aggregation.own_hop_us, aggregation.reach_us, aggregation.reach_us, aggregation)
        return
    windows = table.windows if aggregation.windows is None else aggregation.windows
    if isinstance(windows, str) or not windows:
        raise table.wrong(f"feature {name!r} has no windows", 'Write windows=("1h", "7d", "all").')
    for one in windows:
        window = Window.parse(one)
        called = name if one == ALL else f"{name}_{one}"
        yield _Wanted(called, window.hop_us, window.width_us, window.width_us, aggregation)


def _shape(
    table: "FeatureTable", wanted: list[_Wanted], uses: list[Use], places: dict[tuple[object, ...], int]
) -> TableShape:
    hops = sorted({one.hop_us for one in wanted})
    cells = {one.name: tuple(places[_identity(use)] for use in one.aggregation.uses) for one in wanted}
    levels = []
    for hop_us in hops:
        here = [one for one in wanted if one.hop_us == hop_us]
        reaches = [one.reach_us for one in here]
        reach_us = None if None in reaches else max(reach for reach in reaches if reach is not None)
        levels.append(LevelShape(hop_us, reach_us, tuple(sorted({cell for one in here for cell in cells[one.name]}))))
    features = tuple(
        FeatureShape(one.name, hops.index(one.hop_us), one.width_us, cells[one.name], one.aggregation.default)
        for one in wanted
    )
    shapes = tuple(use.shape for use in uses)
    return TableShape(table.name, tuple(table.primary_key), shapes, tuple(levels), features, _keep_us(table, wanted))


def _keep_us(table: "FeatureTable", wanted: list[_Wanted]) -> int:
    reaches = [one.reach_us for one in wanted if one.reach_us is not None]
    least = max(reaches, default=0)
    if table.keep_days is not None:
        if table.keep_days * DAY_US < least:
            days = -(-least // DAY_US)
            raise table.wrong(f"keep_days={table.keep_days} is less than its longest window", f"Keep {days} days.")
        return table.keep_days * DAY_US
    days = 90 if any(one.reach_us is None for one in wanted) else KEPT_DAYS
    return max(days * DAY_US, -(-least // DAY_US) * DAY_US)


def _identity(use: Use) -> tuple[object, ...]:
    """Two uses of one identity share a cell."""
    return (use.shape, _told(use.of), None if use.where is None else fingerprint(use.where))


def _told(of: Of | None) -> tuple[str, str] | None:
    if of is None:
        return None
    return ("field", of) if isinstance(of, str) else ("function", fingerprint(of))


def _version(table: "FeatureTable", shape: TableShape, uses: list[Use]) -> str:
    cells: list[tuple[CellShape, object, object]] = [
        (use.shape, _told(use.of), None if use.where is None else fingerprint(use.where)) for use in uses
    ]
    where = None if table.where is None else fingerprint(table.where)
    told = (msgspec.json.encode(shape), repr(table.source), where, repr(cells))
    return sha256(repr(told).encode()).hexdigest()[:12]
