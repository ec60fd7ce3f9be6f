"""What can be told of the events of a key: the aggregations that a feature table is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from processors.features.cells.cell import Value
from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.windows import DAY_US, SECOND_US, span_us
from processors.features.shape import CellShape

Row = Mapping[str, Any]
"""A record as user's functions see it: its fields by name."""

Of = str | Callable[[Row], Value | None]
"""A field's name, or a function of the record; a record where it is missing or None is left out."""

Where = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Use:
    """One cell of an aggregation, and what goes into it.

    Args:
        shape: Of the cell.
        of: Its values; None counts records.
        where: Which records; None is all.
    """

    shape: CellShape
    of: Of | None
    where: Where | None

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.shape.kind not in ("count", "first", "last", "distinct")


@dataclass(frozen=True)
class Aggregation:
    """What all aggregations have.

    Args:
        of: A field's name, or a function of the record that returns a value; records without are left out.
        where: Which records; a function that returns a bool. None is all.
        windows: Other windows than the table's.
        default: Where there is nothing to tell.
    """

    of: Of | None = None
    where: Where | None = None
    windows: Sequence[str] | None = None
    default: Value | None = None
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    kind = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.of is None and self.kind != "count" and self.kind != "decayed_rate" and self.kind:
            raise self.wrong("it does not say of what", f'Name a field or a function: {type(self).__name__}("price").')
        if self.of is not None and not isinstance(self.of, str) and not callable(self.of):
            raise self.wrong(f"of={self.of!r} is neither a field's name nor a function", "Name a field or a function.")
        if self.where is not None and not callable(self.where):
            raise self.wrong(f"where={self.where!r} is no function", 'Write where=lambda row: row["type"] == "sold".')

    @property
    def uses(self) -> tuple[Use, ...]:
        """The cells it is read from."""
        return (Use(self.shape, self.of, self.where),)

    @property
    def shape(self) -> CellShape:
        """Its cell's shape."""
        return CellShape(self.kind)  # type: ignore[arg-type]  # each kind below is one

    @property
    def own_hop_us(self) -> int | None:
        """Width of tiles it needs for itself instead of windows, microseconds."""
        return None

    @property
    def reach_us(self) -> int | None:
        """How far it looks back without windows, microseconds."""
        return None

    def wrong(self, what: str, remedy: str) -> WrongDefinition:
        """Say what is wrong with it."""
        return WrongDefinition(f"{type(self).__name__}: {what}", remedy, self.place)


class Count(Aggregation):
    """How many records there are; with ``of``, how many have it."""

    kind = "count"


class Sum(Aggregation):
    """The sum of numbers, exact until it is rounded once; 0.0 without any."""

    kind = "sum"


class Mean(Aggregation):
    """The mean of numbers."""

    kind = "mean"


class Min(Aggregation):
    """The smallest number."""

    kind = "min"


class Max(Aggregation):
    """The largest number."""

    kind = "max"


class First(Aggregation):
    """The value of what happened first."""

    kind = "first"


class Last(Aggregation):
    """The value of what happened last."""

    kind = "last"


class Distinct(Aggregation):
    """How many different values: exact to 2,048, then with a relative standard error of 2.2 %."""

    kind = "distinct"


@dataclass(frozen=True)
class Quantile(Aggregation):
    """A quantile of numbers, within a relative error.

    Args:
        q: 0 for the smallest, .5 for the median, 1 for the largest.
        error: Relative, .001 to .2.
    """

    q: float = field(default=0.5, kw_only=True)
    error: float = field(default=0.01, kw_only=True)
    kind = "quantile"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if not isinstance(self.q, int | float) or not 0 <= self.q <= 1:
            raise self.wrong(f"q={self.q!r} is not between 0 and 1", "Write q=.95 for the 95th percentile.")
        if not isinstance(self.error, float) or not 0.001 <= self.error <= 0.2:
            raise self.wrong(f"error={self.error!r} is not between .001 and .2", "Write error=.01 for one percent.")

    @property
    def shape(self) -> CellShape:
        """Its cell's shape."""
        return CellShape("quantile", q=float(self.q), error=self.error)


@dataclass(frozen=True)
class DecayedRate(Aggregation):
    """Records, or the sum of a number of them, per span of time; each weighs half after every half-life.

    It has no windows.

    Args:
        half_life: As ``10m``; 1 s to 30 days.
        per: Span it is told per; none is the half-life.
    """

    half_life: str = field(default="1h", kw_only=True)
    per: str | None = field(default=None, kw_only=True)
    kind = "decayed_rate"

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if self.windows is not None:
            raise self.wrong("it has no windows", "Leave windows out: what is old fades by itself.")
        if not SECOND_US <= self._half_life_us <= 30 * DAY_US:
            raise self.wrong(f"half_life={self.half_life!r} is not between 1s and 30d", "Use 1s to 30d.")

    @property
    def shape(self) -> CellShape:
        """Its cell's shape."""
        per_us = self._half_life_us if self.per is None else span_us(self.per, "per")
        return CellShape("decayed_rate", half_life_us=self._half_life_us, per_us=per_us)

    @property
    def own_hop_us(self) -> int:
        """Width of its tiles, microseconds."""
        return self._half_life_us

    @property
    def reach_us(self) -> int:
        """How far it looks back, microseconds."""
        return 64 * self._half_life_us

    @property
    def _half_life_us(self) -> int:
        return span_us(self.half_life, "half_life")


@dataclass(frozen=True)
class Ratio(Aggregation):
    """One aggregation over another, of the same windows; the default where the lower is 0 or nothing.

    Args:
        top: Above.
        bottom: Below.
    """

    top: Aggregation | None = field(default=None, kw_only=True)
    bottom: Aggregation | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, one in (("top", self.top), ("bottom", self.bottom)):
            if not isinstance(one, Count | Sum | Mean):
                raise self.wrong(f"{name} is no Count, Sum or Mean", "Write Ratio(top=Sum(...), bottom=Count(...)).")
            if one.windows is not None:
                raise self.wrong(f"{name} has windows of its own", "Give them to the ratio instead.")
        if self.of is not None or self.where is not None:
            raise self.wrong("of and where belong to its two parts", "Give them to top and bottom.")

    @property
    def uses(self) -> tuple[Use, ...]:
        """The cells it is read from."""
        return tuple(use for one in (self.top, self.bottom) if one is not None for use in one.uses)
