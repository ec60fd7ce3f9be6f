"""Timers: what an agent must look at again later, with the inputs that wait for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved, Partition
from infra.headers import pack, unpack
from infra.locking import hold
from infra.outbox import Cause
from schemas.tables import timer_inputs, timers


@dataclass(frozen=True, slots=True)
class Timer:
    """One key's appointment."""

    kind: str
    key: str
    due_at: float  # unix seconds
    inputs: tuple[Cause, ...]  # the oldest waiting input of each partition
    trace: Mapping[str, bytes] = field(default_factory=dict)  # trace context of the newest one


@dataclass(frozen=True, slots=True)
class Waiter:
    """An input that waits for a key's timer."""

    key: str
    cause: Cause
    trace: Mapping[str, bytes] = field(default_factory=dict)


def schedule(connection: Connection, kind: str, waiters: Iterable[Waiter], *, due_at: float, deadline: float) -> None:
    """Set or push back timers; news never moves one past its first deadline.

    Args:
        connection: A write transaction.
        kind: Which timers.
        waiters: The oldest new input of each key, with the newest one's trace.
        due_at: Unix seconds.
        deadline: Unix seconds, for timers that are not set yet.
    """
    wanted = sorted(waiters, key=attrgetter("key"))
    if not wanted:
        return
    times = {"kind": kind, "due_at": due_at, "deadline": deadline}
    connection.execute(
        _PUSH_BACK, [{**times, "key": one.key, "trace": pack(one.trace) if one.trace else None} for one in wanted]
    )
    connection.execute(_KEEP_OLDEST, [_input(kind, one) for one in wanted])


def join(connection: Connection, kind: str, waiters: Iterable[Waiter]) -> None:
    """Let inputs wait for timers that are set already; where none is, there is nothing to wait for."""
    wanted = sorted(waiters, key=attrgetter("key"))
    standing = hold(connection, timers.c.key, _of(kind, [one.key for one in wanted]))
    rows = [_input(kind, one) for one in wanted if one.key in standing]
    if rows:
        connection.execute(_KEEP_OLDEST, rows)


def _of(kind: str, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(timers.c.kind == kind, timers.c.key.in_(keys))


def _input(kind: str, waiter: Waiter) -> dict[str, object]:
    cause = waiter.cause
    place = {"topic": cause.topic, "partition": cause.partition, "oldest_offset": cause.offset}
    return {"kind": kind, "key": waiter.key, **place}


_PUSH_BACK = sa.text(
    "INSERT INTO timers (kind, key, due_at, deadline, trace) VALUES (:kind, :key, :due_at, :deadline, :trace) "
    "ON CONFLICT (kind, key) DO UPDATE SET due_at = "
    "CASE WHEN excluded.due_at < timers.deadline THEN excluded.due_at ELSE timers.deadline END, "
    "trace = coalesce(excluded.trace, timers.trace)"
)
_KEEP_OLDEST = sa.text(
    'INSERT INTO timer_inputs (kind, key, topic, "partition", oldest_offset) '
    "VALUES (:kind, :key, :topic, :partition, :oldest_offset) "
    'ON CONFLICT (kind, key, topic, "partition") DO UPDATE SET oldest_offset = excluded.oldest_offset '
    "WHERE excluded.oldest_offset < timer_inputs.oldest_offset"  # what joins may be older than what was scheduled
)


def cancel(connection: Connection, kind: str, keys: Sequence[str]) -> None:
    """Forget timers whose matter is settled, and their inputs."""
    for table in (timers, timer_inputs):
        query = table.delete().where(table.c.kind == kind, table.c.key == sa.bindparam("done"))
        if keys:
            connection.execute(query, [{"done": key} for key in sorted(keys)])


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
    return [Timer(row.kind, row.key, row.due_at, tuple(waiting.get(row.key, ())), unpack(row.trace)) for row in rows]


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
