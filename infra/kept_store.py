"""An agent's store read from outside again and again: connections stay open between reads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from infra.engines import BUSY_TIMEOUT_S, outside_engine, reading
from infra.places import StorePlace
from infra.store_errors import StoreMissing, translated
from infra.store_versions import check_readable, read_stamp, read_version

KEPT = 16
"""Connections at most, each one reader's at a time."""

CHECKED_S = 1.0
"""Between two looks whether a newer worker has changed the tables."""


class KeptStore:
    """One agent's store for many short reads; any number of threads may use it.

    It may be made before the agent ever ran, and sees when the store was removed and made anew.

    Args:
        place: Where it is.
    """

    def __init__(self, place: StorePlace) -> None:
        self.place = place
        self._lock = Lock()
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None
        self._version: str | None = None
        self._checked_at = 0.0  # monotonic

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Begin to read one state, until the end of the block.

        Raises:
            StoreMissing: If the agent has never run.
            StoreUnusable: If its tables are older or newer than ours, or the driver is missing.
            StoreError: If the database fails.
        """
        engine = self._current()
        with translated(self.place), engine.connect() as connection:
            connection = reading(connection)
            with connection.begin():
                self._check(connection)
                yield connection

    def close(self) -> None:
        """Close the connections; a later read opens others."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = self._file = self._version = None

    def _current(self) -> Engine:
        """Return connections to the store that is there now: a removed file would be read for ever."""
        file = self._identity()
        with self._lock:
            if self._engine is not None and file != self._file:
                self._engine.dispose()
                self._engine = None
            if self._engine is None:
                self._engine = outside_engine(self.place, "ro", BUSY_TIMEOUT_S, kept=KEPT)
                self._file, self._version = file, None
            return self._engine

    def _identity(self) -> tuple[int, int] | None:
        if self.place.url is not None:
            return None
        try:
            told = self.place.path.stat()
        except FileNotFoundError:
            what = f"{self.place.agent} has never run here: its store is missing"
            remedy = "Start it with `millrace up`, or set MILLRACE_HOME to where it runs."
            raise StoreMissing(self.place, what, remedy) from None
        return told.st_dev, told.st_ino

    def _check(self, connection: sa.Connection) -> None:
        """Refuse tables that are not today's: looked at thoroughly once, then now and then by their stamp."""
        now = time.monotonic()
        if self._version is None or now - self._checked_at >= CHECKED_S:
            version = read_version(connection) if self._version is None else read_stamp(connection)
            check_readable(self.place, version)
            self._version, self._checked_at = version, now
