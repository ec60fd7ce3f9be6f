"""Stand-ins for what surrounds an agent: raw records, a clock, a broker's producer, writers, a reader of logs."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka.errors import MessageSizeTooLargeError
from faust.types import TP

from infra.kafka.probe import Probe
from models.ports import WriteFailure, WriteRequest, Written
from schemas.heartbeats import Counters
from schemas.points import Evidence, Forgotten, Points, Reading
from schemas.records import Sources
from streams.calling.accounts import Terms
from streams.calling.calls import Calls
from streams.calling.chain import Chain
from streams.delivery import Applier, Progress
from streams.holes import Holes
from streams.runs import Run
from streams.summary_records import Wanted, reading_of
from streams.writing import Writing
from tests.processors import fake_encoder
from tests.processors.readings import band, point, reading

REVIEWS = "millrace.reviews.v1"
POINTS = "millrace.points.v1"
SUMMARIES = "millrace.summaries.v1"
DEAD_LETTERS = "millrace.dead-letters.v1"
START_S = datetime(2024, 6, 1, tzinfo=UTC).timestamp()


@dataclass
class Clock:
    """Unix seconds that move when a test says so."""

    now: float = START_S

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Raw:
    """A record as aiokafka hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_type: int = 0
    checksum: None = None

    @property
    def serialized_key_size(self) -> int:
        return -1 if self.key is None else len(self.key)

    @property
    def serialized_value_size(self) -> int:
        return -1 if self.value is None else len(self.value)


def raw(offset: int, value: object = None, *, partition: int = 0, topic: str = REVIEWS, **changed: Any) -> Raw:
    """A record; anything but bytes and None is encoded."""
    payload = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
    fields = {"timestamp": int((START_S + offset) * 1000), "key": b"key", **changed}
    return Raw(topic, partition, offset, value=payload, **fields)


def review(
    number: int, product_id: str = "p", text: str = "The zipper feels rather stiff today.", **changed: Any
) -> dict:
    """A review as a producer sends it."""
    return {"review_id": f"r{number}", "product_id": product_id, "text": text, "rating": 2, **changed}


def run(*records: Raw, epoch: int = 1) -> Run:
    return Run(TP(records[0].topic, records[0].partition), epoch, records)


def never(_: str) -> None:
    """No crash here."""


class Killed(BaseException):
    """What a test raises at a crash point: nothing catches it, as nothing catches a SIGKILL."""


@dataclass
class CrashAt:
    """Dies at one crash point, once."""

    name: str | None
    passed: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        if name == self.name:
            self.name = None
            raise Killed(name)


class Log:
    """What an independent reader would see: ``offsets`` that are readable, from ``start`` on."""

    def __init__(self, *offsets: int, start: int = 0) -> None:
        self.offsets = offsets
        self.start = start
        self.probes: list[tuple[int, int]] = []

    def __call__(self, topic: str, partition: int, offset: int, until: int) -> Probe:
        self.probes.append((offset, until))
        seen = [one for one in self.offsets if max(offset, self.start) <= one < until]
        return Probe(self.start, seen, until)


class Encoder:
    """A seeded stand-in for the sentence table."""

    def encode(self, texts: Sequence[str]) -> Any:
        return fake_encoder.encode(texts)


def applier(handler: Any, store: Any, *, log: Log | None = None, crash: Callable[[str], None] = never) -> Applier:
    return Applier(
        "digest",
        handler,
        store,
        Holes(log or Log()),
        dead_letters=DEAD_LETTERS,
        progress=Progress(Counters()),
        now=lambda: START_S,
        crash=crash,
    )


@dataclass(frozen=True)
class Sent:
    """A record that the fake broker has."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


class Batch:
    """Like aiokafka's ``BatchBuilder``."""

    def __init__(self, size_bytes: int) -> None:
        self.records: list[tuple[bytes | None, bytes | None, list]] = []
        self._left = size_bytes

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: None, headers: list) -> object | None:
        size = len(key or b"") + len(value or b"")
        if self.records and size > self._left:
            return None
        self._left -= size
        self.records.append((key, value, headers))
        return object()

    def record_count(self) -> int:
        return len(self.records)


class FakeProducer:
    """A broker's producer: remembers what it took, fails when told to, and gives receipts when allowed to."""

    def __init__(self, partitions: int = 3, batch_bytes: int = 100_000) -> None:
        self.sent: list[Sent] = []
        self.failures: list[BaseException] = []  # one is raised at each send, while there are some
        self.limit_bytes: dict[str, int] = defaultdict(lambda: 1 << 40)
        self.receipts = asyncio.Event()
        self.receipts.set()
        self._partitions = partitions
        self._batch_bytes = batch_bytes

    def keys(self, topic: str | None = None) -> list[bytes | None]:
        return [one.key for one in self.sent if topic in (None, one.topic)]

    def values(self, topic: str | None = None) -> list[bytes | None]:
        return [one.value for one in self.sent if topic in (None, one.topic)]

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._partitions))

    def create_batch(self) -> Batch:
        return Batch(self._batch_bytes)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future:
        return asyncio.ensure_future(self._take(batch.records, topic, partition))

    async def send_and_wait(self, topic, value, key, partition, *, headers) -> None:
        await self._take([(key, value, headers)], topic, partition)

    async def _take(self, records: Sequence[tuple], topic: str, partition: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if any(len(value or b"") > self.limit_bytes[topic] for _, value, _ in records):
            raise MessageSizeTooLargeError
        self.sent += [Sent(topic, partition, key, value, dict(headers)) for key, value, headers in records]
        await self.receipts.wait()


class FakeWriter:
    """Writes what it is told to, and remembers what it was asked."""

    engine = "fake"
    model = "m1"
    prompt_version = "v1"
    parameters = "{}"
    refreshes = False

    def __init__(self, *answers: Written | WriteFailure, engine: str = "fake", endpoint: str = "") -> None:
        self.answers = list(answers)
        self.engine = engine
        self.endpoint = endpoint
        self.asked: list[WriteRequest] = []
        self.calls = 0
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, requests: Sequence[WriteRequest]) -> list[Written | WriteFailure]:
        self.calls += 1
        first = len(self.asked) + 1
        self.asked += requests
        self.entered.set()
        await self.gate.wait()
        return [
            self.answers.pop(0) if self.answers else Written(f"text {number}", 7, 3)
            for number, _ in enumerate(requests, first)
        ]


def chain_of(first: Any, last: Any, *fallbacks: Any, other: tuple[Any, float] | None = None) -> Chain:
    """A chain with one first model, or two that share."""
    model, share = other or (first, 0.0)
    return Chain(((first, 1.0 - share), (model, share)) if other else ((first, 1.0),), fallbacks, last)


def make_writing(
    store: Any,
    writer: Any,
    fallback: Any,
    *,
    chain: Chain | None = None,
    terms: Terms | None = None,
    counters: Counters | None = None,
    now: Callable[[], float] | None = None,
    kind: type[Writing] = Writing,
) -> Writing:
    """Writing with these writers, as the assembly makes it."""
    counters, now = counters or Counters(), now or Clock()
    calls = Calls(
        store, lambda writer, requests, _: writer.write(requests), terms=terms or Terms(), counters=counters, now=now
    )
    return kind(store, calls, chain or chain_of(writer, fallback), topic=SUMMARIES, counters=counters, now=now)


async def until(holds: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Wait for an effect."""
    async with asyncio.timeout(deadline_s):
        while not holds():
            await asyncio.sleep(0.005)


def points_of(reading: Reading, revision: int = 1, product_id: str = "p", sources: Sources | None = None) -> Points:
    """A reading as digest publishes it."""
    return Points(
        product_id=product_id,
        revision=revision,
        op="upsert",
        review_count=reading.metrics.review_count,
        sources=sources or {"reviews": {"0": revision}},
        **{name: getattr(reading, name) for name in Reading.__struct_fields__},
    )


def wanted_from(points: Points, shown_revision: int = 1, reason: str = "first text") -> Wanted:
    """These points as what the next text is to be written from."""
    return Wanted(
        reading=reading_of(points),
        forgotten=points.forgotten.count,
        points_revision=points.revision,
        shown_revision=shown_revision,
        reason=reason,
    )


def quoted(*review_ids: str, of: int = 6) -> Reading:
    """A reading with one point for each of these reviews, in its words; its band has ``of`` reviews."""
    points = [point(f"Battery lasts {one}", 3, of, point_id=str(place)) for place, one in enumerate(review_ids)]
    shown = [
        msgspec.structs.replace(one, evidence=[Evidence(review_id=review_id, quote=one.headline)])
        for one, review_id in zip(points, review_ids, strict=True)
    ]
    return reading(positive=band(of, shown))


def after_forgetting(given: Reading, revision: int, *forgotten: str, **changed: Any) -> Points:
    """A reading as digest publishes it once the product has forgotten these reviews."""
    told = Forgotten()
    for review_id in forgotten:
        told = told.add(review_id)
    return msgspec.structs.replace(points_of(given, revision), forgotten=told, **changed)


class NoPublisher:
    """Leaves everything in the outbox."""

    async def flush(self) -> None:
        return
