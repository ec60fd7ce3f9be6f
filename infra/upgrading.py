"""Bring a store to the newest version of our tables, in one transaction, whoever else tries at the same time."""

import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from infra.engines import reading
from infra.places import StorePlace
from infra.store_errors import StoreUnusable
from infra.store_versions import NEWEST, UNSTAMPED, check_known, read_version

log = structlog.get_logger("database")
logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of itself, and we tell of the store

SCRIPTS = Path(__file__).with_name("migrations")
LOCK = 7_238_412
"""First half of the advisory lock's key; the second is the schema."""

PATIENCE = {"lock_timeout": "60s", "statement_timeout": "0"}
"""An upgrade may take longer than a batch, and whoever comes second waits for it."""


def upgrade(engine: Engine, place: StorePlace, groups: Collection[str]) -> None:
    """Make or upgrade the tables, if they are not the newest.

    Args:
        engine: A worker's.
        place: Whose store.
        groups: Names in ``schemas.tables.GROUPS`` that this store holds.

    Raises:
        StoreUnusable: If a newer Millrace has written it, or the database cannot hold our texts.
    """
    with engine.connect() as connection, reading(connection).begin():
        _check_encoding(connection, place)
        version = read_version(connection)
    check_known(place, version)
    if version == NEWEST:
        return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            _prepare_schema(connection, place)
        version = read_version(connection)  # another worker may have been first
        check_known(place, version)
        migrate(connection, version, groups)
    log.info("tables are of the newest version", agent=place.agent, version=NEWEST, before=version)


def migrate(connection: Connection, version: str | None, groups: Collection[str], target: str = NEWEST) -> None:
    """Run what lies between two versions inside the caller's transaction.

    Args:
        connection: In a write transaction.
        version: What the store is now; None for an empty one.
        groups: Names in ``schemas.tables.GROUPS``.
        target: The version to reach.
    """
    scripts = ScriptDirectory(SCRIPTS)

    def steps(current: tuple[str, ...], _context: MigrationContext) -> Iterable[Any]:
        revisions = scripts.iterate_revisions(target, current, implicit_base=True)
        return [MigrationStep.upgrade_from_script(scripts.revision_map, one) for one in reversed(list(revisions))]

    context = MigrationContext.configure(connection, opts={"fn": steps})
    if version == UNSTAMPED:  # of before versions were told
        context.stamp(scripts, UNSTAMPED)
    with Operations.context(context):
        context.run_migrations(groups=frozenset(groups))


def _check_encoding(connection: Connection, place: StorePlace) -> None:
    if connection.dialect.name == "postgresql":
        encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding != "UTF8":
            told = f"the database keeps texts as {encoding}, which cannot hold every review"
            raise StoreUnusable(place, told, "Name one that was created with ENCODING 'UTF8'.")


def _prepare_schema(connection: Connection, place: StorePlace) -> None:
    for name, value in PATIENCE.items():
        connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")
    connection.execute(
        sa.text("SELECT pg_advisory_xact_lock(:lock, hashtext(:schema))"), {"lock": LOCK, "schema": place.schema}
    )
    there = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
    if connection.execute(there, {"schema": place.schema}).first() is None:  # creating needs a right, even if it exists
        connection.execute(sa.schema.CreateSchema(place.schema))
