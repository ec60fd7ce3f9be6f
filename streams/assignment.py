"""Where to start reading each partition: at its fence, if the fence still fits the broker.

Errors:
    FenceRefused
    └── the fence belongs to another cluster or topic, or lies beyond the log's end
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from infra import fences, outbox
from infra.database import Store
from infra.fences import Partition
from infra.kafka.admin import TopicIdentity
from infra.outbox import Cause, Output
from streams.holes import Lost

REMEDIES = (
    "if the broker was set up anew, start over with `millrace down --wipe`; "
    "if you know that nothing is missing, accept it with `millrace fences reset --agent AGENT --to adopt`"
)

Identify = Callable[[list[str]], Mapping[str, TopicIdentity]]
Ranges = Callable[[list[Partition]], Mapping[Partition, tuple[int, int]]]
Lose = Callable[[Partition, Lost], tuple[Output, Cause]]


class FenceRefused(RuntimeError):
    """Going on from this fence would count twice or skip."""


class Assignment:
    """Checks and creates fences when partitions are assigned. Called in the store's thread.

    Args:
        store: Where fences live.
        identify: Topics -> their identity on the broker.
        ranges: Partitions -> the log's (start, end).
        lose: Makes the dead letter of a range that the broker has deleted.
    """

    def __init__(self, store: Store, identify: Identify, ranges: Ranges, lose: Lose) -> None:
        self._store = store
        self._identify = identify
        self._ranges = ranges
        self._lose = lose

    def fences(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offset each partition is to be read from.

        A first fence is the log's start. What the broker deleted above a fence becomes a dead letter.

        Raises:
            FenceRefused: If a fence does not fit the broker.
        """
        wanted = sorted(set(partitions))
        identities = self._identify(sorted({topic for topic, _ in wanted}))
        ranges = self._ranges(wanted)
        standing = self._standing(wanted)
        for partition, row in standing.items():
            check_fence(row, identities[partition[0]], ranges[partition][1])
        starts = {partition: start for partition, (start, _) in ranges.items()}
        if any(
            partition not in standing or standing[partition].next_offset < starts[partition] for partition in wanted
        ):
            self._settle(wanted, identities, starts)
            standing = self._standing(wanted)
        return {partition: row.next_offset for partition, row in standing.items()}

    def check(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Hold the fences of partitions in use against the broker.

        Returns:
            Those whose log goes on: partition -> (fence, end of what is committed).

        Raises:
            FenceRefused: If a fence does not fit the broker any more.
        """
        standing = self._standing(sorted(set(partitions)))  # before the ends, which only grow
        identities = self._identify(sorted({topic for topic, _ in standing})) if standing else {}
        ends = {partition: end for partition, (_, end) in self._ranges(list(standing)).items()} if standing else {}
        for partition, row in standing.items():
            check_fence(row, identities[partition[0]], ends[partition])
        return {
            partition: (row.next_offset, ends[partition])
            for partition, row in standing.items()
            if row.next_offset < ends[partition]
        }

    def _standing(self, wanted: Sequence[Partition]) -> dict[Partition, Any]:
        with self._store.read() as connection:
            return fences.read_fences(connection, wanted)

    def _settle(
        self,
        wanted: Sequence[Partition],
        identities: Mapping[str, TopicIdentity],
        starts: Mapping[Partition, int],
    ) -> None:
        def settle(connection: Connection) -> None:
            for partition in wanted:
                start, identity = starts[partition], identities[partition[0]]
                fences.create(connection, partition, start, identity.cluster_id, identity.topic_id)
                here = fences.next_offset(connection, partition, hold=True)
                if here < start:  # deleted before it was read: told once, never skipped in silence
                    fences.advance(connection, partition, here, start)
                    outbox.add(connection, [self._lose(partition, Lost(here, start))])

        self._store.change(settle)


def check_fence(row: Any, identity: TopicIdentity, end: int) -> None:
    """Hold one fence against the broker.

    Raises:
        FenceRefused: If it does not fit.
    """
    place = f"{row.topic}:{row.partition}"
    if row.cluster_id != identity.cluster_id:
        raise FenceRefused(
            f"the fence of {place} is from Kafka cluster {row.cluster_id}, this is {identity.cluster_id}; {REMEDIES}"
        )
    if row.topic_id != identity.topic_id:
        raise FenceRefused(f"{row.topic} was deleted and created again since its fence was written; {REMEDIES}")
    if row.next_offset > end:
        raise FenceRefused(
            f"the fence of {place} is at {row.next_offset}, but the log ends at {end}; the broker lost data; {REMEDIES}"
        )
