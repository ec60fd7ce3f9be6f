"""Fences: up to which offset of each partition events are in the state.

Errors:
    Moved
    └── raised by ``advance``: another worker was first; decide again
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.locking import insert_new
from schemas.tables import fences

Partition = tuple[str, int]
"""(physical topic name, partition)."""


class Moved(RuntimeError):
    """The state is no longer what the decision was made from."""


def read_fences(
    connection: Connection, partitions: Iterable[Partition]
) -> dict[Partition, sa.Row[tuple[str, int, int, str, str]]]:
    """Read the fence rows of some partitions; those never consumed are absent."""
    wanted = set(partitions)
    rows = connection.execute(sa.select(fences).where(fences.c.topic.in_({topic for topic, _ in wanted})))
    return {(row.topic, row.partition): row for row in rows if (row.topic, row.partition) in wanted}


def next_offset(connection: Connection, partition: Partition, *, hold: bool = False) -> int:
    """Read one fence.

    Args:
        connection: In a transaction.
        partition: Whose.
        hold: Keep other workers from moving it until the transaction ends; for write transactions.

    Raises:
        Moved: If the partition has none: it was reset under a running worker.
    """
    topic, number = partition
    query = sa.select(fences.c.next_offset).where(fences.c.topic == topic, fences.c.partition == number)
    found = connection.scalar(query.with_for_update() if hold else query)  # SQLite holds everything anyway
    if found is None:
        raise Moved(f"{topic}:{number} has no fence any more; it was reset while a worker ran")
    return int(found)


def create(connection: Connection, partition: Partition, start: int, cluster_id: str, topic_id: str) -> None:
    """Store the first fence of a partition; a second worker's is ignored."""
    topic, number = partition
    row = {
        "topic": topic,
        "partition": number,
        "next_offset": start,
        "cluster_id": cluster_id,
        "topic_id": topic_id,
    }
    insert_new(connection, fences, row)


def advance(connection: Connection, partition: Partition, standing: int, following: int) -> None:
    """Move a fence by compare-and-set.

    Raises:
        Moved: If it is not at ``standing`` any more.
    """
    topic, number = partition
    here = sa.and_(fences.c.topic == topic, fences.c.partition == number, fences.c.next_offset == standing)
    if connection.execute(fences.update().where(here).values(next_offset=following)).rowcount != 1:
        raise Moved(f"{topic}:{number} moved away from {standing}")
