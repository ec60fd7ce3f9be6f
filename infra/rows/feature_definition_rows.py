"""Rows of featurize's store: which definitions of feature tables stand, and how far the newest have been filled.

A table has at most one definition that is live: the one that is read. One of another version is building beside it,
filled from the log up to ``goal``; then it becomes live and the other one retired, in one transaction.
Whoever writes to the log, to members or to rows holds these rows first: so nobody writes by definitions of before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from schemas.feature_tables import feature_definitions

BUILDING, LIVE, RETIRED = "building", "live", "retired"

CLEARING = -1
"""As a cursor: rows of an earlier time under this version must go before it is filled."""


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """One definition of a feature table.

    Args:
        name: Of the table.
        version: Of the definition, 12 hexadecimal digits; rows and members are found by it.
        state: ``building``, ``live`` or ``retired``.
        shape: JSON of ``processors.features.shape.TableShape``.
        described: JSON for people: ``streams.featurizing.definitions.Described``.
        cursor: Number of the last event of the log that was added; ``CLEARING`` before that begins.
        goal: Number of the last event that was there when it began.
        began_at: Unix seconds.
        live_at: Unix seconds; none while it never was.
    """

    name: str
    version: str
    state: str
    shape: bytes
    described: bytes
    cursor: int
    goal: int
    began_at: float
    live_at: float | None


def list_definitions(connection: Connection, *, hold: bool = False) -> list[DefinitionRow]:
    """List all definitions by name and version.

    Args:
        connection: A transaction; of writing, if they are held.
        hold: Keep every other writer of this store out until the transaction ends.
    """
    query = sa.select(feature_definitions).order_by(feature_definitions.c.name, feature_definitions.c.version)
    return [DefinitionRow(**row._mapping) for row in connection.execute(query.with_for_update() if hold else query)]


def live_definitions(connection: Connection) -> list[DefinitionRow]:
    """List what can be read: one definition a table."""
    return [one for one in list_definitions(connection) if one.state == LIVE]


def put_definitions(connection: Connection, rows: Sequence[DefinitionRow]) -> None:
    """Write definitions as they are told, over what stands. The caller holds the definitions."""
    if rows:
        connection.execute(_PUT, [{name: getattr(one, name) for name in _COLUMNS} for one in rows])


def advance(connection: Connection, row: DefinitionRow, cursor: int) -> None:
    """Note how far a definition is filled.

    Raises:
        Moved: If another worker has moved it.
    """
    here = _here(row)
    told = connection.execute(
        feature_definitions.update().where(*here, feature_definitions.c.cursor == row.cursor).values(cursor=cursor)
    )
    if told.rowcount != 1:
        raise Moved(f"feature table {row.name} {row.version} is filled by another worker")


def remove_definition(connection: Connection, row: DefinitionRow) -> None:
    """Remove a definition of which no row and no member is left."""
    connection.execute(feature_definitions.delete().where(*_here(row)))


def _here(row: DefinitionRow) -> tuple[sa.ColumnElement[bool], ...]:
    return feature_definitions.c.name == row.name, feature_definitions.c.version == row.version


_COLUMNS = tuple(column.name for column in feature_definitions.columns)
_PUT = sa.text(
    f"INSERT INTO feature_definitions ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{one}' for one in _COLUMNS)}) "  # noqa: S608 - names of our own columns
    "ON CONFLICT (name, version) DO UPDATE SET "
    + ", ".join(f"{one} = excluded.{one}" for one in _COLUMNS if one not in ("name", "version"))
)
