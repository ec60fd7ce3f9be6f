"""An agent's own store as its worker has it: one writer thread, one transaction at a time, on either database."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from infra.engines import reading, reads_only, worker_engine
from infra.fences import Moved
from infra.places import StorePlace
from infra.store_errors import translated
from infra.upgrading import upgrade
from schemas.tables import STORES

ATTEMPTS = 20
"""Decisions made again because another worker was first, before something must be wrong."""

Result = TypeVar("Result")


class Waits:
    """How long a worker has waited for others (locks, broker, database server): not counted against its batch.

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
        engine: A worker's, on tables of today; see ``open_store``.
        waits: Told while a transaction waits for a lock.
        place: Told in errors.
    """

    def __init__(self, engine: Engine, waits: Waits, place: StorePlace) -> None:
        self._engine = engine
        self._waits = waits
        self._place = place
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        if engine.dialect.name == "postgresql":
            _count_waits(engine, waits)

    async def run(self, function: Callable[[], Result]) -> Result:
        """Call ``function`` in the store's thread: what runs there never overlaps."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction: commits at the end, rolls back on any exception.

        On SQLite it holds the only write lock from its beginning. On Postgres it locks row by row, so whoever
        reads a row to write it must hold it, and all must take rows in the order of their keys.

        Raises:
            Moved: If others were first or held a row for too long; nothing is written, decide again.
            StoreError: If the database fails.
        """
        with translated(self._place, retried=True), ExitStack() as stack:
            with self._waits():
                connection = stack.enter_context(self._engine.connect())
                transaction = connection.begin()
            with transaction:
                yield connection

    def change(self, function: Callable[[Connection], Result]) -> Result:
        """Write what does not depend on anything read before; done again when others were first.

        Args:
            function: Called in a write transaction, perhaps several times.

        Raises:
            Moved: If others were first ``ATTEMPTS`` times.
            StoreError: If the database fails.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                with self.write() as connection:
                    return function(connection)
            except Moved:
                continue
        with self.write() as connection:
            return function(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state and writes nothing.

        Raises:
            StoreError: If the database fails.
        """
        with translated(self._place), self._engine.connect() as connection:
            connection = reading(connection)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Wait for the thread and close the connections."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()


def open_store(place: StorePlace, waits: Waits, groups: Collection[str] | None = None) -> Store:
    """Open an agent's store; its tables are made, or upgraded from those of older versions.

    Args:
        place: Where it is.
        waits: Told while a transaction waits.
        groups: Tables it holds, as in ``schemas.tables.GROUPS``; none are those of its agent.

    Raises:
        StoreUnreachable: If the database does not answer now.
        StoreUnusable: If it never will, or the store is of a newer version.
        StoreError: If anything else is wrong with it.
    """
    engine = worker_engine(place)
    try:
        with translated(place):
            upgrade(engine, place, STORES[place.agent] if groups is None else groups)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, waits, place)


def _count_waits(engine: Engine, waits: Waits) -> None:
    """Count the server's time in write transactions: a row's lock is waited for inside a statement."""

    def before(connection: Connection, *_: Any) -> None:
        if not reads_only(connection):
            stack = connection.info["waiting"] = ExitStack()
            stack.enter_context(waits())

    def after(connection: Connection, *_: Any) -> None:
        stack = connection.info.pop("waiting", None)
        if stack is not None:
            stack.close()

    def failed(context: sa.engine.ExceptionContext) -> None:
        if context.connection is not None:
            after(context.connection)

    sa.event.listen(engine, "before_cursor_execute", before)
    sa.event.listen(engine, "after_cursor_execute", after)
    sa.event.listen(engine, "handle_error", failed)
