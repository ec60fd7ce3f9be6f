"""How far an agent's standing results reach: its fences, held back by what is not yet published.

An event is in the standing results once it is below the fence of its partition and nothing made
from it waits in work, timers or outbox. The watermark is the first offset for which that is not so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from infra.fences import Partition
from schemas.tables import fences, outbox, timer_inputs, timers, work, work_inputs

LogRange = tuple[int, int]
"""(first offset the broker keeps, end a read_committed reader can reach)."""

Holder = Literal["fence", "work", "timers", "outbox"]
Oldest = sa.Select[str, int, int]


@dataclass(frozen=True, slots=True)
class Watermark:
    """One input partition of one agent."""

    fence: int  # next offset to apply
    offset: int  # every event below it is in the standing results
    held_by: Holder  # what the oldest unfinished event waits for


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
        for topic, partition, oldest in connection.execute(query):
            mark = marks.get((topic, partition))
            if mark is not None and oldest < mark.offset:
                marks[topic, partition] = Watermark(mark.fence, oldest, holder)
    return marks


def make_due(connection: sa.Connection, targets: Mapping[Partition, int], now: float) -> int:
    """Let timers and work that hold back events below the targets run now instead of later.

    Leased work is running already, and work that failed before keeps its backoff.

    Args:
        connection: On the agent's store, in a write transaction.
        targets: Offset by input partition; only what is older than it is hurried.
        now: Unix seconds.

    Returns:
        How many timers and work rows were moved.
    """
    waiting = timers.update().where(timers.c.due_at > now).values(due_at=0.0)
    pending = work.update().where(
        work.c.not_before > now, work.c.last_error.is_(None), sa.func.coalesce(work.c.lease_until, 0.0) <= now
    )
    moved = 0
    for place, target in targets.items():
        for statement, table, inputs in (
            (waiting, timers, timer_inputs),
            (pending.values(not_before=0.0), work, work_inputs),
        ):
            moved += connection.execute(statement.where(_holds_back(table, inputs, place, target))).rowcount
    return moved


def _holds_back(table: sa.Table, inputs: sa.Table, place: Partition, target: int) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        inputs.c.kind == table.c.kind,
        inputs.c.key == table.c.key,
        inputs.c.topic == place[0],
        inputs.c.partition == place[1],
        inputs.c.oldest_offset < target,
    )


def _oldest(topic: sa.Column[str], partition: sa.Column[int], offset: sa.Column[int]) -> Oldest:
    return sa.select(topic, partition, sa.func.min(offset)).group_by(topic, partition)


_HOLDERS: dict[Holder, Oldest] = {
    "work": _oldest(work_inputs.c.topic, work_inputs.c.partition, work_inputs.c.oldest_offset),
    "timers": _oldest(timer_inputs.c.topic, timer_inputs.c.partition, timer_inputs.c.oldest_offset),
    "outbox": _oldest(outbox.c.input_topic, outbox.c.input_partition, outbox.c.input_offset),
}
