"""What people are told of how a feature table is defined."""

from collections.abc import Iterator

import msgspec

from processors.features.cells.cell import Value
from processors.features.definitions.aggregations import Of, Use
from processors.features.definitions.synced import SyncedTable
from processors.features.definitions.tables import Events, FeatureTable
from processors.features.definitions.windows import DAY_US
from processors.features.shape import CellShape, FeatureShape, TableShape


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One feature."""

    name: str
    is_: str = msgspec.field(name="is")  # in words: sum of price
    window_s: float | None  # none of all time
    tile_s: float  # its values are kept by spans of so many seconds
    default: Value | None
    place: str | None  # file:line; none where the module is not at hand, or is of another version


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One feature table."""

    name: str
    state: str  # live, building, or defined: in the module alone
    version: str
    primary_key: list[str]
    source: str  # topic, or where it is copied from
    types: list[str]  # of events; empty is all
    description: str
    place: str
    keep_days: float | None  # how long events can be corrected
    features: list[Feature]


def of_shape(
    shape: TableShape, table: FeatureTable | None, *, state: str, version: str, source: str, types: list[str],
    description: str, place: str,
) -> Definition:  # fmt: skip
    """Put together what is told of a table that is kept from the stream.

    Args:
        shape: Of the table.
        table: The same version in the module; None where that is not at hand.
        state: See ``Definition``, as all that follow.
        version: As above.
        source: As above.
        types: As above.
        description: As above.
        place: As above.
    """
    return Definition(
        name=shape.name,
        state=state,
        version=version,
        primary_key=list(shape.primary_key),
        source=source,
        types=types,
        description=description,
        place=place,
        keep_days=shape.keep_us / DAY_US,
        features=[_feature(shape, one, table) for one in shape.features],
    )


def of_table(table: FeatureTable, *, state: str) -> Definition:
    """Put together what is told of a table of the module."""
    types = list(table.source.types) if isinstance(table.source, Events) else []
    return of_shape(
        table.shape, table, state=state, version=table.version, source=table.source.topic, types=types,
        description=table.description, place=str(table.place),
    )  # fmt: skip


def of_synced(table: SyncedTable, *, state: str) -> Definition:
    """Put together what is told of a table that is kept in sync."""
    return Definition(
        name=table.name, state=state, version=table.version, primary_key=list(table.primary_key), source=table.shown,
        types=[], description=table.description, place=str(table.place), keep_days=None,
        features=[
            Feature(name=name, is_="column", window_s=None, tile_s=0.0, default=None, place=None)
            for name in table.feature_names or ()
        ],
    )  # fmt: skip


def in_words(shape: CellShape, use: Use | None) -> str:
    """Say what a cell tells.

    Example:
        >>> in_words(CellShape("quantile", q=0.95), Use(CellShape("quantile"), "price", None))
        'quantile .95 of price (±1 %)'
        >>> in_words(CellShape("sum"), None)
        'sum'
    """
    of = "" if use is None or use.of is None else f" of {_named(use.of)}"
    where = " where ..." if use is not None and use.where is not None else ""
    match shape.kind:
        case "quantile":
            return f"quantile {f'{shape.q:g}'.lstrip('0') or '0'}{of} (±{shape.error * 100:g} %){where}"
        case "decayed_rate":
            told = f"decayed rate{of}{where}, half-life {span(shape.half_life_us)}"
            return told if shape.per_us == shape.half_life_us else f"{told}, per {span(shape.per_us)}"
        case _:
            return f"{shape.kind}{of}{where}"


def span(width_us: int) -> str:
    """Write a span of time as definitions do.

    Example:
        >>> span(3_600_000_000), span(90_000_000), span(86_400_000_000)
        ('1h', '90s', '1d')
    """
    seconds = width_us // 1_000_000
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _feature(shape: TableShape, feature: FeatureShape, table: FeatureTable | None) -> Feature:
    words = [in_words(shape.cells[cell], None if table is None else table.uses[cell]) for cell in feature.cells]
    return Feature(
        name=feature.name,
        is_=" / ".join(words),
        window_s=None if feature.width_us is None else feature.width_us / 1e6,
        tile_s=shape.levels[feature.level].hop_us / 1e6,
        default=feature.default,
        place=None if table is None else next(_places(table, feature.name), None),
    )


def _places(table: FeatureTable, name: str) -> Iterator[str]:
    """Find where a feature is written, by its name without window."""
    for written, aggregation in table.aggregations.items():
        if name == written or name.startswith(f"{written}_"):
            windows = table.windows if aggregation.windows is None else aggregation.windows
            if name == written or name.removeprefix(f"{written}_") in windows:
                yield str(aggregation.place)


def _named(of: Of) -> str:
    return of if isinstance(of, str) else getattr(of, "__name__", "a function").replace("<lambda>", "a function")
