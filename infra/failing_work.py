"""Work that failed and is tried again: how much there is, and why."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from schemas.tables import work


@dataclass(frozen=True, slots=True)
class FailingWork:
    """What failed at its last try, whether it is being tried again now or waits for that.

    Args:
        keys: How many.
        error: Why, of the one that should have been done first; none without any.
        due_at: When that one should have been done, unix seconds.
    """

    keys: int = 0
    error: str | None = None
    due_at: float | None = None


def find_failing(connection: Connection) -> FailingWork:
    """Look for an agent's work that failed.

    Args:
        connection: A transaction that sees one state.
    """
    failed = work.c.last_error.is_not(None)
    keys = connection.scalar(sa.select(sa.func.count()).where(failed)) or 0
    if not keys:
        return FailingWork()
    first = sa.select(work.c.last_error, work.c.deadline).where(failed).order_by(work.c.deadline, work.c.key).limit(1)
    row = connection.execute(first).one()
    return FailingWork(keys, row.last_error, row.deadline)
