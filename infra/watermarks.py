"""How far an agent's standing results reach: its fences, held back by what is not yet published.

An event is in the standing results once it is below the fence of its partition and nothing made
from it waits in work, timers or outbox. The watermark is the first offset for which that is not so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from infra.fences import Partition
from schemas.tables import fences, outbox, timer_inputs, timers, work, work_inputs

LogRange = tuple[int, int]
"""(first offset, end: one after the last)."""

Holder = Literal["fence", "work", "timers", "outbox"]
Condition = sa.ColumnElement[bool]
Oldest = sa.Select[str, int, str | None, int]


@dataclass(frozen=True, slots=True)
class Watermark:
    """One input partition of one agent."""

    fence: int  # next offset to apply
    offset: int  # every event below it is in the standing results
    held_by: Holder  # what the oldest unfinished event waits for
    kind: str | None = None  # of the work or timer that holds it


def read_watermarks(connection: sa.Connection) -> dict[Partition, Watermark]:
    """Read the watermark of every input partition that has a fence; call it inside one snapshot.

    Args:
        connection: On the agent's store, in a transaction.
    """
    marks = {
        (row.topic, row.partition): Watermark(row.next_offset, row.next_offset, "fence")
        for row in connection.execute(sa.select(fences.c.topic, fences.c.partition, fences.c.next_offset))
    }
    for holder, query in _HOLDERS.items():
        for topic, partition, kind, oldest in connection.execute(query):
            mark = marks.get((topic, partition))
            if mark is not None and oldest < mark.offset:
                marks[topic, partition] = Watermark(mark.fence, oldest, holder, kind)
    return marks


def outbox_end(connection: sa.Connection) -> int:
    """Return the seq of the newest output that waits to be published; 0 if none does."""
    return connection.scalar(sa.select(sa.func.max(outbox.c.seq))) or 0


def read_unpublished(connection: sa.Connection, until: int) -> dict[Partition, LogRange]:
    """Tell which inputs the outputs up to a seq, itself included, are owed to: the range by partition."""
    place = (outbox.c.input_topic, outbox.c.input_partition)
    span = (sa.func.min(outbox.c.input_offset), sa.func.max(outbox.c.input_offset))
    query = sa.select(*place, *span).where(outbox.c.seq <= until).group_by(*place)
    return {(topic, partition): (first, last + 1) for topic, partition, first, last in connection.execute(query)}


def can_hurry(connection: sa.Connection, targets: Mapping[Partition, int], now: float) -> bool:
    """Tell whether ``make_due`` would move anything, without its lock.

    Args:
        connection: On the agent's store, in a transaction.
        targets: Offset by input partition.
        now: Unix seconds.
    """
    return any(
        connection.execute(sa.select(table.c.key).where(later, held).limit(1)).first() is not None
        for table, later, held in _hurriable(targets, now)
    )


def make_due(connection: sa.Connection, targets: Mapping[Partition, int], now: float) -> int:
    """Let timers and work that hold back events below the targets run now instead of later.

    Their deadline is now, too: news of a busy key would push them back again. Leased work is running
    already, and work that failed before keeps its backoff.

    Args:
        connection: On the agent's store, in a write transaction.
        targets: Offset by input partition; only what is older than it is hurried.
        now: Unix seconds.

    Returns:
        How many timers and work rows were moved.
    """
    moved = 0
    for table, later, held in _hurriable(targets, now):
        due = table.c.due_at if table is timers else table.c.not_before
        values = {due: 0.0, table.c.deadline: 0.0}
        place = (table.c.kind, table.c.key)
        # What a worker holds is about to change; the next look nudges it.
        free = sa.select(*place).where(later, held).with_for_update(skip_locked=True, of=table)
        moved += connection.execute(table.update().where(sa.tuple_(*place).in_(free)).values(values)).rowcount
    return moved


def _hurriable(targets: Mapping[Partition, int], now: float) -> Iterator[tuple[sa.Table, Condition, Condition]]:
    waiting = timers.c.due_at > now
    pending = sa.and_(
        work.c.not_before > now, work.c.last_error.is_(None), sa.func.coalesce(work.c.lease_until, 0.0) <= now
    )
    for place, target in targets.items():
        yield timers, waiting, _holds_back(timers, timer_inputs, place, target)
        yield work, pending, _holds_back(work, work_inputs, place, target)


def _holds_back(table: sa.Table, inputs: sa.Table, place: Partition, target: int) -> Condition:
    return sa.exists().where(
        inputs.c.kind == table.c.kind,
        inputs.c.key == table.c.key,
        inputs.c.topic == place[0],
        inputs.c.partition == place[1],
        inputs.c.oldest_offset < target,
    )


def _oldest_input(inputs: sa.Table) -> Oldest:
    of = (inputs.c.topic, inputs.c.partition, inputs.c.kind)
    return sa.select(*of, sa.func.min(inputs.c.oldest_offset)).group_by(*of)


def _oldest_output() -> Oldest:
    place = (outbox.c.input_topic, outbox.c.input_partition)
    return sa.select(*place, sa.null(), sa.func.min(outbox.c.input_offset)).group_by(*place)


_HOLDERS: dict[Holder, Oldest] = {
    "work": _oldest_input(work_inputs),
    "timers": _oldest_input(timer_inputs),
    "outbox": _oldest_output(),
}
