"""What a worker waits for before it can begin: its database, the broker, its topics."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra.database import Store, Waits, open_store
from infra.errors import BrokerUnreachable, InfraError, TopicMissing
from infra.kafka.admin import Broker, TopicIdentity
from infra.places import StorePlace
from infra.store_errors import StoreUnreachable
from schemas.heartbeats import State
from streams.delivery import Progress
from streams.pulse import Pulse

RETRY_S = 1.0

log = structlog.get_logger("worker")


class Waiting:
    """Waits for ever, and says for what in the heartbeat.

    Args:
        place: Where the agent's store is.
        waits: Given to the store.
        broker: Asked for the topics.
        pulse: Told what is waited for.
        progress: Told why.
    """

    def __init__(self, place: StorePlace, waits: Waits, broker: Broker, pulse: Pulse, progress: Progress) -> None:
        self._place = place
        self._waits = waits
        self._broker = broker
        self._pulse = pulse
        self._progress = progress

    async def for_database(self) -> Store:
        """Open the store as soon as its database answers.

        Raises:
            StoreError: If it answers, but waiting does not help.
        """
        while True:
            try:
                store = await asyncio.to_thread(open_store, self._place, self._waits)
            except StoreUnreachable as error:
                await self._again("waiting_for_database", error)
            else:
                self._pulse.state, self._progress.last_error = "starting", None
                return store

    async def for_broker(self, topics: Sequence[str]) -> Mapping[str, TopicIdentity]:
        """Return when the broker answers and has some topics: Faust would never notice one that is made later."""
        while True:
            try:
                return await asyncio.to_thread(self._broker.identify, list(topics))
            except (BrokerUnreachable, TopicMissing) as error:
                await self._again("waiting_for_broker", error)

    async def for_producer(self, options: Mapping[str, Any]) -> Any:
        """Return a started aiokafka producer that gives up no output.

        Args:
            options: How to connect.
        """
        while True:
            producer = AIOKafkaProducer(
                **options,
                acks="all",
                linger_ms=5,
                max_batch_size=262_144,
                max_request_size=12 * 2**20,
                request_timeout_ms=60_000,
            )
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                await producer.stop()
                self._progress.last_error = repr(error)
                await asyncio.sleep(RETRY_S)
            else:
                return producer

    async def _again(self, state: State, error: InfraError) -> None:
        if self._progress.last_error != str(error):
            log.warning("waiting", agent=self._place.agent, why=str(error))
        self._pulse.state = state
        self._progress.last_error = str(error)
        await asyncio.sleep(RETRY_S)
