"""Events through the featurize agent: how soon they can be read, how many a core takes, and what faults leave."""

import asyncio
import os
import random
import signal
import statistics
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa

from infra.kept_store import KeptStore
from infra.store_errors import StoreMissing
from schemas.events import Event
from schemas.tables import fences
from streams.cli.feature_commands.verify import run_verify
from streams.features.past import StreamTables
from streams.places import store_place
from tests.bench.feature_busy import busy
from tests.bench.feature_shelf import a_sale
from tests.bench.load import send
from tests.bench.stack import Stack

AGENT = "featurize"
LOOK_S = 0.002
KEYS = 500
HOUR_S = 3_600
SETTLED = 0.1
"""Of a backlog that is left out of its rate: processes start, caches fill."""
FAULT_S = 4.0
"""Between two faults."""
Figures = dict[str, float | None]


def invented_sales(count: int, seed: int, *, spread_s: float = 0.0, corrected: float = 0.0) -> list[Event]:
    """Invent sales of 500 customers.

    Args:
        count: How many.
        seed: Of chance.
        spread_s: How long before now they happened at most, seconds; 0 is now.
        corrected: Share of them that are an earlier one once more: changed, deleted or just repeated.
    """
    chance, now, sales = random.Random(seed), datetime.now(UTC), list[Event]()
    for number in range(count):
        name, revision, op = f"{seed}-{number}", 0, "upsert"
        if sales and chance.random() < corrected:
            before = chance.choice(sales)
            name, revision = before.event_id, before.revision + chance.choice((0, 1, 1))
            op = "delete" if chance.random() < 0.3 else "upsert"
        told = {
            "event_id": name,
            "type": "sale",
            "entity": {"customer": f"customer{chance.randrange(KEYS)}"},
            "values": a_sale(chance, number),
            "occurred_at": now - timedelta(seconds=chance.random() * spread_s),
            "op": op,
            "revision": revision,
        }
        sales.append(msgspec.convert(told, Event))
    return sales


class Watch(threading.Thread):
    """Sees when the events of each partition can be read: their rows and the fence are one transaction.

    Args:
        stack: Whose featurize.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._store = KeptStore(store_place(stack.settings, AGENT))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._seen: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))

    def run(self) -> None:
        """Look until it is told to stop."""
        while not self._over.is_set():
            with suppress(StoreMissing):
                self.look()
            time.sleep(LOOK_S)

    def look(self) -> int:
        """Look once; returns how many events are in the rows."""
        query = sa.select(fences.c.partition, fences.c.next_offset).where(fences.c.topic.like("%events%"))
        with self._lock:
            with self._store.transaction() as connection:
                standing = connection.execute(query).all()
            for partition, following in standing:
                offsets, times = self._seen[partition]
                if not offsets or following > offsets[-1]:
                    offsets.append(following)
                    times.append(time.time())
        return sum(following for _, following in standing)

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()

    def read_at(self, partition: int, offset: int) -> float:
        """Tell when an event could be read first, unix seconds."""
        offsets, times = self._seen[partition]
        return times[bisect_right(offsets, offset)]


@contextmanager
def watching(stack: Stack) -> Iterator[Watch]:
    """Watch for the length of a ``with`` block."""
    watch = Watch(stack)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def freshness(stack: Stack, per_s: float, seconds: float) -> Figures:
    """Time from an event's Kafka timestamp until its features can be read, at a steady rate."""
    before = _standing(stack)
    stack.start_workers((AGENT,))
    warm = asyncio.run(send(stack, invented_sales(200, seed=1), topic="events"))
    with watching(stack) as watch:
        _wait(watch, before + len(warm))
        sent = asyncio.run(send(stack, invented_sales(int(per_s * seconds), seed=2), per_s, topic="events"))
        _wait(watch, before + len(warm) + len(sent))
    stack.stop_workers()
    ages = [watch.read_at(*place) - at for place, at in sent.items()]
    cuts = statistics.quantiles(ages, n=100, method="inclusive")
    return {"fresh_p50_s": round(cuts[49], 3), "fresh_p99_s": round(cuts[98], 3)}


def throughput(stack: Stack, count: int) -> Figures:
    """Events a second of a backlog, all of featurize on one core."""
    before = _standing(stack)
    sent = asyncio.run(send(stack, invented_sales(count, seed=3, spread_s=HOUR_S), topic="events"))
    every, began = os.sched_getaffinity(0), 0.0
    os.sched_setaffinity(0, {min(every)})  # what is started from here runs there, too
    try:
        stack.start_workers((AGENT,))
    finally:
        os.sched_setaffinity(0, every)
    watch, first = Watch(stack), 0
    while (done := watch.look() - before) < len(sent):
        if not began and done >= SETTLED * len(sent):
            began, first = time.monotonic(), done
        time.sleep(0.05)
    elapsed_s = time.monotonic() - began
    stack.stop_workers()
    return {"events_per_s": round((len(sent) - first) / elapsed_s) if began else None}


def faults(stack: Stack, per_s: float, rounds: int) -> Figures:
    """Kill the worker and the broker in turns under a load of corrections, and compare all rows with the log."""
    before = _standing(stack)
    stack.start_workers((AGENT,))
    sales = invented_sales(int(per_s * FAULT_S * (2 * rounds + 1)), seed=4, spread_s=HOUR_S, corrected=0.3)
    sent: list[int] = []

    def load() -> None:
        sent.append(len(asyncio.run(send(stack, sales, per_s, topic="events"))))

    loading = threading.Thread(target=load)
    loading.start()
    for _ in range(rounds):
        loading.join(FAULT_S)
        _kill(stack)
        loading.join(FAULT_S)
        stack.kafka.kill()
        stack.kafka.start()
    loading.join()
    if not sent:
        raise RuntimeError("the load ended early; see what was printed")
    with watching(stack) as watch:
        _wait(watch, before + len(sales))
    stack.stop_workers()
    told, unchecked = run_verify(
        stack.settings, StreamTables({busy.name: busy}), None, None, lambda _: None, lambda _: None
    )
    if unchecked:
        raise RuntimeError(f"not compared: {', '.join(unchecked)}")
    return {
        "recompute_mismatches": sum(one.mismatches for one in told),
        "recomputed_values": sum(one.values for one in told),
    }


def _kill(stack: Stack) -> None:
    os.kill(next(beat.pid for beat in stack.beats() if beat.agent == AGENT), signal.SIGKILL)


def _standing(stack: Stack) -> int:
    with suppress(StoreMissing):
        return Watch(stack).look()
    return 0


def _wait(watch: Watch, count: int, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while (done := _looked(watch)) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{done:,} of {count:,} events are in the rows after {timeout_s:.0f} s")
        time.sleep(0.1)


def _looked(watch: Watch) -> int:
    with suppress(StoreMissing):
        return watch.look()
    return 0
