"""Feature tables, as users define them in a module of their own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from processors.features.definitions.aggregations import Aggregation, Use, Where
from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.windows import ALL
from processors.features.shape import TableShape

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Events:
    """Records of the ``events`` topic.

    A row has ``event_id``, ``type`` and ``occurred_at``, the entities and the values, all by their names.

    Args:
        types: Of these types only; none is all.
    """

    types: tuple[str, ...]
    topic = "events"

    def __init__(self, *types: str) -> None:
        object.__setattr__(self, "types", types)
        if not all(isinstance(one, str) and one for one in types):
            raise WrongDefinition(f"Events{types!r}: types are names", 'Write Events("order.placed", "order.scanned").')


@dataclass(frozen=True)
class Reviews:
    """Records of the ``reviews`` topic: a row has the fields of a review, and ``occurred_at``."""

    topic = "reviews"


Source = Events | Reviews


@dataclass(frozen=True)
class FeatureTable:
    """Features of each key, kept up to date event by event.

    Args:
        name: Lower-case letters, digits and underscores.
        primary_key: Names of the entity, or of several; of reviews, fields.
        source: ``Events(...)`` or ``Reviews()``.
        aggregations: By the names of the features. With windows, a feature is called NAME_WINDOW: ``spent_1h``;
            of all time just NAME.
        windows: Of all aggregations that have none of their own.
        where: Which records; a function of the row.
        keep_days: How many days an event can come late, or be corrected; 1 to 400. At least its longest window.
        description: For people.

    Raises:
        WrongDefinition: If it cannot work; tells where it was written and what to do.

    Example:
        >>> from processors.features import Count, Events, FeatureTable, Sum
        >>> orders = FeatureTable(
        ...     "customer_orders",
        ...     primary_key="customer",
        ...     source=Events("order.placed"),
        ...     aggregations={"orders": Count(), "spent": Sum("price")},
        ...     windows=("1h", "all"),
        ... )
        >>> [one.name for one in orders.shape.features]
        ['orders_1h', 'orders', 'spent_1h', 'spent']
    """

    name: str
    primary_key: str | Sequence[str]
    source: Source
    aggregations: Mapping[str, Aggregation]
    windows: Sequence[str] = (ALL,)
    where: Where | None = None
    keep_days: int | None = None
    description: str = ""
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work, and work its shape out."""
        from processors.features.definitions.compiling import compile_table  # here: it takes tables

        if isinstance(self.primary_key, str):
            object.__setattr__(self, "primary_key", (self.primary_key,))
        self._check()
        object.__setattr__(self, "_compiled", compile_table(self))

    @property
    def shape(self) -> TableShape:
        """The table without its functions."""
        return self._compiled.shape  # type: ignore[attr-defined,no-any-return]  # set above

    @property
    def uses(self) -> tuple[Use, ...]:
        """What goes into each cell of the shape."""
        return self._compiled.uses  # type: ignore[attr-defined,no-any-return]  # set above

    @property
    def version(self) -> str:
        """Hash of all that decides its values: 12 hexadecimal digits. Names of functions and comments do not."""
        return self._compiled.version  # type: ignore[attr-defined,no-any-return]  # set above

    def wrong(self, what: str, remedy: str) -> WrongDefinition:
        """Say what is wrong with it."""
        return WrongDefinition(f"feature table {self.name!r}: {what}", remedy, self.place)

    def _check(self) -> None:
        check_name("feature table", self.name, self.place)
        if not self.primary_key or not all(isinstance(one, str) and one for one in self.primary_key):
            raise self.wrong("it has no primary key", 'Name an entity: primary_key="customer".')
        if not isinstance(self.source, Events | Reviews):
            raise self.wrong(f"source={self.source!r} is no source", 'Use Events("order.placed") or Reviews().')
        if not isinstance(self.aggregations, Mapping) or not self.aggregations:
            raise self.wrong("it has no aggregations", 'Write aggregations={"orders": Count()}.')
        for name, one in self.aggregations.items():
            check_name(f"feature of {self.name!r}", name, self.place)
            if not isinstance(one, Aggregation):
                raise self.wrong(
                    f"feature {name!r} is no aggregation", "Use Count(), Sum(...), Last(...) and the like."
                )
        if self.where is not None and not callable(self.where):
            raise self.wrong("where is no function", 'Write where=lambda row: row["country"] == "DE".')
        if self.keep_days is not None and not (isinstance(self.keep_days, int) and 1 <= self.keep_days <= 400):
            raise self.wrong(f"keep_days={self.keep_days!r} is not between 1 and 400", "Write keep_days=30.")


def check_name(what: str, name: str, place: Place) -> None:
    """Hold a name to what columns and addresses take.

    Raises:
        WrongDefinition: If it is something else.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        remedy = "Use lower-case letters, digits and underscores, a letter first, at most 63 of them."
        raise WrongDefinition(f"{what}: {name!r} is no name", remedy, place)
