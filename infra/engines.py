"""Connections to a store as its worker and as an outsider needs them, on SQLite and on Postgres alike."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.pool import NullPool, QueuePool

from infra.places import StorePlace
from infra.store_errors import StoreUnusable

BUSY_TIMEOUT_S = 60.0
"""How long a write waits for another process's SQLite transaction: longer than the supervisor needs to kill a stopped
one."""

SERVER_LIMITS = {
    "idle_in_transaction_session_timeout": "5s",  # frees what a stopped worker holds; lock_timeout alone never does
    "lock_timeout": "8s",  # longer than that, so that the next worker waits instead of trying again
    "statement_timeout": "30s",
    "tcp_user_timeout": "15s",  # a worker stopped while it is sent a result
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",  # what is published must not be forgotten by a server that crashes
}
"""What the server itself sees to, whatever becomes of the worker."""

LOOKING = {"idle_in_transaction_session_timeout": "60s"}
"""Who only looks holds nothing that others wait for, and may think between two questions."""

CONNECT = {
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",  # milliseconds
}
"""What the client sees to; a URL may say otherwise."""

Mode = Literal["ro", "rw"]


def worker_engine(place: StorePlace) -> Engine:
    """Prepare a worker's connections; a SQLite file and its folder are made. Nothing connects yet.

    Commits are durable against power loss.

    Raises:
        StoreUnusable: If the folder cannot be made, or the driver is missing.
    """
    if place.url is not None:
        return _postgres(place, SERVER_LIMITS, poolclass=QueuePool, pool_size=4)
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "See who may write there, or correct MILLRACE_HOME."
        raise StoreUnusable(place, f"the folder cannot be made: {error.strerror}", remedy) from error
    return _sqlite(place, "rwc", BUSY_TIMEOUT_S, poolclass=QueuePool, pool_size=4)


def outside_engine(place: StorePlace, mode: Mode, busy_timeout_s: float, kept: int = 0) -> Engine:
    """Prepare connections of somebody who is not the worker; nothing is ever made.

    Args:
        place: Where the store is.
        mode: ``ro`` or ``rw``.
        busy_timeout_s: Seconds to wait for SQLite's write lock.
        kept: Connections that stay open between transactions, and at most; 0 opens one for each.

    Raises:
        StoreUnusable: If the driver is missing.
    """
    pool: dict[str, Any] = {"poolclass": NullPool}
    if kept:
        pool = {"poolclass": QueuePool, "pool_size": kept, "max_overflow": 0, "pool_pre_ping": place.url is not None}
    if place.url is not None:
        return _postgres(place, {**SERVER_LIMITS, **(LOOKING if mode == "ro" else {})}, **pool)
    return _sqlite(place, mode, busy_timeout_s, **pool)


def reading(connection: Connection) -> Connection:
    """Let the next transaction see one state, write nothing and take no lock."""
    return connection.execution_options(reads_only=True)


def reads_only(connection: Connection) -> bool:
    """Tell whether its transactions write nothing."""
    return bool(connection.get_execution_options().get("reads_only", False))


def _sqlite(place: StorePlace, mode: str, busy_timeout_s: float, **options: Any) -> Engine:
    address = f"file:{quote(str(place.path.resolve()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # Without isolation_level the driver begins nothing by itself, and reads would see no one snapshot.
        return sqlite3.connect(address, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)

    engine = sa.create_engine("sqlite://", creator=connect, hide_parameters=True, **options)
    if mode == "rwc":
        sa.event.listen(engine, "connect", _configure)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another process wrote in between.
    connection.exec_driver_sql("BEGIN" if reads_only(connection) else "BEGIN IMMEDIATE")


def _postgres(place: StorePlace, limits: Mapping[str, str], **options: Any) -> Engine:
    url = place.address()
    given = url.query.get("options", ())
    ours = [f"-c {name}={value}" for name, value in (("search_path", place.schema), *limits.items())]
    arguments = {"application_name": f"millrace {place.agent}", **CONNECT}
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    arguments["options"] = " ".join([*((given,) if isinstance(given, str) else given), *ours])
    url = url.difference_update_query(["options"])
    try:
        engine = sa.create_engine(url, connect_args=arguments, hide_parameters=True, **options)
    except ImportError as error:
        told = "MILLRACE_SQL names a Postgres, but its driver is not installed"
        raise StoreUnusable(place, told, "Install it: pip install 'millrace[postgres]'.") from error
    sa.event.listen(engine, "begin", _choose_transaction)
    return engine


def _choose_transaction(connection: Connection) -> None:
    from psycopg import IsolationLevel  # only here: SQLite needs no driver

    kind = reads_only(connection)
    if connection.info.get("reads_only") == kind:
        return
    driver: Any = connection.connection.dbapi_connection
    driver.isolation_level = IsolationLevel.REPEATABLE_READ if kind else IsolationLevel.READ_COMMITTED
    driver.read_only = True if kind else None  # None, not False: who may only read must not write by our saying so
    connection.info["reads_only"] = kind
