"""Work that is in hand and will be done once more, later: it is owed to no input, and what comes of it is published."""

import sqlalchemy as sa
from sqlalchemy import Connection

from infra import fences
from infra.leases import Leased
from infra.outbox import Cause
from schemas.tables import work


def repeat(connection: Connection, leased: Leased, reason: str, at: float) -> None:
    """Record the same work once more, before its lease is finished; newer work has taken its place already.

    It holds no watermark: what it is done for has been answered by what is written now.

    Args:
        connection: The write transaction that finishes the lease.
        leased: What is in hand.
        reason: Why it is done again.
        at: When, unix seconds.
    """
    again = {"attempts": 0, "reason": reason, "not_before": at, "deadline": at}
    connection.execute(work.update().where(_held(leased), work.c.revision == leased.revision).values(again))


def owed_to_nobody(connection: Connection, leased: Leased) -> Cause:
    """Name a place for an output that no input waits for, so that the work's own partition publishes it.

    It is the next input of that partition, which holds no watermark back.

    Args:
        connection: The write transaction that finishes the lease.
        leased: What is in hand.

    Raises:
        Moved: If the partition was reset under a running worker.
    """
    place = sa.select(work.c.input_topic, work.c.input_partition).where(_held(leased))
    topic, partition = connection.execute(place).one()
    return Cause(topic, partition, fences.next_offset(connection, (topic, partition)))


def _held(leased: Leased) -> sa.ColumnElement[bool]:
    return sa.and_(work.c.kind == leased.kind, work.c.key == leased.key, work.c.lease_owner == leased.token)
