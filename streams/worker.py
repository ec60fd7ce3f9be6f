"""One worker process: one agent, its consumer group membership, its services, its heartbeat."""

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust import StreamT

from infra.database import Store, Waits, open_engine
from infra.errors import BrokerUnreachable, TopicMissing
from infra.fences import Partition
from infra.kafka import stream_options
from infra.kafka_admin import Broker
from infra.kafka_probe import Probe, probe
from infra.outbox import Cause, Output, Waiting
from infra.settings import Settings
from schemas.heartbeats import Counters
from streams.app import build_app
from streams.assembly import TABLES, Context, assemble
from streams.assignment import Assignment, FenceRefused
from streams.delivery import Applier, Progress, deliver, give_up
from streams.events import Crash, Handler
from streams.graph import AGENTS, SUPERSEDING
from streams.holes import Holes, Lost
from streams.letters import lost_range, refused_output
from streams.publisher import Publisher
from streams.pulse import Pulse, partition_states
from streams.runs import Run, RunConsumer, RunHooks, run_transport
from streams.topics import topic_name

REFUSED = 78
"""Exit code of a worker whose fences do not fit the broker: restarting does not help."""

BROKER_RETRY_S = 1.0
PROBE_S = 10.0
STOP_S = 50.0
"""Longer than a rebalance waits for the run in hand, shorter than the supervisor's patience."""

log = structlog.get_logger("worker")


class Worker:
    """Everything of one worker process.

    Args:
        agent: A name in ``AGENTS``.
        slot: Which of the agent's workers this is.
        settings: All settings.
        crash: Crash points.
    """

    def __init__(self, agent: str, slot: int, settings: Settings, crash: Crash) -> None:
        self._agent = agent
        self._slot = slot
        self._settings = settings
        self._crash = crash
        self._counters = Counters()
        self._progress = Progress(self._counters)
        self._waits = Waits()
        self._store = Store(open_engine(settings.home / "state" / f"{agent}.db", TABLES[agent]), self._waits)
        self._broker = Broker(settings.kafka)
        self._consumer: RunConsumer | None = None
        self._stop = asyncio.Event()
        self._pulse = Pulse(agent, slot, settings.home, self._store, self._progress, self._waits)

    async def run(self) -> int:
        """Run until SIGTERM; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        beat = asyncio.create_task(self._guard(self._pulse.beat_for_ever(self._stop.set)))
        try:
            if not await self._stopped_while(self._wait_for_broker()):
                await self._consume()
        finally:
            beat.cancel()
            self._pulse.beat()
            self._store.close()
        return 0

    async def _stopped_while(self, waiting: Awaitable[None]) -> bool:
        task, stop = asyncio.ensure_future(waiting), asyncio.ensure_future(self._stop.wait())
        done, _ = await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()
        task.cancel()
        stop.cancel()
        return stop in done

    async def _wait_for_broker(self) -> None:
        """Wait until the broker answers and has our topics; Faust would never notice a topic made later."""
        spec = AGENTS[self._agent]
        topics = [self._topic(name) for name in (*spec.inputs, *spec.outputs, "dead-letters")]
        while True:
            try:
                await asyncio.to_thread(self._broker.identify, topics)
                return
            except (BrokerUnreachable, TopicMissing) as error:
                if self._progress.last_error != str(error):
                    log.warning("waiting", agent=self._agent, why=str(error))
                self._pulse.state = "waiting_for_broker"
                self._progress.last_error = str(error)
                await asyncio.sleep(BROKER_RETRY_S)

    async def _consume(self) -> None:
        producer = await self._start_producer()
        context = Context(
            self._settings,
            self._store,
            self._counters,
            f"{self._agent}-{self._slot}",
            self._mine,
            time.time,
            self._crash,
        )
        parts = assemble(self._agent, context)
        publisher = self._publisher(producer)
        applier = self._applier(parts.handler)
        app = self._build(applier, publisher)
        services = [publisher, *(make(publisher) for make in parts.services)]
        await app.start()
        self._consumer = app.consumer
        self._pulse.state, self._progress.last_error = "running", None
        self._pulse.partitions = lambda: partition_states(app.consumer, applier.fences)
        tasks = [asyncio.create_task(self._guard(service.run())) for service in services]
        await app.wait(self._stop.wait())
        await self._leave(app, producer, tasks)

    def _applier(self, handler: Handler[Any]) -> Applier:
        return Applier(
            self._agent,
            handler,
            self._store,
            Holes(self._probe),
            dead_letters=self._topic("dead-letters"),
            progress=self._progress,
            now=time.time,
            crash=self._crash,
        )

    async def _leave(self, app: Any, producer: Any, tasks: list[asyncio.Task[None]]) -> None:
        if app.crashed:
            give_up(f"faust crashed: {app.crash_reason!r}")
        self._pulse.state = "stopping"
        for task in tasks:
            task.cancel()
        try:
            await asyncio.wait_for(self._close(app, producer), STOP_S)
        except TimeoutError:  # the broker is away: commits can wait, everything else is durable
            give_up(f"the broker did not answer for {STOP_S:.0f} s while stopping")

    async def _close(self, app: Any, producer: Any) -> None:
        await app.stop()
        await producer.stop()

    async def _start_producer(self) -> Any:
        options = stream_options(self._settings.kafka)
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
                return producer
            except (KafkaError, OSError) as error:
                await producer.stop()
                self._progress.last_error = repr(error)
                await asyncio.sleep(BROKER_RETRY_S)

    def _publisher(self, producer: Any) -> Publisher:
        return Publisher(
            self._store,
            producer,
            mine=self._mine,
            superseding=[self._topic(name) for name in SUPERSEDING],
            refuse=self._refuse,
            counters=self._counters,
            waits=self._waits,
            crash=self._crash,
        )

    def _refuse(self, waiting: Waiting) -> Output:
        return refused_output(waiting, self._agent, self._topic("dead-letters"), time.time())

    def _build(self, applier: Applier, publisher: Publisher) -> Any:
        app = build_app(self._agent, self._slot, self._settings.kafka, str(self._settings.home / "faust"))
        app.loop = asyncio.get_running_loop()
        raw: dict[str, Any] = {
            "value_type": bytes,
            "value_serializer": "raw",
            "key_type": bytes,
            "key_serializer": "raw",
        }
        source = app.topic(*[self._topic(name) for name in AGENTS[self._agent].inputs], acks=False, **raw)

        async def consume(stream: StreamT[Run]) -> None:
            await deliver(
                stream,
                lambda: app.consumer,
                applier,
                self._store,
                publisher,
                progress=self._progress,
                now=time.time,
                crash=self._crash,
            )

        app.agent(source, name=self._agent, concurrency=1)(consume)
        app.finalize()
        app.transport = run_transport(self._hooks(applier), app.conf.broker_consumer, app)
        return app

    def _hooks(self, applier: Applier) -> RunHooks:
        return RunHooks(
            fences=lambda assigned: self._fences(assigned, applier),
            give_up=give_up,
            run_size=self._settings.digest.run_size,
        )

    async def _fences(self, assigned: set[Any], applier: Applier) -> dict[Any, int]:
        places = {(tp.topic, tp.partition): tp for tp in assigned}
        assignment = Assignment(self._store, self._broker.identify, self._broker.log_ranges, self._lose)
        try:
            found = await self._store.run(lambda: assignment.fences(places))
        except FenceRefused as error:
            self._progress.last_error = str(error)
            self._pulse.beat()
            log.error("refusing to start", why=str(error))
            sys.stderr.flush()
            os._exit(REFUSED)
        applier.assigned(found)
        return {places[place]: fence for place, fence in found.items()}

    def _lose(self, partition: Partition, lost: Lost) -> tuple[Output, Cause]:
        return lost_range(partition, lost, self._agent, self._topic("dead-letters"), datetime.now(UTC))

    def _probe(self, topic: str, partition: int, start: int, until: int) -> Probe:
        with self._waits():
            return probe(self._settings.kafka, (topic, partition), start, until, PROBE_S)

    def _topic(self, name: str) -> str:
        return topic_name(self._settings.kafka.prefix, name)

    def _mine(self) -> Collection[Partition]:
        if self._consumer is None:
            return ()
        return {(tp.topic, tp.partition) for tp in self._consumer.assignment()}

    async def _guard(self, service: Awaitable[None]) -> None:
        try:
            await service
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self._progress.last_error = repr(error)
            traceback.print_exc()
            give_up(repr(error))
