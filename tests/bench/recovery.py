"""``millrace bench recovery``: seconds until the backlog of a fault is processed, for each kind of fault."""

import asyncio
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer

from schemas.reviews import Review
from schemas.tables import fences
from streams.topics import topic_name
from tests.bench.load import invented_reviews, real_reviews
from tests.bench.stack import Stack

TRIALS = 10
PER_S = 50.0
BEHIND_S = 2.0
"""A record may take this long to be applied before the worker counts as behind."""

STEADY_S = 3.0
"""A worker that keeps up for so long has recovered."""

GIVE_UP_S = 120.0
Figures = dict[str, float | None]


class Load(threading.Thread):
    """Sends reviews at a steady rate until stopped, whatever happens to the broker.

    Args:
        bootstrap: The broker.
        reviews: Sent in turns, each time as other reviews.
    """

    def __init__(self, bootstrap: str, reviews: Sequence[Review]) -> None:
        super().__init__(daemon=True)
        self.confirmed: list[tuple[float, int, int]] = []  # (monotonic seconds, partition, offset)
        self._broker_address = bootstrap
        self._reviews = reviews
        self._stopped = threading.Event()

    def run(self) -> None:
        """Send; see ``threading.Thread``."""
        asyncio.run(self._send())

    def stop(self) -> None:
        """Stop sending and wait for what is under way."""
        self._stopped.set()
        self.join(60)

    async def _send(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._broker_address, acks="all", request_timeout_ms=90_000)
        await producer.start()
        topic, started, number = topic_name("millrace", "reviews"), time.monotonic(), 0
        under_way = set()
        while not self._stopped.is_set():
            await asyncio.sleep(max(0.0, started + number / PER_S - time.monotonic()))
            review = self._reviews[number % len(self._reviews)]
            value = msgspec.json.encode(msgspec.structs.replace(review, review_id=f"{number}-{review.review_id}"))
            task = asyncio.ensure_future(self._confirm(producer, topic, value, review.product_id.encode()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.gather(*under_way)
        await producer.stop()

    async def _confirm(self, producer: AIOKafkaProducer, topic: str, value: bytes, key: bytes) -> None:
        told = await producer.send_and_wait(topic, value, key)
        self.confirmed.append((time.monotonic(), told.partition, told.offset))


def run(data: Path | None, tell: Callable[[str], None]) -> tuple[str, Figures]:
    """Measure every fault; returns what it was measured on, and the figures."""
    reviews = real_reviews(data, 5_000) if data else invented_reviews(5_000)
    figures: Figures = {}
    with Stack() as stack:
        stack.start_workers()
        load = Load(stack.kafka.bootstrap, reviews)
        load.start()
        recovered_after(stack, load, time.monotonic())
        for name, fault in (("kill", _kill), ("stop", _freeze), ("broker", _restart_broker)):
            tell(f"{TRIALS} times {name}")
            took = []
            for _ in range(TRIALS):
                _start_anew(stack, load)
                started = time.monotonic()
                fault(stack)
                took.append(recovered_after(stack, load, started))
            figures |= {
                f"recover_{name}_median_s": round(statistics.median(took), 1),
                f"recover_{name}_worst_s": round(max(took), 1),
            }
        load.stop()
    return f"{PER_S:.0f} reviews/s, default settings, one worker an agent", figures


def _start_anew(stack: Stack, load: Load) -> None:
    """Let the supervisor forget earlier faults: it waits longer before each restart of a worker that lived shortly."""
    stack.stop_workers()
    stack.start_workers()
    recovered_after(stack, load, time.monotonic())


def recovered_after(stack: Stack, load: Load, started: float) -> float:
    """Wait until digest keeps up again; seconds from the fault to then.

    Raises:
        TimeoutError: If it does not within two minutes.
    """
    since = time.monotonic()
    while time.monotonic() - since < STEADY_S:
        if time.monotonic() - started > GIVE_UP_S:
            raise TimeoutError(f"digest still lags {GIVE_UP_S:.0f} s after the fault")
        if _behind(stack, load):
            since = time.monotonic()
        time.sleep(0.05)
    return since - started


def _behind(stack: Stack, load: Load) -> bool:
    with stack.store("digest").transaction() as connection:
        standing = dict(iter(connection.execute(sa.select(fences.c.partition, fences.c.next_offset)).all()))
    due = time.monotonic() - BEHIND_S
    newest: dict[int, int] = {}
    for at, partition, offset in load.confirmed[-2_000:]:
        if at <= due:
            newest[partition] = max(offset, newest.get(partition, 0))
    silent = not load.confirmed or load.confirmed[-1][0] < due  # the broker is away
    return silent or any(offset >= standing.get(partition, 0) for partition, offset in newest.items())


def _pid(stack: Stack) -> int:
    return next(beat.pid for beat in stack.beats() if beat.agent == "digest")


def _kill(stack: Stack) -> None:
    os.kill(_pid(stack), signal.SIGKILL)


def _freeze(stack: Stack) -> None:
    os.kill(_pid(stack), signal.SIGSTOP)


def _restart_broker(stack: Stack) -> None:
    stack.kafka.kill()
    stack.kafka.start()
