"""One worker process: one agent, its consumer group membership, its services, its heartbeat."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

import structlog
from faust import StreamT

from infra import outbox
from infra.database import Store, Waits
from infra.fences import Partition
from infra.kafka.admin import Broker
from infra.kafka.connection import stream_options
from infra.kafka.probe import Probe, Prober
from infra.outbox import Cause, Output
from infra.rows.collection_rows import CollectionMismatch
from infra.settings import Settings
from infra.slots import SlotTaken, slot_name, take_slot
from infra.store_errors import StoreError, StoreUnusable
from infra.vectors.vector_store import WrongModel
from schemas.heartbeats import REFUSED, Counters
from streams.app import build_app
from streams.assembly import assemble
from streams.assignment import Assignment, FenceRefused
from streams.delivery import Applier, Progress, deliver, give_up, tell
from streams.events import Crash, Handler
from streams.graph import AGENTS, SUPERSEDING
from streams.holes import Holes, Lost
from streams.letters import lost_range, refused_output
from streams.parts import Context, Unusable
from streams.places import store_place
from streams.publisher import Publisher
from streams.pulse import Pulse, partition_states
from streams.runs import Run, RunConsumer, RunHooks, run_transport
from streams.topics import topic_name
from streams.waiting import Waiting
from streams.watching import Watch

REFUSALS = (FenceRefused, CollectionMismatch, WrongModel, Unusable)

PROBE_S = 10.0
STOP_S = 50.0
"""Longer than a rebalance waits for the run in hand, shorter than the supervisor's patience."""

log = structlog.get_logger("worker")
Waited = TypeVar("Waited")


class Worker:
    """Everything of one worker process.

    Args:
        agent: A name in ``AGENTS``.
        slot: Which of the agent's workers this is.
        settings: All settings.
        crash: Crash points.
        parent: Process id of its supervisor, without whom it stops; none is whoever started it.
    """

    def __init__(self, agent: str, slot: int, settings: Settings, crash: Crash, parent: int | None = None) -> None:
        self._agent = agent
        self._slot = slot
        self._name = slot_name(settings.home, agent, slot)
        self._run_size = (settings.features if agent == "featurize" else settings.digest).run_size
        self._settings = settings
        self._crash = crash
        self._counters = Counters()
        self._progress = Progress(self._counters)
        self._waits = Waits()
        self._broker = Broker(settings.kafka)
        self._prober = Prober(settings.kafka)
        self._consumer: RunConsumer | None = None
        self._stop = asyncio.Event()
        self._pulse = Pulse(agent, slot, settings.home, self._progress, self._waits, parent)
        place = store_place(settings, agent)
        self._waiting = Waiting(place, self._waits, self._broker, self._pulse, self._progress)

    async def run(self) -> int:
        """Run until SIGTERM; returns the exit code."""
        try:
            place = take_slot(self._settings.home, self._agent, self._slot)
        except SlotTaken as error:  # no word in the heartbeat file: it is the other one's
            log.error("refusing to start", why=str(error))
            return REFUSED
        with place:
            return await self._run()

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        beat = asyncio.create_task(self._guard(self._pulse.beat_for_ever(self._stop.set)))
        try:
            await self._guard(self._work())
        finally:
            beat.cancel()
            self._pulse.beat()
        return 0

    async def _work(self) -> None:
        try:
            store = await self._unless_stopped(self._waiting.for_database())
        except StoreUnusable as error:
            self._refuse(str(error))
        if store is None:
            return
        self._pulse.store = store
        try:
            spec = AGENTS[self._agent]
            topics = [self._topic(name) for name in (*spec.inputs, *spec.outputs, "dead-letters")]
            if await self._unless_stopped(self._waiting.for_broker(topics)):
                await self._consume(store)
            await asyncio.to_thread(self._pulse.look)
        finally:
            store.close()

    async def _unless_stopped(self, waiting: Awaitable[Waited]) -> Waited | None:
        task, stop = asyncio.ensure_future(waiting), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None

    async def _consume(self, store: Store) -> None:
        producer = await self._waiting.for_producer(stream_options(self._settings.kafka))
        context = Context(
            self._settings,
            store,
            self._counters,
            self._name,
            self._mine,
            time.time,
            self._crash,
        )
        parts = await store.run(lambda: assemble(self._agent, context))  # models load while the heart beats
        self._pulse.circuits, self._pulse.reasons = parts.circuits, parts.reasons
        publisher = self._publisher(store, producer)
        applier = self._applier(store, parts.handler)
        assignment = Assignment(store, self._broker.identify, self._broker.log_ranges, self._lose)
        app = self._build(store, applier, publisher, assignment)
        watch = Watch(store, assignment, self._glance, self._mine)
        services = [publisher, watch, *(make(publisher) for make in parts.services)]
        await app.start()
        self._consumer = app.consumer
        self._pulse.state, self._progress.last_error = "running", None
        self._pulse.partitions = lambda: partition_states(app.consumer, applier.fences)
        tasks = [asyncio.create_task(self._guard(service.run())) for service in services]
        await app.wait(self._stop.wait())
        await self._leave(app, producer, tasks)

    def _applier(self, store: Store, handler: Handler[Any]) -> Applier:
        return Applier(
            self._agent,
            handler,
            store,
            Holes(self._probe),
            dead_letters=self._topic("dead-letters"),
            progress=self._progress,
            now=time.time,
            crash=self._crash,
        )

    async def _leave(self, app: Any, producer: Any, tasks: list[asyncio.Task[None]]) -> None:
        if app.crashed:
            self._give_up(f"faust crashed: {app.crash_reason!r}")
        self._pulse.state = "stopping"
        for task in tasks:
            task.cancel()
        try:
            await asyncio.wait_for(self._close(app, producer), STOP_S)
        except TimeoutError:  # the broker is away: commits can wait, everything else is durable
            self._give_up(f"the broker did not answer for {STOP_S:.0f} s while stopping")

    async def _close(self, app: Any, producer: Any) -> None:
        await app.stop()
        await producer.stop()

    def _publisher(self, store: Store, producer: Any) -> Publisher:
        return Publisher(
            store,
            producer,
            mine=self._mine,
            superseding=[self._topic(name) for name in SUPERSEDING],
            refuse=self._dead_letter,
            counters=self._counters,
            waits=self._waits,
            crash=self._crash,
        )

    def _dead_letter(self, waiting: outbox.Waiting) -> Output:
        return refused_output(waiting, self._agent, self._topic("dead-letters"), time.time())

    def _build(self, store: Store, applier: Applier, publisher: Publisher, assignment: Assignment) -> Any:
        app = build_app(self._agent, self._name, self._settings.kafka, str(self._settings.home / "faust"))
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
                store,
                publisher,
                progress=self._progress,
                now=time.time,
                crash=self._crash,
                give_up=self._give_up,
            )

        app.agent(source, name=self._agent, concurrency=1)(consume)
        app.finalize()
        app.transport = run_transport(self._hooks(store, applier, assignment), app.conf.broker_consumer, app)
        return app

    def _hooks(self, store: Store, applier: Applier, assignment: Assignment) -> RunHooks:
        return RunHooks(
            fences=lambda assigned: self._fences(assigned, store, applier, assignment),
            give_up=self._give_up,
            run_size=self._run_size,
        )

    async def _fences(
        self, assigned: set[Any], store: Store, applier: Applier, assignment: Assignment
    ) -> dict[Any, int]:
        places = {(tp.topic, tp.partition): tp for tp in assigned}
        try:
            found = await store.run(lambda: assignment.fences(places))
        except FenceRefused as error:
            self._refuse(str(error))
        except StoreError as error:
            self._give_up(str(error))
            raise
        applier.assigned(found)
        return {places[place]: fence for place, fence in found.items()}

    def _lose(self, partition: Partition, lost: Lost) -> tuple[Output, Cause]:
        return lost_range(partition, lost, self._agent, self._topic("dead-letters"), datetime.now(UTC))

    def _probe(self, topic: str, partition: int, start: int, until: int) -> Probe:
        with self._waits():
            return self._prober.look((topic, partition), start, until, PROBE_S)

    def _glance(self, topic: str, partition: int, start: int, until: int) -> Probe:
        return self._prober.look((topic, partition), start, until, PROBE_S, limit=1)

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
        except REFUSALS as error:
            self._refuse(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self._give_up(tell(error))

    def _give_up(self, reason: str) -> None:
        self._progress.last_error = reason
        try:
            self._pulse.beat()
        finally:
            give_up(reason)

    def _refuse(self, why: str) -> NoReturn:
        self._progress.last_error = why
        try:
            self._pulse.beat()
            log.error("refusing to go on", why=why)
            sys.stderr.flush()
        finally:
            os._exit(REFUSED)
