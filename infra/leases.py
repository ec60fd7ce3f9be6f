"""Rows of slow work: recorded with the state, leased by a service, finished under the same lease.

One row a key: a newer revision takes the older one's place. Inputs that arrive during a lease are
kept apart, so that finishing the lease frees exactly what it has read.

Errors:
    LeaseLost
    └── the row carries another token: somebody else does this work now
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved, Partition
from infra.headers import pack, unpack
from infra.locking import hold
from infra.outbox import Cause
from infra.timers import Waiter
from schemas.tables import work, work_inputs


class LeaseLost(Moved):
    """The work was taken over while we did it."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work to record for one key."""

    kind: str
    key: str
    revision: int  # of what is to be worked on; newest wins
    reason: str
    cause: Cause
    not_before: float  # unix seconds
    deadline: float  # unix seconds
    trace: Mapping[str, bytes] = field(default_factory=dict)  # trace context of the newest input


@dataclass(frozen=True, slots=True)
class Leased:
    """Work that is ours until the lease ends."""

    kind: str
    key: str
    revision: int
    reason: str
    attempts: int  # this one included
    causes: tuple[Cause, ...]  # the oldest input of each partition
    token: str  # of this very lease; work that is cancelled and recorded anew is another
    trace: Mapping[str, bytes] = field(default_factory=dict)  # trace context of the newest input


_RECORD = sa.text(
    "INSERT INTO work (kind, key, revision, reason, input_topic, input_partition, input_offset, "
    "not_before, deadline, attempts, trace) "
    "VALUES (:kind, :key, :revision, :reason, :topic, :partition, :offset, :not_before, :deadline, 0, :trace) "
    "ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, reason = excluded.reason, "
    "input_topic = excluded.input_topic, input_partition = excluded.input_partition, "
    "input_offset = excluded.input_offset, trace = coalesce(excluded.trace, work.trace), "
    # The deadline of work in hand is not that of the news; and news never cut short the wait after a failure.
    "deadline = CASE WHEN work.lease_owner IS NOT NULL OR excluded.deadline < work.deadline "
    "THEN excluded.deadline ELSE work.deadline END, "
    "not_before = CASE WHEN work.lease_owner IS NOT NULL THEN excluded.not_before "
    "WHEN work.last_error IS NOT NULL THEN work.not_before "
    "WHEN excluded.not_before < work.deadline THEN excluded.not_before ELSE work.deadline END "
    "WHERE excluded.revision > work.revision"
)
_KEEP_OLDEST = sa.text(
    'INSERT INTO work_inputs (kind, key, topic, "partition", leased, oldest_offset) '
    "VALUES (:kind, :key, :topic, :partition, FALSE, :offset) "
    'ON CONFLICT (kind, key, topic, "partition", leased) DO UPDATE SET oldest_offset = excluded.oldest_offset '
    "WHERE excluded.oldest_offset < work_inputs.oldest_offset"  # work recorded again brings older inputs
)


def record(connection: Connection, tasks: Iterable[Task], *, owed: bool = True) -> None:
    """Record work, in the transaction that makes it necessary.

    Work that is not ``owed`` to inputs only mends: it holds no watermark and publishes nothing.
    """
    rows = [
        {
            "kind": task.kind,
            "key": task.key,
            "revision": task.revision,
            "reason": task.reason,
            "topic": task.cause.topic,
            "partition": task.cause.partition,
            "offset": task.cause.offset,
            "not_before": task.not_before,
            "deadline": task.deadline,
            "trace": pack(task.trace) if task.trace else None,
        }
        for task in sorted(tasks, key=attrgetter("kind", "key"))
    ]
    if rows:
        connection.execute(_RECORD, rows)
    if rows and owed:
        connection.execute(_KEEP_OLDEST, rows)


def join(connection: Connection, kind: str, waiters: Iterable[Waiter]) -> None:
    """Let inputs that change nothing wait for work that is recorded or in hand: what they say is not done before it.

    Args:
        connection: A write transaction.
        kind: Which work.
        waiters: Inputs by key; those of keys without work wait for nothing.
    """
    wanted = sorted(waiters, key=attrgetter("key"))
    standing = hold(connection, work.c.key, sa.and_(work.c.kind == kind, work.c.key.in_([one.key for one in wanted])))
    rows = [
        {
            "kind": kind,
            "key": one.key,
            "topic": one.cause.topic,
            "partition": one.cause.partition,
            "offset": one.cause.offset,
        }
        for one in wanted
        if one.key in standing
    ]
    if rows:
        connection.execute(_KEEP_OLDEST, rows)


def due(connection: Connection, kind: str, token: str, *, now: float, partitions: Sequence[Partition]) -> bool:
    """Tell whether there is anything to lease."""
    return connection.execute(_leasable(kind, token, now, partitions).limit(1)).first() is not None


def _leasable(kind: str, token: str, now: float, partitions: Sequence[Partition]) -> sa.Select[Any]:
    mine = sa.tuple_(work.c.input_topic, work.c.input_partition).in_(partitions)
    # A lease of our own that ended unrenewed is still in hand: its call would be made twice.
    ended = sa.and_(work.c.lease_until < now, sa.not_(_under(token)))
    free = sa.or_(work.c.lease_until.is_(None), ended)
    return sa.select(work).where(work.c.kind == kind, work.c.not_before <= now, free, mine)


def lease(
    connection: Connection,
    kind: str,
    token: str,
    *,
    now: float,
    until: float,
    partitions: Sequence[Partition],
    limit: int,
) -> list[Leased]:
    """Take work that is due, most urgent first.

    Args:
        connection: A write transaction.
        kind: Which work.
        token: New at every process start.
        now: Unix seconds.
        until: When the lease ends unless renewed, unix seconds.
        partitions: Only work whose newest input is from one of these.
        limit: Most rows.
    """
    query = _leasable(kind, token, now, partitions).order_by(work.c.deadline, work.c.key).limit(limit)
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()  # what others are about to change can wait
    keys = [row.key for row in rows]
    if not keys:
        return []
    lease_token = f"{token}/{uuid.uuid4().hex}"
    taken = {"lease_owner": lease_token, "lease_until": until, "attempts": work.c.attempts + 1}
    connection.execute(work.update().where(work.c.kind == kind, work.c.key.in_(keys)).values(taken))
    causes = _lease_inputs(connection, kind, keys)
    return [
        Leased(
            row.kind,
            row.key,
            row.revision,
            row.reason,
            row.attempts + 1,
            tuple(causes.get(row.key, ())),
            lease_token,
            unpack(row.trace),
        )
        for row in rows
    ]


def _lease_inputs(connection: Connection, kind: str, keys: Sequence[str]) -> dict[str, list[Cause]]:
    oldest = inputs(connection, kind, keys)
    connection.execute(work_inputs.delete().where(work_inputs.c.kind == kind, work_inputs.c.key.in_(keys)))
    rows = [
        {
            "kind": kind,
            "key": key,
            "topic": cause.topic,
            "partition": cause.partition,
            "leased": True,
            "oldest_offset": cause.offset,
        }
        for key, causes in oldest.items()
        for cause in causes
    ]
    if rows:
        connection.execute(work_inputs.insert(), rows)
    return oldest


def renew(connection: Connection, kind: str, token: str, until: float) -> None:
    """Keep everything leased under a token for longer."""
    mine = sa.and_(work.c.kind == kind, _under(token))
    hold(connection, work.c.key, mine)
    connection.execute(work.update().where(mine).values(lease_until=until))


def _under(token: str) -> sa.ColumnElement[bool]:
    return work.c.lease_owner.startswith(f"{token}/", autoescape=True)


def release(connection: Connection, kind: str, owner: str) -> None:
    """Give back every lease whose token starts with ``owner``."""
    mine = sa.and_(work.c.kind == kind, work.c.lease_owner.startswith(owner, autoescape=True))
    hold(connection, work.c.key, mine)
    connection.execute(work.update().where(mine).values(lease_owner=None, lease_until=None))


def holds(connection: Connection, leased: Leased) -> bool:
    """Tell whether the work is still ours."""
    mine = _held(leased)
    return connection.execute(sa.select(work.c.key).where(mine)).first() is not None


def _held(leased: Leased) -> sa.ColumnElement[bool]:
    return sa.and_(work.c.kind == leased.kind, work.c.key == leased.key, work.c.lease_owner == leased.token)


def finish(connection: Connection, leased: Leased) -> None:
    """End a lease whose result is written: the row goes, unless newer work or the same once more waits in it.

    Raises:
        LeaseLost: If the row is not ours any more.
    """
    mine = _held(leased)
    unchanged = sa.and_(work.c.revision == leased.revision, work.c.attempts == leased.attempts)
    done = connection.execute(work.delete().where(mine, unchanged)).rowcount
    if not done:
        again = {"lease_owner": None, "lease_until": None, "attempts": 0, "last_error": None}
        if connection.execute(work.update().where(mine).values(again)).rowcount != 1:
            raise LeaseLost(f"{leased.kind}:{leased.key} is somebody else's")
    inputs = sa.and_(work_inputs.c.kind == leased.kind, work_inputs.c.key == leased.key)
    if not done:  # newer work keeps its own
        inputs = sa.and_(inputs, work_inputs.c.leased)
    connection.execute(work_inputs.delete().where(inputs))


def postpone(connection: Connection, leased: Leased, not_before: float, error: str, *, tried: bool = True) -> None:
    """Give work back, to be tried again later; a try that asked nobody does not count as one."""
    later = {"lease_owner": None, "lease_until": None, "not_before": not_before, "last_error": _storable(error)}
    attempts = leased.attempts if tried else leased.attempts - 1
    connection.execute(work.update().where(_held(leased)).values(later | {"attempts": attempts}))


def _storable(error: str) -> str:
    return error[:500].replace("\0", "")  # Postgres keeps any character but this


def give_back(connection: Connection, leased: Leased) -> None:
    """Give work back that was done for nothing, because what it read is gone; it may be leased again at once."""
    mine = _held(leased)
    again = {"lease_owner": None, "lease_until": None, "attempts": 0, "last_error": None}
    connection.execute(work.update().where(mine).values(again))


def cancel(connection: Connection, kind: str, keys: Sequence[str]) -> None:
    """Forget work that is not wanted any more, whoever holds it, and its inputs."""
    hold(connection, work.c.key, sa.and_(work.c.kind == kind, work.c.key.in_(keys)))
    for table in (work, work_inputs):
        connection.execute(table.delete().where(table.c.kind == kind, table.c.key.in_(keys)))


def inputs(connection: Connection, kind: str, keys: Sequence[str]) -> dict[str, list[Cause]]:
    """Return the oldest waiting input of each partition for each key, in order; keys without work are absent."""
    mine = sa.and_(work_inputs.c.kind == kind, work_inputs.c.key.in_(keys))
    oldest: dict[str, dict[Partition, int]] = {}
    for row in connection.execute(sa.select(work_inputs).where(mine)):
        offsets = oldest.setdefault(row.key, {})
        place = (row.topic, row.partition)
        offsets[place] = min(row.oldest_offset, offsets.get(place, row.oldest_offset))
    return {
        key: [Cause(*place, offset) for place, offset in sorted(offsets.items())] for key, offsets in oldest.items()
    }


def depth(connection: Connection) -> int:
    """Count rows of work."""
    return connection.scalar(sa.select(sa.func.count()).select_from(work)) or 0
