"""Which definitions of feature tables stand in the store, compared with those of the user's module."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog
from sqlalchemy import Connection

from infra.database import Store
from infra.errors import InfraError
from infra.fences import Moved
from infra.rows import feature_definition_rows, feature_log_rows
from infra.rows.feature_definition_rows import BUILDING, CLEARING, LIVE, RETIRED, DefinitionRow
from processors.features.definitions.compiling import feature_prints
from processors.features.definitions.tables import Events, FeatureTable
from processors.features.shape import TableShape

log = structlog.get_logger("features")


class Superseded(InfraError):
    """Another worker has newer definitions."""


class Described(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people are told of a definition.

    Args:
        source: Logical topic.
        types: Of events; none is all.
        description: Its own.
        place: Where it is written, ``file:line``.
        features: What tells each feature from one of another version, see ``feature_prints``.
        announced: Whether all its rows were published.
        skipped: Events of the log that its functions failed on while it was filled.
        fault: What the last of them came to.
    """

    source: str
    types: tuple[str, ...] = ()
    description: str = ""
    place: str = ""
    features: dict[str, str] = {}
    announced: bool = False
    skipped: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Active:
    """A definition that stands, and of which the module has the functions.

    Args:
        table: As the module defines it.
        live: Whether it is read.
        open: Whether it takes events; not before rows of an earlier time are cleared away.
    """

    table: FeatureTable
    live: bool
    open: bool = True

    @property
    def version(self) -> str:
        """Of the definition."""
        return self.table.version

    @property
    def shape(self) -> TableShape:
        """Of the table."""
        return self.table.shape


class Definitions:
    """The definitions of one worker's module, as the store has them.

    Args:
        store: The agent's store.
        tables: Of the module.
        now: Unix seconds.
    """

    def __init__(self, store: Store, tables: Sequence[FeatureTable], now: Callable[[], float]) -> None:
        self._store = store
        self._tables = {table.name: table for table in tables}
        self._now = now
        self._rows: tuple[DefinitionRow, ...] | None = None
        self._active: tuple[Active, ...] = ()

    @property
    def tables(self) -> Mapping[str, FeatureTable]:
        """Of the module, by name."""
        return self._tables

    @property
    def rows(self) -> tuple[DefinitionRow, ...]:
        """All that stand, as they were when they were last looked at.

        Raises:
            Superseded: If one of the module does not stand any more.
        """
        if self._rows is None:
            with self._store.read() as connection:
                self._look(connection)
        return self._rows or ()

    @property
    def active(self) -> tuple[Active, ...]:
        """Those of the module.

        Raises:
            Superseded: If one of the module does not stand any more.
        """
        return self._active if self.rows or not self._tables else ()

    def refreshed(self) -> tuple[DefinitionRow, ...]:
        """Look at the rows again.

        Raises:
            Superseded: If one of the module does not stand any more.
        """
        self.forget()
        return self.rows

    def forget(self) -> None:
        """Look again before the next decision."""
        self._rows = None

    def reconcile(self) -> None:
        """Write down which definitions stand from now on: those of the module."""
        for told in self._store.change(self._reconcile):
            log.info("feature table", table=told.name, version=told.version, state=told.state)
        self.forget()

    def hold(self, connection: Connection) -> None:
        """Keep every other writer out, and see that what was decided by still stands.

        Raises:
            Moved: If it does not.
        """
        now = feature_definition_rows.list_definitions(connection, hold=True)
        if [_told(one) for one in now] != [_told(one) for one in self.rows]:
            raise Moved("the definitions of feature tables were changed by another worker")

    def _look(self, connection: Connection) -> None:
        rows = tuple(feature_definition_rows.list_definitions(connection))
        active = []
        for table in self._tables.values():
            row = next((one for one in rows if (one.name, one.version) == (table.name, table.version)), None)
            if row is None or row.state == RETIRED:
                raise _superseded(table.name, table.version)
            active.append(Active(table, row.state == LIVE, row.cursor != CLEARING))
        for row in rows:
            table_here = self._tables.get(row.name)
            other = table_here is None or table_here.version != row.version
            # Events of ours would be missing there; only what is live until ours is filled gets none any more.
            if other and (row.state == BUILDING or (row.state == LIVE and not self._filling(row.name, rows))):
                raise _superseded(row.name, row.version)
        self._rows, self._active = rows, tuple(active)

    def _filling(self, name: str, rows: Sequence[DefinitionRow]) -> bool:
        return name in self._tables and any(one.name == name and one.state == BUILDING for one in rows)

    def _reconcile(self, connection: Connection) -> list[DefinitionRow]:
        rows = feature_definition_rows.list_definitions(connection, hold=True)
        newest = feature_log_rows.newest_number(connection)
        changed: list[DefinitionRow] = []
        for table in self._tables.values():
            others = [one for one in rows if one.name == table.name and one.version != table.version]
            mine = next((one for one in rows if (one.name, one.version) == (table.name, table.version)), None)
            changed += self._of_table(table, mine, [one for one in others if one.state != RETIRED], newest)
        gone = [one for one in rows if one.name not in self._tables and one.state != RETIRED]
        changed += [replace(one, state=RETIRED) for one in gone]
        feature_definition_rows.put_definitions(connection, changed)
        standing = {(one.name, one.version): one.state for one in rows}
        return [one for one in changed if standing.get((one.name, one.version)) != one.state]

    def _of_table(
        self, table: FeatureTable, mine: DefinitionRow | None, others: Sequence[DefinitionRow], newest: int
    ) -> Iterator[DefinitionRow]:
        """Tell what becomes of one table's definitions; ``others`` have another version and are not retired."""
        now = self._now()
        filling = [one for one in others if one.state == BUILDING]
        yield from (replace(one, state=RETIRED) for one in filling)
        if mine is None:
            first = newest == 0 and not others
            told = msgspec.json.encode(_describe(table, None, announced=first))
            row = DefinitionRow(
                table.name, table.version, BUILDING, msgspec.json.encode(table.shape), told, 0, newest, now, None
            )
            yield replace(row, state=LIVE, live_at=now) if first else row
            return
        if mine.state == RETIRED or (mine.state == LIVE and filling):
            # It missed what came meanwhile: it is filled anew, once nothing of it is left.
            anew = msgspec.json.encode(_describe(table, None))
            yield replace(mine, state=BUILDING, cursor=CLEARING, goal=newest, described=anew, began_at=now)
        elif _describe(table, mine) != described(mine):
            yield replace(mine, described=msgspec.json.encode(_describe(table, mine)))


def _superseded(name: str, version: str) -> Superseded:
    what = f"feature table {name} {version}: another worker of featurize has other definitions than this one"
    return Superseded(what, "Run all workers of featurize with one version of features.module.")


def described(row: DefinitionRow) -> Described:
    """Read what people are told of a definition."""
    return msgspec.json.decode(row.described, type=Described)


def shape_of(row: DefinitionRow) -> TableShape:
    """Read the shape a definition was kept by."""
    return msgspec.json.decode(row.shape, type=TableShape)


def _describe(table: FeatureTable, row: DefinitionRow | None, *, announced: bool = False) -> Described:
    before = described(row) if row is not None else Described(table.source.topic, announced=announced)
    types = table.source.types if isinstance(table.source, Events) else ()
    return msgspec.structs.replace(
        before,
        source=table.source.topic,
        types=types,
        description=table.description,
        place=str(table.place),
        features=feature_prints(table),
    )


def _told(row: DefinitionRow) -> tuple[str, str, str, bool]:
    """What decisions depend on."""
    return row.name, row.version, row.state, row.cursor == CLEARING
