"""Send what waits in the outbox, in order, and forget it when the broker has it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from infra import outbox
from infra.database import Store, Waits
from infra.fences import Partition
from infra.outbox import Output, Waiting
from schemas.heartbeats import Counters

ROWS = 1_000
"""Outbox rows read at once."""

RETRY_S = 1.0

log = structlog.get_logger("publisher")
TooLarge = (MessageSizeTooLargeError, RecordListTooLargeError)


class Publisher:
    """The one task of a process that publishes.

    Args:
        store: The agent's store.
        producer: A started aiokafka producer with ``acks=all``.
        mine: The input partitions this process owns now.
        superseding: Topics whose key's latest record says everything: older ones may be skipped.
        refuse: Makes the dead letter for an output the broker refuses for its size.
        counters: Where confirmed outputs are counted.
        waits: Told while the broker does not answer.
        crash: Called with the name of each crash point.
    """

    def __init__(
        self,
        store: Store,
        producer: Any,
        *,
        mine: Callable[[], Collection[Partition]],
        superseding: Collection[str],
        refuse: Callable[[Waiting], Output],
        counters: Counters,
        waits: Waits,
        crash: Callable[[str], None],
    ) -> None:
        self._store = store
        self._producer = producer
        self._mine = mine
        self._superseding = superseding
        self._refuse = refuse
        self._counters = counters
        self._waits = waits
        self._crash = crash
        self._lock = asyncio.Lock()
        self._partitioner = DefaultPartitioner()

    async def flush(self) -> None:
        """Publish everything that waits for our partitions; returns when the broker has it all.

        A broker that does not answer is waited for: outputs are never given up.
        """
        async with self._lock:
            send = self._send
            # Read again after a failure: what waits for partitions that moved away meanwhile is not ours to send.
            while rows := await asyncio.to_thread(self._read):
                try:
                    await send(latest(rows, self._superseding))
                except TooLarge:
                    send = self._send_each
                except (KafkaError, ConnectionError, TimeoutError) as error:
                    log.warning("broker does not take outputs, trying again", error=repr(error), rows=len(rows))
                    with self._waits():
                        await asyncio.sleep(RETRY_S)
                else:
                    send = self._send
                    self._crash("after_publish")
                    await asyncio.to_thread(self._remove, [row.seq for row in rows])
                    self._crash("after_delete")

    async def run(self, poll_s: float = 1.0) -> None:
        """Publish for ever, also what other processes queued for our partitions."""
        while True:
            await self.flush()
            await asyncio.sleep(poll_s)

    def _read(self) -> list[Waiting]:
        mine = sorted(self._mine())
        if not mine:
            return []
        with self._store.read() as connection:
            return outbox.oldest(connection, mine, ROWS)

    def _remove(self, seqs: Sequence[int]) -> None:
        self._store.change(lambda connection: outbox.remove(connection, seqs))

    async def _send(self, rows: Sequence[Waiting]) -> None:
        by_partition: dict[tuple[str, int], list[Waiting]] = defaultdict(list)
        with self._waits():
            for row in rows:
                by_partition[row.output.topic, await self._partition(row.output)].append(row)
            receipts = []
            for (topic, partition), group in by_partition.items():
                receipts += await self._send_group(topic, partition, group)
            await asyncio.gather(*receipts)
        self._counters.outputs += len(rows)

    async def _partition(self, output: Output) -> int:
        partitions = sorted(await self._producer.partitions_for(output.topic))
        return int(self._partitioner(output.key, partitions, partitions))

    async def _send_group(self, topic: str, partition: int, rows: Sequence[Waiting]) -> list[Any]:
        receipts = []
        batch = self._producer.create_batch()
        for row in rows:
            if not _append(batch, row.output):
                if batch.record_count():
                    receipts.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                if not _append(batch, row.output):
                    raise MessageSizeTooLargeError(f"{len(row.output.value or b'')} bytes")
        if batch.record_count():
            receipts.append(await self._producer.send_batch(batch, topic, partition=partition))
        return receipts

    async def _send_each(self, rows: Sequence[Waiting]) -> None:
        with self._waits():
            for row in rows:
                await self._send_alone(row)
                self._counters.outputs += 1

    async def _send_alone(self, row: Waiting) -> None:
        output = row.output
        while True:
            partition, headers = await self._partition(output), list(output.headers.items())
            try:
                await self._producer.send_and_wait(output.topic, output.value, output.key, partition, headers=headers)
                return
            except TooLarge:
                log.error("the broker refuses an output for its size", topic=output.topic, seq=row.seq)
                output = self._refuse(replace(row, output=output))
                await asyncio.to_thread(self._replace, row.seq, output)

    def _replace(self, seq: int, output: Output) -> None:
        self._store.change(lambda connection: outbox.replace(connection, seq, output))


def latest(rows: Sequence[Waiting], superseding: Collection[str]) -> list[Waiting]:
    """Leave out rows that a later row with the same key says better."""
    seen: set[tuple[str, bytes | None]] = set()
    kept = []
    for row in reversed(rows):
        place = (row.output.topic, row.output.key)
        if row.output.topic in superseding and place in seen:
            continue
        seen.add(place)
        kept.append(row)
    return kept[::-1]


def _append(batch: Any, output: Output) -> bool:
    headers = list(output.headers.items())
    return batch.append(key=output.key, value=output.value, timestamp=None, headers=headers) is not None
