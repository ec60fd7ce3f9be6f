"""A feature table without its functions: all that is needed to keep its rows and to read them. Stored beside them."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec

from processors.features.cells.cell import Cell, Value
from processors.features.cells.counting import CountCell
from processors.features.cells.decaying import DecayedRateCell
from processors.features.cells.distinct import DistinctCell
from processors.features.cells.ends import EndCell
from processors.features.cells.extremes import ExtremeCell
from processors.features.cells.quantiles import QuantileCell
from processors.features.cells.summing import MeanCell, SumCell

CellKind = Literal["count", "sum", "mean", "min", "max", "first", "last", "distinct", "quantile", "decayed_rate"]


class CellShape(msgspec.Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """One cell: what it keeps, and with which numbers.

    Args:
        kind: What it keeps.
        q: Of a quantile.
        error: Of a quantile, relative.
        half_life_us: Of a decayed rate, microseconds.
        per_us: Of a decayed rate, microseconds.
    """

    kind: CellKind
    q: float = 0.5
    error: float = 0.01
    half_life_us: int = 0
    per_us: int = 0


class LevelShape(msgspec.Struct, frozen=True, cache_hash=True):
    """Tiles of one width.

    Args:
        hop_us: Their width, microseconds; the first begins at 1970.
        reach_us: Age of a tile's end at which it is let go, microseconds; None for all time: then it is put into
            the base, where nothing can be corrected any more.
        cells: Places of the cells that its tiles keep.
    """

    hop_us: int
    reach_us: int | None
    cells: tuple[int, ...]


class FeatureShape(msgspec.Struct, frozen=True):
    """One feature.

    Args:
        name: Of the feature, with its window: ``amount_1h``.
        level: Place of the level it is read from.
        width_us: How far it looks back, microseconds; None for all that the level has.
        cells: Places of its cells: one, or two whose ratio it is.
        default: Where there is nothing to tell.
    """

    name: str
    level: int
    width_us: int | None
    cells: tuple[int, ...]
    default: Value | None = None


class TableShape(msgspec.Struct, frozen=True, cache_hash=True):
    """One feature table.

    Args:
        name: Of the table.
        primary_key: Names of the parts of its key.
        cells: What is kept of each tile.
        levels: Its tiles, narrow ones first.
        features: What can be read.
        keep_us: Age at which events can no longer be corrected, microseconds.
    """

    name: str
    primary_key: tuple[str, ...]
    cells: tuple[CellShape, ...]
    levels: tuple[LevelShape, ...]
    features: tuple[FeatureShape, ...]
    keep_us: int

    @property
    def defaults(self) -> Mapping[str, Value | None]:
        """What a key without row has: what its aggregations tell of nothing, 0 for a count."""
        nothing = {one.name: self._nothing(one) for one in self.features}
        return {one.name: one.default if nothing[one.name] is None else nothing[one.name] for one in self.features}

    def _nothing(self, feature: FeatureShape) -> Value | None:
        """What a feature tells without any event; the ratio of two is nothing then."""
        return None if len(feature.cells) > 1 else make_cell(self.cells[feature.cells[0]]).value(None, 0)


@cache
def make_cell(shape: CellShape) -> Cell:
    """Make what a cell's shape names.

    Example:
        >>> make_cell(CellShape("count")).value(None, 0)
        0
    """
    match shape.kind:
        case "count":
            return CountCell()
        case "sum":
            return SumCell()
        case "mean":
            return MeanCell()
        case "min" | "max":
            return ExtremeCell(largest=shape.kind == "max")
        case "first" | "last":
            return EndCell(last=shape.kind == "last")
        case "distinct":
            return DistinctCell()
        case "quantile":
            return QuantileCell(q=shape.q, error=shape.error)
        case "decayed_rate":
            return DecayedRateCell(half_life_us=shape.half_life_us, per_us=shape.per_us)
