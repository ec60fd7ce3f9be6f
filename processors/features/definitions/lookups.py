"""Feature lookups: which row of which table a record gets features from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from processors.features.cells.cell import Value
from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.names import REQUEST_TIME, check_input
from processors.features.definitions.tables import FeatureTable, check_name


class OtherTable(Protocol):
    """A table with a primary key that is filled from elsewhere: ``SyncedTable``."""

    @property
    def name(self) -> str:
        """Of the table."""
        ...

    @property
    def primary_key(self) -> Sequence[str]:
        """Names of the parts of its key."""
        ...

    @property
    def feature_names(self) -> Sequence[str] | None:
        """Names of its features; None where only the table elsewhere knows them."""
        ...


@dataclass(frozen=True, eq=False)
class FeatureLookup:
    """Features of one row.

    Args:
        table: The table, or its name when it is defined elsewhere; then ``features`` must be named.
        lookup_key: Name of the input or output that gives the primary key, or several, one for each of its parts.
        features: Names of features; none is all of the table.
        rename: Other names for them in the spec, by their names in the table.
        defaults: Where there is nothing to tell, by their names in the table; instead of the table's own.

    Raises:
        WrongDefinition: If it cannot work; tells where it was written and what to do.

    Example:
        >>> from processors.features import Count, Events, FeatureTable
        >>> table = FeatureTable("orders", "customer", Events("order"), {"orders": Count()}, windows=("1h", "all"))
        >>> FeatureLookup(table, "customer_id", rename={"orders": "orders_ever"}).outputs
        {'orders_1h': 'orders_1h', 'orders_ever': 'orders'}
    """

    table: FeatureTable | OtherTable | str
    lookup_key: str | Sequence[str]
    features: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    defaults: Mapping[str, Value | None] | None = None
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not isinstance(self.table, str) and not hasattr(self.table, "primary_key"):
            remedy = 'Write FeatureLookup(customer_orders, lookup_key="customer").'
            raise WrongDefinition(f"lookup: table={self.table!r} is no feature table", remedy, self.place)
        if isinstance(self.lookup_key, str):
            object.__setattr__(self, "lookup_key", (self.lookup_key,))
        self._check_key()
        self._check_mappings()
        chosen = self._chosen()
        self._check_names("rename", self.rename or {}, chosen)
        self._check_names("defaults", self.defaults or {}, chosen)
        renamed = {(self.rename or {}).get(name, name): name for name in chosen}
        if len(renamed) < len(chosen):
            raise self._wrong("two features get one name", "Give each a name of its own in rename.")
        for name in renamed:
            check_name(f"output of {self}", name, self.place)
        object.__setattr__(self, "_outputs", renamed)

    @cached_property
    def table_name(self) -> str:
        """Name of its table."""
        return self.table if isinstance(self.table, str) else self.table.name

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What it needs: names of inputs or outputs."""
        return tuple(self.lookup_key)

    @property
    def outputs(self) -> Mapping[str, str]:
        """Names in the table by names in the spec."""
        return self._outputs  # type: ignore[attr-defined,no-any-return]  # set above

    def __str__(self) -> str:
        """Name it in errors."""
        return f"lookup of {self.table_name!r}"

    def check(self, table: FeatureTable | OtherTable) -> None:
        """Hold it to a table that was only named.

        Raises:
            WrongDefinition: If the table has another key, or lacks a feature.
        """
        self._check_parts(table.primary_key)
        self._check_names("features", self.outputs.values(), _features(table))

    def _check_mappings(self) -> None:
        for name, told in (("rename", self.rename), ("defaults", self.defaults)):
            if told is not None and not isinstance(told, Mapping):
                raise self._wrong(f"{name}={told!r} is no mapping", f'Write {name}={{"orders_1h": ...}}.')
        for name, value in (self.defaults or {}).items():
            if value is not None and not isinstance(value, str | int | float):
                raise self._wrong(f"defaults: {name} is no text, number, truth value or None", "Write one of these.")

    def _check_key(self) -> None:
        if not isinstance(self.lookup_key, Sequence) or not self.lookup_key:
            raise self._wrong("it has no lookup_key", 'Name the input that gives the key: lookup_key="customer".')
        for name in self.inputs:
            check_input(f"{self}: lookup_key", name, self.place)
        if REQUEST_TIME in self.inputs:
            raise self._wrong(f"{REQUEST_TIME} is no key", "Name an input that gives the key.")
        if not isinstance(self.table, str):
            self._check_parts(self.table.primary_key)

    def _check_parts(self, primary_key: Sequence[str]) -> None:
        if len(primary_key) != len(self.inputs):
            parts = ", ".join(primary_key)
            what = f"lookup_key has {len(self.inputs)} parts, the primary key {len(primary_key)}: {parts}"
            raise self._wrong(what, "Name one input for each part, in that order.")

    def _chosen(self) -> tuple[str, ...]:
        known = None if isinstance(self.table, str) else _features(self.table)
        if self.features is None:
            if known is None:
                raise self._wrong("it does not say which features", 'Name them: features=["orders_1h", "spent"].')
            return tuple(known)
        if isinstance(self.features, str) or not self.features:
            raise self._wrong(f"features={self.features!r} is no list of names", 'Write features=["orders_1h"].')
        twice = next((one for one in self.features if list(self.features).count(one) > 1), None)
        if twice is not None:
            raise self._wrong(f"it names {twice!r} twice", "Name each feature once.")
        self._check_names("features", self.features, known)
        return tuple(self.features)

    def _check_names(self, where: str, names: Iterable[str], known: Sequence[str] | None) -> None:
        unknown = next((name for name in names if known is not None and name not in known), None)
        if unknown is not None:
            raise self._wrong(f"{where}: there is no {unknown!r}", f"It has {', '.join(known or ())}.")

    def _wrong(self, what: str, remedy: str) -> WrongDefinition:
        return WrongDefinition(f"{self}: {what}", remedy, self.place)


def _features(table: FeatureTable | OtherTable) -> Sequence[str] | None:
    if isinstance(table, FeatureTable):
        return tuple(one.name for one in table.shape.features)
    return table.feature_names
