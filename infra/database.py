"""An agent's own store: one SQLite file, one writer thread, one transaction at a time."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.pool import QueuePool

BUSY_TIMEOUT_S = 60
"""How long a write waits for another process's transaction: longer than the supervisor needs to kill a stopped one."""

Result = TypeVar("Result")


def open_engine(path: Path, tables: Sequence[sa.MetaData]) -> Engine:
    """Open or create a store.

    Commits are durable against power loss (``synchronous=FULL``).

    Args:
        path: The SQLite file; its folder is made.
        tables: What the store must hold; missing tables are created.

    Raises:
        sqlalchemy.exc.OperationalError: If the file cannot be opened or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=4,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None},
    )
    sa.event.listen(engine, "connect", _configure)
    sa.event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        for metadata in tables:
            metadata.create_all(connection)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another process wrote in between.
    deferred = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")


class Waits:
    """How long a worker has waited for others (locks, broker): not counted against its batch.

    Told by the store's thread, the publisher's and the event loop alike.

    Args:
        now: Unix seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._depth = 0
        self._since = 0.0
        self.total_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether somebody waits now."""
        return self._depth > 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Count the time inside as waiting."""
        with self._lock:
            if self._depth == 0:
                self._since = self._now()
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self.total_s += self._now() - self._since


class Store:
    """One agent's engine and the single thread that decides and writes.

    Args:
        engine: From ``open_engine``.
        waits: Told while a transaction waits for its lock.
    """

    def __init__(self, engine: Engine, waits: Waits) -> None:
        self.engine = engine
        self._waits = waits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call ``function`` in the store's thread: what runs there never overlaps."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction: commits at the end, rolls back on any exception."""
        with self.engine.connect() as connection:
            with self._waits():
                transaction = connection.begin()
            with transaction:
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state and writes nothing."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(reads_only=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Wait for the thread and close the connections."""
        self._thread.shutdown(wait=True)
        self.engine.dispose()
