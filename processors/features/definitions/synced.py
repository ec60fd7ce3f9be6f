"""Tables elsewhere, with a primary key, that are kept in sync and read like feature tables."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.tables import check_name

Kind = Literal["postgresql", "sqlite", "parquet"]

SHORTEST_S, LONGEST_S = 1.0, 7 * 86_400.0

_CREDENTIALS: Final = re.compile(r"//.*@")  # a password may hold any character
_PARAMETERS: Final = re.compile(r"\?.*")
_REMEDY: Final = 'Write "postgresql://...", "sqlite:///path", "path.parquet", or Env("SHOP_DB").'


@dataclass(frozen=True, slots=True)
class Env:
    """A source whose address stands in an environment variable, so that no password stands in code.

    Args:
        variable: Its name.
    """

    variable: str

    def __post_init__(self) -> None:
        """Refuse what is no variable's name."""
        if not isinstance(self.variable, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.variable):
            raise WrongDefinition(f"Env: {masked(str(self.variable))!r} is no variable's name", 'Write Env("SHOP_DB").')


@dataclass(frozen=True)
class SyncedTable:
    """A copy of a SQL table or a Parquet file, brought up to date again and again.

    Args:
        name: Lower-case letters, digits and underscores.
        primary_key: Names of its columns; no two rows may be alike in them.
        source: ``postgresql://...``, ``sqlite:///path``, ``path.parquet``, or ``Env("VARIABLE")`` that says it.
        table: Of a database: the table's or view's name, ``schema.name`` where it needs one.
        columns: What is copied beside the key; none is all.
        incremental_by: Column that grows with every change of a row, such as ``updated_at``: then only rows whose
            value is at least the largest seen are read. Rows that are deleted there are noticed by full copying only.
        full_every: Every so manyth copying reads everything, all the same; only with ``incremental_by``.
        every_s: Seconds between two copyings.
        description: For people.

    Raises:
        WrongDefinition: If it cannot work; tells where it was written and what to do.

    Example:
        >>> hotels = SyncedTable("hotels", "hotel", "postgresql://me:hunter2@db.example/shop", table="hotels",
        ...                      columns=["city", "stars"], incremental_by="updated_at")
        >>> hotels.feature_names, hotels.shown
        (('city', 'stars'), 'postgresql://***@db.example/shop')
        >>> "hunter2" in repr(hotels)
        False
    """

    name: str
    primary_key: str | Sequence[str]
    source: str | Env = field(repr=False)
    table: str | None = None
    columns: Sequence[str] | None = None
    incremental_by: str | None = None
    full_every: int = 60
    every_s: float = 60.0
    description: str = ""
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        check_name("synced table", self.name, self.place)
        keys = (self.primary_key,) if isinstance(self.primary_key, str) else self.primary_key
        object.__setattr__(self, "primary_key", self._names("primary_key", keys))
        if self.columns is not None:
            object.__setattr__(self, "columns", self._names("columns", self.columns))
        self._check_columns()
        if isinstance(self.source, str):
            self.kind(self.source)
        elif not isinstance(self.source, Env):
            raise self.wrong("source is no address", _REMEDY)
        self._check_times()

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """What can be read of it; None where only the source knows."""
        return None if self.columns is None else tuple(self.columns)

    @property
    def shown(self) -> str:
        """Its source, without credentials."""
        return f"${self.source.variable}" if isinstance(self.source, Env) else masked(self.source)

    @property
    def version(self) -> str:
        """Hash of all that decides its values but credentials: 12 hexadecimal digits."""
        told = (self.name, self.primary_key, self.shown, self.table, self.columns, self.incremental_by)
        return sha256(repr(told).encode()).hexdigest()[:12]

    def kind(self, address: str) -> Kind:
        """Tell what an address names, and hold the definition to it.

        Args:
            address: As in ``source``, or as the environment variable says.

        Raises:
            WrongDefinition: If it is none of what can be copied, or needs a table, or has none.
        """
        kind = _kind(address)
        if kind is None:
            raise self.wrong(f"source {masked(address)!r} is no database or Parquet file", _REMEDY)
        if kind == "parquet" and self.table is not None:
            raise self.wrong("a Parquet file has no tables", "Leave table out.")
        if kind != "parquet" and self.table is None:
            raise self.wrong("it does not say which table", 'Name it: table="hotels".')
        return kind

    def address(self, environment: Mapping[str, str]) -> str:
        """Return where it is copied from, credentials and all: for the client that needs it.

        Args:
            environment: Variables by name.

        Raises:
            WrongDefinition: If the variable is not set, or names nothing that can be copied.
        """
        if isinstance(self.source, str):
            return self.source
        address = environment.get(self.source.variable, "")
        if not address:
            raise self.wrong(f"the environment has no {self.source.variable}", f"Set {self.source.variable}.")
        self.kind(address)
        return address

    def wrong(self, what: str, remedy: str) -> WrongDefinition:
        """Say what is wrong with it."""
        return WrongDefinition(f"synced table {self.name!r}: {what}", remedy, self.place)

    def _names(self, what: str, names: Sequence[str]) -> tuple[str, ...]:
        if isinstance(names, str) or not names or not all(isinstance(one, str) and one for one in names):
            raise self.wrong(f"{what} names no columns", f'Write {what}=["hotel"].')
        twice = next((one for one in names if list(names).count(one) > 1), None)
        if twice is not None:
            raise self.wrong(f"{what} names {twice!r} twice", "Name each column once.")
        return tuple(names)

    def _check_columns(self) -> None:
        both = next((one for one in self.columns or () if one in self.primary_key), None)
        if both is not None:
            raise self.wrong(f"columns names {both!r}, which is of the key", "Leave it out: the key is copied anyway.")
        for what, one in (("table", self.table), ("incremental_by", self.incremental_by)):
            if one is not None and (not isinstance(one, str) or not one):
                raise self.wrong(f"{what}={one!r} is no name", f"Name it, or leave {what} out.")
        if self.table is not None and re.search(r"[\s;()]", self.table):
            raise self.wrong(f"table={self.table!r} is no table's name", "Make a view of the query, and name that.")

    def _check_times(self) -> None:
        every_s, full_every = self.every_s, self.full_every
        if isinstance(every_s, bool) or not isinstance(every_s, int | float) or not SHORTEST_S <= every_s <= LONGEST_S:
            raise self.wrong(f"every_s={every_s!r} is not between 1 and 604,800", "Write every_s=60.")
        if isinstance(full_every, bool) or not isinstance(full_every, int) or full_every < 1:
            raise self.wrong(f"full_every={full_every!r} is no number of copyings", "Write full_every=60.")


def masked(address: str) -> str:
    """Show an address without credentials.

    Example:
        >>> masked("postgresql://me:hunter2@db.example/shop?password=x"), masked("hotels.parquet")
        ('postgresql://***@db.example/shop?***', 'hotels.parquet')
    """
    if "://" not in address:
        return address
    return _PARAMETERS.sub("?***", _CREDENTIALS.sub("//***@", address))


def _kind(address: str) -> Kind | None:
    if re.match(r"(postgresql|postgres|postgresql\+psycopg)://.", address):
        return "postgresql"
    if re.match(r"sqlite:///.", address):
        return "sqlite"
    return "parquet" if "://" not in address and address.endswith(".parquet") else None
