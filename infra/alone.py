"""Be the only process that does something to an agent's store, on one machine or on many.

A process that dies frees it, whatever ended it: a lock on a file beside a SQLite store, one of the session in a
Postgres.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from infra.engines import BUSY_TIMEOUT_S, outside_engine
from infra.places import StorePlace
from infra.store_errors import translated


@contextmanager
def alone(place: StorePlace, what: str) -> Iterator[bool]:
    """Try to be the only one inside; yields whether it is.

    Args:
        place: The store's.
        what: What is done.

    Raises:
        infra.store_errors.StoreError: If the database fails.
        OSError: If the folder cannot be written.
    """
    with _locked_file(place, what) if place.url is None else _locked_session(place, what) as ours:
        yield ours


@contextmanager
def _locked_file(place: StorePlace, what: str) -> Iterator[bool]:
    path = place.home / "run" / f"{place.agent}-{what}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def _locked_session(place: StorePlace, what: str) -> Iterator[bool]:
    engine = outside_engine(place, "rw", BUSY_TIMEOUT_S)
    with translated(place):
        connection = engine.connect()
    try:
        with translated(place), connection.begin():  # the lock outlives the transaction, not the session
            query = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
            ours = bool(connection.scalar(query, {"name": f"millrace/{place.schema}/{what}"}))
        yield ours
    finally:
        connection.close()
        engine.dispose()
