"""The outbox: outputs wait beside the state that made them until the broker has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Partition
from infra.headers import pack, unpack
from schemas.tables import outbox


@dataclass(frozen=True, slots=True)
class Output:
    """One record for one topic."""

    topic: str  # physical name
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """The input an output is owed to; it holds the watermark until the output is published."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An output that the broker has not confirmed yet."""

    seq: int
    output: Output
    cause: Cause


def add(connection: Connection, outputs: Iterable[tuple[Output, Cause]]) -> None:
    """Queue outputs in order."""
    rows = [
        {
            "input_topic": cause.topic,
            "input_partition": cause.partition,
            "input_offset": cause.offset,
            "topic": output.topic,
            "key": output.key,
            "value": output.value,
            "headers": pack(output.headers),
        }
        for output, cause in outputs
    ]
    if rows:
        connection.execute(outbox.insert(), rows)


def oldest(connection: Connection, partitions: Sequence[Partition], limit: int) -> list[Waiting]:
    """List what waits for some input partitions, oldest first."""
    mine = sa.tuple_(outbox.c.input_topic, outbox.c.input_partition).in_(partitions)
    query = sa.select(outbox).where(mine).order_by(outbox.c.seq).limit(limit)
    return [_waiting(row) for row in connection.execute(query)]


def for_topic(connection: Connection, topic: str) -> list[Waiting]:
    """List what waits for one topic, whatever its key and input, oldest first."""
    query = sa.select(outbox).where(outbox.c.topic == topic).order_by(outbox.c.seq)
    return [_waiting(row) for row in connection.execute(query)]


def remove(connection: Connection, seqs: Sequence[int]) -> None:
    """Forget outputs that the broker has."""
    connection.execute(
        outbox.delete().where(outbox.c.seq == sa.bindparam("done")), [{"done": seq} for seq in sorted(seqs)]
    )


def replace(connection: Connection, seq: int, output: Output) -> None:
    """Put another output in the place of one the broker refuses."""
    values = {"topic": output.topic, "key": output.key, "value": output.value, "headers": pack(output.headers)}
    connection.execute(outbox.update().where(outbox.c.seq == seq).values(values))


def supersede(connection: Connection, topic: str, key: bytes, output: Output) -> None:
    """Let what waits for one key say what the newest output says: its older contents must not leave any more."""
    older = sa.and_(outbox.c.topic == topic, outbox.c.key == key)
    connection.execute(sa.select(outbox.c.seq).where(older).order_by(outbox.c.seq).with_for_update())
    values = {"value": output.value, "headers": pack(output.headers)}
    connection.execute(outbox.update().where(older).values(values))


def depth(connection: Connection) -> int:
    """Count what waits."""
    return connection.scalar(sa.select(sa.func.count()).select_from(outbox)) or 0


def _waiting(row: Any) -> Waiting:
    return Waiting(
        row.seq,
        Output(row.topic, row.key, row.value, unpack(row.headers)),
        Cause(row.input_topic, row.input_partition, row.input_offset),
    )
