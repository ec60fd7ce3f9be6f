"""What can go wrong with an agent's store: one line each, whatever the database.

Errors:
    InfraError
    └── StoreError
        ├── StoreMissing      the agent never ran here
        ├── StoreUnreachable  the database is down, starts, or the connection broke: worth trying again
        ├── StoreUnusable     as it is set up it will never do: password, rights, driver, another version
        ├── StoreUnwritable   it is full or read only
        └── StoreFailed       whatever else it says: a lock that stays taken, a broken disk
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from infra.errors import InfraError
from infra.fences import Moved
from infra.places import StorePlace


class StoreError(InfraError):
    """A store cannot be used.

    Args:
        place: Where it is.
        what: What happened, without the place.
        remedy: What to do.
    """

    def __init__(self, place: StorePlace, what: str, remedy: str) -> None:
        super().__init__(f"{what} ({place.label})", remedy)


class StoreMissing(StoreError):
    """The agent has never run here."""


class StoreUnreachable(StoreError):
    """Nobody answers there, or not yet, or not any more."""


class StoreUnusable(StoreError):
    """It answers and will never do as it is set up."""


class StoreUnwritable(StoreError):
    """It can be read only: its disk is full, or writing is forbidden."""


class StoreFailed(StoreError):
    """Anything else the database itself says."""


DECIDE_AGAIN = frozenset(("40P01", "40001", "55P03", "25P03"))
"""SQLSTATE of a transaction that ended because of others: deadlock, changed under us, locked, idle for too long."""

Kind = tuple[type[StoreError], str, str]
"""(class, what happened, remedy)."""

_WAIT = "See that it runs and that MILLRACE_SQL names it; workers wait for it."
_DOWN: Kind = (StoreUnreachable, "the database does not answer", _WAIT)
_LOGIN: Kind = (StoreUnusable, "the database refuses the login", "Correct user and password in MILLRACE_SQL.")
_NO_DATABASE: Kind = (StoreUnusable, "there is no such database", "Create it, or correct MILLRACE_SQL.")
_RIGHTS: Kind = (
    StoreUnusable,
    "the database forbids it",
    "Let the role of MILLRACE_SQL create schemas in the database and own the tables in them.",
)
_FULL: Kind = (StoreUnwritable, "the database is full", "Make room on its disk; workers then go on by themselves.")
_READ_ONLY: Kind = (
    StoreUnwritable,
    "the database can only be read",
    "Let it be written: not a standby, no read-only role, a writable file; workers then go on by themselves.",
)
_FAILED: Kind = (StoreFailed, "the database failed", "See `millrace status` and the log of the database.")

_BY_STATE: dict[str, Kind] = {
    "08": _DOWN,  # the connection broke
    "57P0": _DOWN,  # it starts, stops or was stopped
    "53300": _DOWN,  # too many connections
    "28": _LOGIN,
    "3D000": _NO_DATABASE,
    "42501": _RIGHTS,
    "53100": _FULL,
    "25006": _READ_ONLY,
    "25P03": (StoreUnreachable, "the process stood still inside a transaction", "Nothing: it starts again."),
    "40": _FAILED,
    "53": _FAILED,
    "55P03": (StoreFailed, "a lock stays taken", "See `millrace status` for a worker that is stuck."),
    "57014": (StoreFailed, "a statement took too long", "See the load of the database."),
    "58": _FAILED,
    "XX": _FAILED,
}
"""By the beginning of the SQLSTATE; the longest that fits counts. What is not here is a fault of ours."""

_BY_CODE: dict[int, Kind] = {
    sqlite3.SQLITE_BUSY: (StoreFailed, "a lock stays taken", "See `millrace status` for a worker that is stuck."),
    sqlite3.SQLITE_CANTOPEN: (StoreUnusable, "the file cannot be opened", "See who may use its folder."),
    sqlite3.SQLITE_CORRUPT: (StoreUnusable, "the file is damaged", "Put a copy back, or `millrace down --wipe`."),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: (StoreFailed, "the file cannot be read or written", "See the space and health of its disk."),
    sqlite3.SQLITE_LOCKED: (StoreFailed, "a lock stays taken", "See `millrace status` for a worker that is stuck."),
    sqlite3.SQLITE_NOTADB: (StoreUnusable, "this is no store of ours", "Move the file away, or correct MILLRACE_HOME."),
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
}

_LOGIN_WORDS: tuple[tuple[str, Kind], ...] = (
    ("password authentication failed", _LOGIN),
    ("no password supplied", _LOGIN),
    ("no pg_hba.conf entry", _LOGIN),
    ("authentication failed", _LOGIN),
    ("is not permitted to log in", _LOGIN),
    ("permission denied for database", _RIGHTS),
    ("role", _LOGIN),
    ("database", _NO_DATABASE),
)
"""What a server says before a session begins carries no SQLSTATE; ``role`` and ``database`` mean 'does not exist'."""


@contextmanager
def translated(place: StorePlace, *, retried: bool = False) -> Iterator[None]:
    """Turn what a database says inside into our own errors.

    Args:
        place: Told in errors.
        retried: Whether the caller decides again when others were first.

    Raises:
        Moved: If others were first, and ``retried``.
        StoreError: If the database fails. A fault of ours stays what it is.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if retried and state in DECIDE_AGAIN:
            raise Moved(f"the database ended a transaction: {_words(error.orig)}") from error
        kind = _kind(error, state)
        if kind is None:
            raise
        told, what, remedy = kind
        raise told(place, f"{what}: {_words(error.orig)}", remedy) from error


def _kind(error: sa.exc.DBAPIError, state: str | None) -> Kind | None:
    if isinstance(error.orig, sqlite3.Error):
        return _BY_CODE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)  # the rest tells the circumstances
    if state is not None:
        return next((_BY_STATE[state[:length]] for length in (5, 4, 2) if state[:length] in _BY_STATE), None)
    if error.connection_invalidated:
        return (StoreUnreachable, "the connection to the database broke", _WAIT)
    if error.statement is not None:  # the driver itself refuses a value: a fault of ours
        return None
    said = str(error.orig)
    named = "does not exist" in said
    for words, kind in _LOGIN_WORDS:
        if words in said and (named or words not in ("role", "database")):
            return kind
    return _DOWN


def _words(error: Any) -> str:
    """Say in one line what a driver says in many; neither statement nor credentials are in it."""
    diagnosis = getattr(error, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error)
    lines = [line for line in said.splitlines() if "failed: " in line] or [said]  # one for each address that was tried
    return " ".join(lines[-1].rsplit("failed: ", 1)[-1].split("FATAL:", 1)[-1].split())
