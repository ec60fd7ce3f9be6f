"""Timers: what an agent must look at again later, with the inputs that wait for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from tests.releases.v0_1.infra.fences import Moved, Partition
from tests.releases.v0_1.infra.outbox import Cause
from tests.releases.v0_1.schemas.tables import timer_inputs, timers


@dataclass(frozen=True, slots=True)
class Timer:
    """One key's appointment."""

    kind: str
    key: str
    due_at: float  # unix seconds
    inputs: tuple[Cause, ...]  # the oldest waiting input of each partition


def schedule(
    connection: Connection, kind: str, cause_by_key: Iterable[tuple[str, Cause]], *, due_at: float, deadline: float
) -> None:
    """Set or push back timers; news never moves one past its first deadline.

    Args:
        connection: A write transaction.
        kind: Which timers.
        cause_by_key: Each key with the oldest new input that waits for it.
        due_at: Unix seconds.
        deadline: Unix seconds, for timers that are not set yet.
    """
    causes = list(cause_by_key)
    if not causes:
        return
    connection.execute(
        _PUSH_BACK, [{"kind": kind, "key": key, "due_at": due_at, "deadline": deadline} for key, _ in causes]
    )
    rows = [
        {"kind": kind, "key": key, "topic": cause.topic, "partition": cause.partition, "oldest_offset": cause.offset}
        for key, cause in causes
    ]
    connection.execute(_KEEP_OLDEST, rows)


_PUSH_BACK = sa.text(
    "INSERT INTO timers (kind, key, due_at, deadline) VALUES (:kind, :key, :due_at, :deadline) "
    "ON CONFLICT (kind, key) DO UPDATE SET due_at = "
    "CASE WHEN excluded.due_at < timers.deadline THEN excluded.due_at ELSE timers.deadline END"
)
_KEEP_OLDEST = sa.text(
    'INSERT INTO timer_inputs (kind, key, topic, "partition", oldest_offset) '
    "VALUES (:kind, :key, :topic, :partition, :oldest_offset) "
    'ON CONFLICT (kind, key, topic, "partition") DO NOTHING'
)


def cancel(connection: Connection, kind: str, keys: Sequence[str]) -> None:
    """Forget timers whose matter is settled, and their inputs."""
    for table in (timers, timer_inputs):
        query = table.delete().where(table.c.kind == kind, table.c.key == sa.bindparam("done"))
        if keys:
            connection.execute(query, [{"done": key} for key in keys])


def take(connection: Connection, timer: Timer) -> None:
    """Remove a timer that is being served.

    Raises:
        Moved: If it was pushed back, or served by somebody else.
    """
    same = sa.and_(timers.c.kind == timer.kind, timers.c.key == timer.key, timers.c.due_at == timer.due_at)
    if connection.execute(timers.delete().where(same)).rowcount != 1:
        raise Moved(f"timer {timer.kind}:{timer.key} moved")
    mine = sa.and_(timer_inputs.c.kind == timer.kind, timer_inputs.c.key == timer.key)
    connection.execute(timer_inputs.delete().where(mine))


def due(connection: Connection, kind: str, now: float, partitions: Sequence[Partition], limit: int) -> list[Timer]:
    """List timers that are due and wait for an input of some partitions, longest due first."""
    mine = sa.tuple_(timer_inputs.c.topic, timer_inputs.c.partition).in_(partitions)
    same = sa.and_(timer_inputs.c.kind == timers.c.kind, timer_inputs.c.key == timers.c.key)
    query = sa.select(timers).where(timers.c.kind == kind, timers.c.due_at <= now, sa.exists().where(same, mine))
    rows = connection.execute(query.order_by(timers.c.due_at, timers.c.key).limit(limit)).all()
    waiting = inputs(connection, kind, [row.key for row in rows])
    return [Timer(row.kind, row.key, row.due_at, tuple(waiting.get(row.key, ()))) for row in rows]


def inputs(connection: Connection, kind: str, keys: Sequence[str]) -> dict[str, list[Cause]]:
    """List the oldest waiting input of each partition, by key."""
    found: dict[str, list[Cause]] = {}
    query = sa.select(timer_inputs).where(timer_inputs.c.kind == kind, timer_inputs.c.key.in_(keys))
    for row in connection.execute(query.order_by(timer_inputs.c.topic, timer_inputs.c.partition)):
        found.setdefault(row.key, []).append(Cause(row.topic, row.partition, row.oldest_offset))
    return found


def depth(connection: Connection) -> int:
    """Count timers."""
    return connection.scalar(sa.select(sa.func.count()).select_from(timers)) or 0
