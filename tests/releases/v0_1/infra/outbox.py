"""The outbox: outputs wait beside the state that made them until the broker has them."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from tests.releases.v0_1.infra.fences import Partition
from tests.releases.v0_1.schemas.tables import outbox


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
            "headers": _pack(output.headers),
        }
        for output, cause in outputs
    ]
    if rows:
        connection.execute(outbox.insert(), rows)


def oldest(connection: Connection, partitions: Sequence[Partition], limit: int) -> list[Waiting]:
    """List what waits for some input partitions, oldest first."""
    mine = sa.tuple_(outbox.c.input_topic, outbox.c.input_partition).in_(partitions)
    query = sa.select(outbox).where(mine).order_by(outbox.c.seq).limit(limit)
    return [
        Waiting(
            row.seq,
            Output(row.topic, row.key, row.value, _unpack(row.headers)),
            Cause(row.input_topic, row.input_partition, row.input_offset),
        )
        for row in connection.execute(query)
    ]


def remove(connection: Connection, seqs: Sequence[int]) -> None:
    """Forget outputs that the broker has."""
    connection.execute(outbox.delete().where(outbox.c.seq == sa.bindparam("done")), [{"done": seq} for seq in seqs])


def replace(connection: Connection, seq: int, output: Output) -> None:
    """Put another output in the place of one the broker refuses."""
    values = {"topic": output.topic, "key": output.key, "value": output.value, "headers": _pack(output.headers)}
    connection.execute(outbox.update().where(outbox.c.seq == seq).values(values))


def depth(connection: Connection) -> int:
    """Count what waits."""
    return connection.scalar(sa.select(sa.func.count()).select_from(outbox)) or 0


def _pack(headers: Mapping[str, bytes]) -> bytes:
    return msgspec.json.encode([(name, base64.b64encode(value).decode()) for name, value in headers.items()])


def _unpack(headers: bytes) -> dict[str, bytes]:
    pairs = msgspec.json.decode(headers, type=list[tuple[str, str]])
    return {name: base64.b64decode(value) for name, value in pairs}
