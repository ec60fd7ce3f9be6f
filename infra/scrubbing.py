"""Write a store's file anew, so that neither its free pages nor its log hold what was deleted."""

import sqlite3
import time
from contextlib import closing

from infra.engines import outside_engine
from infra.places import StorePlace
from infra.store_errors import StoreFailed
from schemas.index_tables import WORD_TABLES

SCRUB_BYTES = 512 << 20
"""The largest file that is written anew: workers wait meanwhile, about a second for 100 MB."""

BUSY_S = 10.0
"""How long to wait for workers' transactions."""

PAUSE_S = 0.02


def scrub(place: StorePlace) -> bool:
    """Write a SQLite file anew beside its workers, and empty its log.

    Args:
        place: Of the store.

    Returns:
        Whether that was done: not with a Postgres, nor with a file that is not there yet, or too large to let
        workers wait for.

    Raises:
        StoreError: If the file cannot be written anew now; nothing is lost.
    """
    if place.url is not None or not place.path.exists() or place.path.stat().st_size > SCRUB_BYTES:
        return False
    try:
        # Without SQLAlchemy's own transaction: VACUUM and checkpoints take none.
        with closing(outside_engine(place, "rw", BUSY_S).raw_connection()) as connection:
            cursor = connection.cursor()
            for table in WORD_TABLES:  # full text forgets words of deleted rows only when its parts are merged
                if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    cursor.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")  # noqa: S608 - a name of ours
            cursor.execute("VACUUM")
            deadline = time.monotonic() + BUSY_S
            while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]:  # a worker does one of its own
                if time.monotonic() >= deadline:
                    raise StoreFailed(place, "the log of the database stays in use", "See `millrace status`.")
                time.sleep(PAUSE_S)
    except sqlite3.Error as error:
        remedy = "See the space on its disk, and `millrace status`."
        raise StoreFailed(place, f"the file cannot be written anew: {error}", remedy) from error
    return True
