"""Open an agent's own SQLite store from outside its worker, to look or to nudge.

Errors:
    InfraError
    └── StoreError
        ├── StoreMissing     the agent never ran here
        └── StoreUnreadable  the file is no store of ours, or stays locked
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import sqlalchemy as sa

from infra.errors import InfraError

BUSY_TIMEOUT_S = 60.0
"""A worker's longest write is far below this; past it the worker is stuck and will be killed."""

Mode = Literal["ro", "rw"]


class StoreError(InfraError):
    """A store cannot be used.

    Args:
        path: Its file.
        what: What happened, without the path.
        remedy: What to do.
    """

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(f"{what} ({path})", remedy)
        self.path = path


class StoreMissing(StoreError):
    """The agent has never run under this home."""


class StoreUnreadable(StoreError):
    """The file is no SQLite database, lacks our tables, or stays locked."""


class StoreFile:
    """One agent's store, seen from outside its worker; every ``with`` block is one transaction.

    Args:
        home: ``MILLRACE_HOME``.
        agent: Whose state it holds.
        mode: ``ro`` reads one snapshot a block and can never hold up the worker; ``rw`` takes the
            write lock at once, so a block must be short.
        busy_timeout_s: Seconds to wait for the write lock.

    Raises:
        StoreMissing: If the file is not there. It is never created.
    """

    def __init__(self, home: Path, agent: str, mode: Mode = "ro", busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.agent = agent
        self.path = store_path(home, agent)
        if not self.path.exists():
            what = f"{agent} has never run here: its store is missing"
            raise StoreMissing(self.path, what, "Start it with `millrace up`, or set MILLRACE_HOME to where it runs.")
        self._begin = "BEGIN" if mode == "ro" else "BEGIN IMMEDIATE"
        address = f"file:{quote(str(self.path.resolve()))}?mode={mode}"

        def connect() -> sqlite3.Connection:
            # Without isolation_level the driver begins nothing by itself, and reads would see no one snapshot.
            return sqlite3.connect(
                address, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
            )

        self._engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Begin, and commit at the end of the block; any exception rolls back.

        Raises:
            StoreMissing: If its tables are not there yet.
            StoreUnreadable: If SQLite cannot use the file, or the lock stays taken.
        """
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(self._begin)
                yield connection
                connection.commit()
        except sa.exc.DatabaseError as error:
            if "no such table" in str(error.orig):  # its worker is about to make them
                told = f"{self.agent} has only just started here: its store is still empty"
                raise StoreMissing(self.path, told, "Try again in a moment, or see `millrace status`.") from error
            what = f"the store of {self.agent}: {error.orig}"
            raise StoreUnreadable(self.path, what, "See `millrace status` and the workers' log.") from error


def store_path(home: Path, agent: str) -> Path:
    """Name the file of one agent.

    Example:
        >>> store_path(Path(".millrace"), "digest").as_posix()
        '.millrace/state/digest.db'
    """
    return home / "state" / f"{agent}.db"
