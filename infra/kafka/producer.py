"""Send many records fast, and know where each one stands."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, RequestTimedOutError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from infra.errors import BrokerRefused, BrokerUnreachable
from infra.kafka.connection import check_reachable, stream_options
from infra.settings import KafkaSettings

BATCH_BYTES = 262_144
LINGER_S = 0.1
"""How long a record may wait for company."""

PATIENCE_S = 60.0
"""How long the broker may confirm nothing while something is under way."""

STOP_S = 5.0

log = structlog.get_logger("producer")
Result = TypeVar("Result")

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(slots=True)
class _Batch:
    builder: BatchBuilder
    opened_at: float
    numbers: list[int]  # of its records, in the order they were sent


class BulkProducer:
    """An idempotent producer that packs records itself: aiokafka's ``send`` costs several times as much.

    The broker confirms every record (acks = all). Records of one key keep their order.

    Args:
        settings: Where the broker is and how to log in.
        topic: Full name.
        partitions: How many the topic has.
        confirmed: Called with the number of a record, from 0 in the order of ``send``, and its receipt.

    Example:
        ``async with BulkProducer(settings, topic, 8, confirmed) as producer: await producer.send(key, value, headers)``
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, partitions: int, confirmed: Callable[[int, Receipt], None]
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._partitions = partitions
        self._confirmed = confirmed
        self._open: dict[int, _Batch] = {}
        self._under_way: set[asyncio.Future[Any]] = set()
        self._sent = 0
        self._error: KafkaError | None = None
        self._moved_at = time.monotonic()  # when the broker last confirmed something that was under way

    async def __aenter__(self) -> Self:
        check_reachable(self._settings)
        self._client = AIOKafkaProducer(
            **stream_options(self._settings), acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        with self._translated():
            await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.wait_for(self._client.stop(), STOP_S)  # it would try to send for ever
        except TimeoutError:
            log.debug("left batches behind", topic=self._topic)

    async def send(
        self, key: bytes | None, value: bytes | None, headers: Headers, partition: int | None = None
    ) -> None:
        """Hand over one record; it is sent with the next full or old enough batch.

        Args:
            key: Decides the partition, unless one is named.
            value: None is a tombstone.
            headers: In this order.
            partition: Where it must go; needed without a key.

        Raises:
            BrokerUnreachable: If a batch could not be sent.
            BrokerRefused: If the broker did not take a batch.
        """
        partition = partition_of(key or b"", self._partitions) if partition is None else partition
        batch = self._open.get(partition) or self._begin(partition)
        if batch.builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            await self._dispatch(partition)
            batch = self._begin(partition)
            batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
        batch.numbers.append(self._sent)
        self._sent += 1

    async def flush(self, older_than_s: float = LINGER_S) -> None:
        """Send what has waited for company long enough.

        Args:
            older_than_s: Leave batches alone that were opened less than so long ago.

        Raises:
            BrokerUnreachable: If a batch could not be sent.
            BrokerRefused: If the broker did not take a batch.
        """
        now = time.monotonic()
        for partition in [number for number, batch in self._open.items() if now - batch.opened_at >= older_than_s]:
            await self._dispatch(partition)

    async def finish(self) -> None:
        """Send everything and wait until the broker has confirmed it.

        Raises:
            BrokerUnreachable: If a batch could not be sent.
            BrokerRefused: If the broker did not take a batch.
        """
        await self.flush(0.0)
        while self._under_way:
            await self._patiently(asyncio.wait(set(self._under_way), timeout=1.0))
        self._check()

    def _begin(self, partition: int) -> _Batch:
        batch = _Batch(self._client.create_batch(), time.monotonic(), [])
        self._open[partition] = batch
        return batch

    async def _dispatch(self, partition: int) -> None:
        self._check()
        batch = self._open.pop(partition)
        batch.builder.close()
        with self._translated():  # waits while the partition has another batch to send
            sending = self._client.send_batch(batch.builder, self._topic, partition=partition)
            delivered = await self._patiently(sending)
        if not self._under_way:
            self._moved_at = time.monotonic()
        self._under_way.add(delivered)
        delivered.add_done_callback(functools.partial(self._settle, batch.numbers))

    def _settle(self, numbers: list[int], delivered: "asyncio.Future[Any]") -> None:
        self._under_way.discard(delivered)
        self._moved_at = time.monotonic()
        if delivered.cancelled():
            return
        error = delivered.exception()
        if isinstance(error, KafkaError):
            self._error = self._error or error
            return
        first = delivered.result()
        for index, number in enumerate(numbers):
            self._confirmed(number, Receipt(self._topic, first.partition, first.offset + index))

    async def _patiently(self, waiting: Coroutine[Any, Any, Result]) -> Result:
        """Wait, but not for ever on a broker that confirms nothing: an idempotent producer would."""
        task = asyncio.ensure_future(waiting)
        while not task.done():
            await asyncio.wait({task}, timeout=1.0)
            if self._under_way and time.monotonic() - self._moved_at > PATIENCE_S:
                task.cancel()
                raise BrokerUnreachable(self._settings.address, f"nothing confirmed for {PATIENCE_S:.0f} s")
        return task.result()

    def _check(self) -> None:
        if self._error is not None:
            with self._translated():
                raise self._error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (KafkaConnectionError, KafkaTimeoutError, RequestTimedOutError) as error:
            raise BrokerUnreachable(self._settings.address, str(error)) from error
        except KafkaError as error:
            told = f"the broker at {self._settings.address} refused: {type(error).__name__} {error}"
            raise BrokerRefused(told, "See the broker's log.") from error


@functools.lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Tell which partition a key belongs to."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions  # as Java's clients do
