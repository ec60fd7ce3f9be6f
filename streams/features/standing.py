"""Which feature tables stand in featurize's store, and how far new versions of them are."""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from processors.features.cells.cell import Value
from processors.features.shape import TableShape
from schemas.feature_tables import feature_copies, feature_copyings, feature_definitions, feature_members, feature_rows


@dataclass(frozen=True, slots=True)
class Filling:
    """A new version that is being built beside the one that is read.

    Args:
        version: Its version.
        cursor: Number of the last event of the log it holds; below 0 before it begins.
        goal: Number of the last event that was there when it began.
        began_at: Unix seconds.
    """

    version: str
    cursor: int
    goal: int
    began_at: float

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(max(self.cursor, 0) / self.goal, 1.0) if self.goal > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A table that is kept from the stream.

    Args:
        name: Of the table.
        version: Of the definition that is read; before there is one, of the one being built.
        shape: Of that definition.
        live: Whether it can be read.
        live_at: Since when, unix seconds.
        filling: A newer version that is being built.
        keep_us: Age at which the log forgets events, microseconds.
    """

    name: str
    version: str
    shape: TableShape
    live: bool
    live_at: float | None
    filling: Filling | None
    keep_us: int


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that is kept in sync with a table or file elsewhere.

    Args:
        name: Of the table.
        version: Of the definition it was copied by; empty before the first copying is done.
        copied_at: When it was copied last, unix seconds; 0 for never.
        keys: How many rows it has.
        error: Why the last try failed, or which rows were left out.
    """

    name: str
    version: str
    copied_at: float
    keys: int
    error: str | None

    @property
    def live(self) -> bool:
        """Whether it can be read."""
        return bool(self.version)


Table = Kept | Copied

Shapes = MutableMapping[str, TableShape]
"""Shapes by versions, kept between reads: a version never changes."""


def read_kept(connection: Connection, shapes: Shapes) -> dict[str, Kept]:
    """Tell which tables are kept from the stream, by name.

    Args:
        connection: To featurize's store.
        shapes: Those already known; new ones are added.
    """
    rows = connection.execute(_DEFINITIONS).all()
    _learn(connection, shapes, [row.version for row in rows if row.version not in shapes])
    keep_us = max((shapes[row.version].keep_us for row in rows), default=0)
    return dict(_kept(rows, shapes, keep_us))


def read_copied(connection: Connection) -> dict[str, Copied]:
    """Tell which tables are kept in sync with others, by name."""
    return {row.name: Copied(*row) for row in connection.execute(_COPYINGS)}


def load_states(connection: Connection, version: str, keys: Sequence[str]) -> dict[str, Any]:
    """Load what reading needs of rows, by their keys: ``revision``, ``state``, ``newest_us`` and ``sources``."""
    return {row.key: row for row in connection.execute(_STATES, {"version": version, "keys": list(keys)})}


def newest_member(connection: Connection, version: str, key: str, at_us: int) -> int | None:
    """Tell when the newest event of a row happened that had at a moment, microseconds since 1970; None for none."""
    mine = sa.and_(feature_members.c.version == version, feature_members.c.key == key)
    query = sa.select(sa.func.max(feature_members.c.happened_us)).where(mine, feature_members.c.happened_us <= at_us)
    found: int | None = connection.scalar(query)
    return found


def load_copies(connection: Connection, name: str, keys: Sequence[str]) -> dict[str, tuple[dict[str, Value], int]]:
    """Load rows of a table kept in sync: values, and of when they are, microseconds since 1970."""
    found = connection.execute(_COPIES, {"name": name, "keys": list(keys)})
    return {row.key: (msgspec.json.decode(row.record), row.as_of_us) for row in found}


def copied_features(connection: Connection, name: str) -> list[str]:
    """Name the features of a table kept in sync, as its first row has them; none of an empty one."""
    record = connection.scalar(_ANY_COPY, {"name": name})
    return [] if record is None else list(msgspec.json.decode(record))


def _kept(rows: Sequence[Any], shapes: Shapes, keep_us: int) -> Iterator[tuple[str, Kept]]:
    for name in dict.fromkeys(row.name for row in rows):
        here = {row.state: row for row in rows if row.name == name}
        live, new = here.get("live"), here.get("building")
        read = live or new
        if read is not None:
            filling = None if new is None else Filling(new.version, new.cursor, new.goal, new.began_at)
            live_at = None if live is None else live.live_at
            yield name, Kept(name, read.version, shapes[read.version], live is not None, live_at, filling, keep_us)


def _learn(connection: Connection, shapes: Shapes, unknown: Sequence[str]) -> None:
    if unknown:
        query = sa.select(feature_definitions.c.version, feature_definitions.c.shape)
        for row in connection.execute(query.where(feature_definitions.c.version.in_(unknown))):
            shapes[row.version] = msgspec.json.decode(row.shape, type=TableShape)


_columns = feature_definitions.c
_DEFINITIONS = (
    sa.select(
        _columns.name,
        _columns.version,
        _columns.state,
        _columns.cursor,
        _columns.goal,
        _columns.began_at,
        _columns.live_at,
    )
    .where(_columns.state != "retired")
    .order_by(_columns.name)
)
_rows = feature_rows.c
_STATES = sa.select(_rows.key, _rows.revision, _rows.state, _rows.newest_us, _rows.sources).where(
    _rows.version == sa.bindparam("version"), _rows.key.in_(sa.bindparam("keys", expanding=True))
)
_copyings = feature_copyings.c
_COPYINGS = sa.select(
    _copyings.name, _copyings.version, _copyings.copied_at, _copyings.row_count, _copyings.error
).order_by(_copyings.name)
_copies = feature_copies.c
_COPIES = sa.select(_copies.key, _copies.record, _copies.as_of_us).where(
    _copies.name == sa.bindparam("name"), _copies.key.in_(sa.bindparam("keys", expanding=True))
)
_ANY_COPY = sa.select(_copies.record).where(_copies.name == sa.bindparam("name")).limit(1)
