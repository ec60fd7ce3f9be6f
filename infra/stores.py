"""Open an agent's own store from outside its worker, to look or to nudge."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa

from infra.engines import BUSY_TIMEOUT_S, Mode, outside_engine, reading
from infra.fences import Moved
from infra.places import StorePlace
from infra.store_errors import StoreMissing, StoreUnwritable, translated
from infra.store_versions import check_known, check_readable, read_version

TRIES = 5
"""Times a change is tried that workers get in the way of."""

Result = TypeVar("Result")


class AgentStore:
    """One agent's store, seen from outside its worker; every ``with`` block is one transaction.

    Args:
        place: Where it is.
        mode: ``ro`` reads one snapshot a block and can never hold up the worker; ``rw`` takes SQLite's write
            lock at once, so a block must be short.
        busy_timeout_s: Seconds to wait for that lock.

    Raises:
        StoreMissing: If the file is not there. It is never created.
        StoreUnusable: If the database's driver is missing.
    """

    def __init__(self, place: StorePlace, mode: Mode = "ro", busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.place = place
        if place.url is None and not place.path.exists():
            what = f"{place.agent} has never run here: its store is missing"
            raise StoreMissing(place, what, "Start it with `millrace up`, or set MILLRACE_HOME to where it runs.")
        self._mode = mode
        self._engine = outside_engine(place, mode, busy_timeout_s)

    @contextmanager
    def transaction(self, *, retried: bool = False) -> Iterator[sa.Connection]:
        """Begin, and commit at the end of the block; any exception rolls back.

        Args:
            retried: Whether the caller tries again when workers were first.

        Raises:
            Moved: If workers were first, and ``retried``.
            StoreMissing: If the agent has never run.
            StoreUnusable: If its tables are older or newer than ours.
            StoreError: If the database fails, or the lock stays taken.
        """
        with self._open(retried=retried) as connection:
            check_readable(self.place, read_version(connection))
            yield connection

    def change(self, function: Callable[[sa.Connection], Result]) -> Result:
        """Write; done again when workers were first.

        Args:
            function: Called in a transaction, perhaps several times.

        Raises:
            StoreError: As ``transaction``.
        """
        for _ in range(TRIES - 1):
            try:
                with self.transaction(retried=True) as connection:
                    return function(connection)
            except Moved:
                continue
        with self.transaction() as connection:
            return function(connection)

    def check(self) -> None:
        """See whether a worker could start on it.

        Raises:
            StoreError: If not.
        """
        with self._open() as connection:
            check_known(self.place, read_version(connection))
            if (
                connection.dialect.name == "postgresql"
                and connection.scalar(sa.text("SHOW transaction_read_only")) == "on"
            ):
                remedy = "Name the primary server, or let the role write."
                raise StoreUnwritable(self.place, "the database can only be read", remedy)

    @contextmanager
    def _open(self, *, retried: bool = False) -> Iterator[sa.Connection]:
        with translated(self.place, retried=retried), self._engine.connect() as connection:
            if self._mode == "ro":
                connection = reading(connection)
            with connection.begin():
                yield connection


def check_store(place: StorePlace) -> None:
    """See whether a worker could start on a store; one that is not there yet will be made.

    Raises:
        StoreError: If not.
    """
    if place.url is not None or place.path.exists():
        AgentStore(place, "rw").check()


def remove_schema(place: StorePlace) -> bool:
    """Drop an agent's schema in a Postgres with everything in it; False if there is none.

    Raises:
        StoreError: If the database fails.
    """
    engine = outside_engine(place, "rw", BUSY_TIMEOUT_S)
    with translated(place), engine.begin() as connection:
        there = sa.inspect(connection).has_schema(place.schema)
        if there:
            connection.execute(sa.schema.DropSchema(place.schema, cascade=True))
        return there
