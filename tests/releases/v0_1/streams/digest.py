"""reviews -> points: fold each review into what stands for its product, once."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection

from tests.releases.v0_1.infra import product_rows, timers
from infra.database import Store
from tests.releases.v0_1.infra.outbox import Cause, Output
from tests.releases.v0_1.infra.product_rows import ProductChange, ReviewKey, ReviewRow
from tests.releases.v0_1.infra.timers import Timer
from models.ports import Encoder, Vectors
from tests.releases.v0_1.processors.digest.product import Product
from processors.language.claims import Claim, split_claims
from schemas.heartbeats import Counters
from tests.releases.v0_1.schemas.points import Points
from schemas.records import Sources, Unreadable
from schemas.reviews import Review
from tests.releases.v0_1.streams.events import Event, Rejection, event_headers, include, oldest_causes

READING = "reading"
"""The kind of timer that reads a product's points later."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)


@dataclass(slots=True)
class Standing:
    """One product in memory, and what SQL says of it."""

    product: Product
    version: int  # 0 = not in SQL yet
    revision: int
    sources: Sources


@dataclass(slots=True)
class DigestDecision:
    """What some reviews or timers make of their products."""

    now: float  # unix seconds
    unread_s: float
    quiet_s: float
    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    products: list[ProductChange] = field(default_factory=list)
    reviews: list[ReviewRow] = field(default_factory=list)
    waiting: list[tuple[str, Cause]] = field(default_factory=list)  # products to be read later
    read: list[str] = field(default_factory=list)
    served: Sequence[Timer] = ()

    def write(self, connection: Connection) -> None:
        """Write products, reviews and timers; see ``streams.events.Decision``."""
        product_rows.write_products(connection, self.products)
        product_rows.add_reviews(connection, self.reviews)
        for timer in self.served:
            timers.take(connection, timer)
        timers.cancel(connection, READING, self.read)
        later = {"due_at": self.now + self.quiet_s, "deadline": self.now + self.unread_s}
        timers.schedule(connection, READING, self.waiting, **later)


@dataclass(slots=True)
class _Incoming:
    """One new review with its claims."""

    event: Event[Review]
    at: datetime
    claims: Sequence[Claim]


class DigestHandler:
    """Folds reviews; see ``streams.events.Handler``.

    Args:
        store: The agent's store.
        encoder: Turns claims into vectors.
        points_topic: Physical name.
        unread_s: Longest time a change stays unread, seconds.
        quiet_s: A product without news for so long is read, seconds.
        cached_products: Products kept in memory.
        counters: Where readings are counted.
        now: Unix seconds.
    """

    record = Review

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        *,
        points_topic: str,
        unread_s: float,
        quiet_s: float,
        cached_products: int,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._points_topic = points_topic
        self._unread_s = unread_s
        self._quiet_s = quiet_s
        self._cached_products = cached_products
        self._counters = counters
        self._now = now
        self._cache: OrderedDict[str, Standing] = OrderedDict()
        self._touched: set[str] = set()

    def forget(self) -> None:
        """Drop the products of the last decision: SQL has not, or not only, what memory has."""
        for product_id in self._touched:
            self._cache.pop(product_id, None)

    def decide(self, events: Sequence[Event[Review]], following: int) -> DigestDecision:
        """Fold the reviews that are new; see ``streams.events.Handler``."""
        decision = self._start()
        fresh = self._fresh(events, decision)
        standing = self._load(list(dict.fromkeys(event.record.product_id for event in fresh)))
        oldest: dict[str, Cause] = {}
        newest: dict[str, Event[Review]] = {}
        for incoming, vectors in self._encode(fresh):
            review = incoming.event.record
            product = standing[review.product_id].product
            ordinal = product.review_count
            trace = product.fold(review, incoming.at, incoming.claims, vectors)
            decision.reviews.append(_row(review, ordinal, incoming.at, trace))
            oldest.setdefault(review.product_id, incoming.event.cause)
            newest[review.product_id] = incoming.event
        for product_id, cause in oldest.items():
            standing[product_id].sources = include(standing[product_id].sources, cause, following)
        due = [product_id for product_id in oldest if standing[product_id].product.reading_due]
        earlier = self._waiting_inputs(due)
        for product_id, cause in oldest.items():
            if product_id in earlier:
                causes = oldest_causes([*earlier[product_id], cause])
                self._read(standing[product_id], causes, decision, newest[product_id].trace)
            else:
                decision.waiting.append((product_id, cause))
            self._change(standing[product_id], decision)
        self._trim()
        return decision

    def ring(self, due: Sequence[Timer]) -> DigestDecision:
        """Read the products whose timers are due."""
        decision = self._start()
        decision.served = due
        standing = self._load([timer.key for timer in due])
        for timer in due:
            here = standing[timer.key]
            if here.product.unread:
                self._read(here, timer.inputs, decision, {})
                self._change(here, decision)
        self._trim()
        return decision

    def _start(self) -> DigestDecision:
        self._touched = set()
        return DigestDecision(self._now(), self._unread_s, self._quiet_s)

    def _fresh(self, events: Sequence[Event[Review]], decision: DigestDecision) -> list[Event[Review]]:
        with self._store.read() as connection:
            known = product_rows.known_revisions(connection, list({_key(event.record) for event in events}))
        fresh = []
        for event in events:
            problem = _problem(event, known)
            if problem is not None:
                decision.rejections.append(Rejection(event.raw, problem))
            elif _key(event.record) not in known:
                known[_key(event.record)] = event.record.revision
                fresh.append(event)
        return fresh

    def _load(self, product_ids: Sequence[str]) -> dict[str, Standing]:
        self._touched |= set(product_ids)
        missing = [product_id for product_id in product_ids if product_id not in self._cache]
        with self._store.read() as connection:
            rows = product_rows.load_products(connection, missing) if missing else []
        for row in rows:
            product = Product.load(row.product_id, row.parts, row.traces)
            sources = msgspec.json.decode(row.sources, type=Sources)
            self._cache[row.product_id] = Standing(product, row.version, row.revision, sources)
        for product_id in product_ids:
            self._cache.setdefault(product_id, Standing(Product(product_id), 0, 0, {}))
            self._cache.move_to_end(product_id)
        return {product_id: self._cache[product_id] for product_id in product_ids}

    def _trim(self) -> None:
        while len(self._cache) > max(self._cached_products, len(self._touched)):
            self._cache.popitem(last=False)

    def _encode(self, fresh: Sequence[Event[Review]]) -> Iterator[tuple[_Incoming, Vectors]]:
        incoming = [
            _Incoming(event, event.record.created_at or event.at, split_claims(event.record.text or ""))
            for event in fresh
        ]
        vectors = self._encoder.encode([claim.text for one in incoming for claim in one.claims])
        start = 0
        for one in incoming:
            yield one, vectors[start : start + len(one.claims)]
            start += len(one.claims)

    def _waiting_inputs(self, product_ids: Sequence[str]) -> dict[str, list[Cause]]:
        with self._store.read() as connection:
            waiting = timers.inputs(connection, READING, product_ids) if product_ids else {}
        return {product_id: waiting.get(product_id, []) for product_id in product_ids}

    def _read(
        self, here: Standing, causes: Sequence[Cause], decision: DigestDecision, trace: Mapping[str, bytes]
    ) -> None:
        product = here.product
        reading = product.read(self._encoder.encode)
        product.mark_read()
        here.revision += 1
        self._counters.readings += 1
        points = Points(
            product_id=product.product_id,
            revision=here.revision,
            op="upsert",
            review_count=reading.metrics.review_count,
            sources=here.sources,
            **{name: getattr(reading, name) for name in reading.__struct_fields__},
        )
        headers = event_headers(
            f"points:{product.product_id}@{here.revision}",
            "points",
            "digest",
            datetime.fromtimestamp(decision.now, UTC),
            trace,
        )
        output = Output(self._points_topic, product.product_id.encode(), msgspec.json.encode(points), headers)
        # Once for every input partition that waits: each holds its own watermark.
        decision.outputs += [(output, cause) for cause in causes]
        decision.read.append(product.product_id)

    def _change(self, here: Standing, decision: DigestDecision) -> None:
        product = here.product
        decision.products.append(
            ProductChange(
                product_id=product.product_id,
                expected_version=here.version,
                revision=here.revision,
                review_count=product.review_count,
                sources=msgspec.json.encode(here.sources),
                parts=product.dump_changed(),
            )
        )
        here.version += 1


def _key(review: Review) -> ReviewKey:
    return review.product_id, review.review_id


def _problem(event: Event[Review], known: Mapping[ReviewKey, int]) -> Unreadable | None:
    review = event.record
    written = review.created_at
    if written is not None and (written < EARLIEST or written - event.at > AHEAD):
        what = f"{written.isoformat()} is not between 1970 and a day after the record was sent ({event.at.isoformat()})"
        return Unreadable("date_out_of_range", f"created_at: {what}", "created_at")
    if review.op == "delete":
        what = "op: deletions are not applied yet; this record is kept and can be replayed when they are"
        return Unreadable("not_yet_supported", what, "op")
    if review.revision > known.get(_key(review), review.revision):
        what = "revision: edits are not applied yet; this record is kept and can be replayed when they are"
        return Unreadable("not_yet_supported", what, "revision")
    return None


def _row(review: Review, ordinal: int, at: datetime, trace: bytes) -> ReviewRow:
    return ReviewRow(
        product_id=review.product_id,
        review_id=review.review_id,
        ordinal=ordinal,
        revision=review.revision,
        record=msgspec.json.encode(review),
        at=at.timestamp(),
        trace=trace,
    )
