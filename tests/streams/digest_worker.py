"""A digest worker without a broker: its own memory, on a store that others may share."""

import asyncio
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from infra import fences, leases, outbox, timers
from infra.database import Store
from infra.rows import product_rows
from processors.digest.product import Product
from schemas.dead_letters import DeadLetter
from schemas.heartbeats import Counters
from schemas.points import Points, Reading
from schemas.reviews import Review
from schemas.tables import reviews
from streams.delivery import Applier
from streams.digest import DigestHandler
from streams.digest_decision import READING, Delays
from streams.products import Products
from streams.rebuilding import Rebuilding
from streams.shadows import Shadows
from streams.timing import TimerService
from streams.work import WorkLimits, WorkService
from tests.processors import fake_encoder
from tests.streams.fakes import DEAD_LETTERS, POINTS, REVIEWS, Clock, Encoder, Raw, applier, never, run

ZERO, ONE = (REVIEWS, 0), (REVIEWS, 1)
QUIET_S, UNREAD_S = 5.0, 30.0


class Silent:
    """A publisher that leaves the outbox as it is."""

    async def flush(self) -> None:
        """Do nothing."""


class Worker:
    def __init__(self, store: Store, clock: Clock, cached_products: int = 100, crash=never) -> None:
        self.store = store
        self.counters = Counters()
        self.products, self.shadows = Products(store, cached_products), Shadows(store)
        self.handler = DigestHandler(
            store,
            Encoder(),
            self.products,
            self.shadows,
            points_topic=POINTS,
            delays=Delays(UNREAD_S, QUIET_S),
            counters=self.counters,
            now=clock,
        )
        rest = {"mine": lambda: [ZERO, ONE], "now": clock, "crash": crash}
        self.applier: Applier = applier(self.handler, store, crash=crash)
        self.timers = TimerService(READING, self.handler, store, None, **rest)  # type: ignore[arg-type]
        self.rebuilding = Rebuilding(store, self.handler, Encoder(), self.products, self.shadows, self.counters)
        limits = WorkLimits(batch=1, concurrency=1)
        self.rebuilds = WorkService(self.rebuilding, store, Silent(), owner="digest-0", limits=limits, **rest)  # type: ignore[arg-type]
        self.rebuilds._release()

    def apply(self, *records: Raw) -> None:
        self.applier.apply(run(*records))

    def ring(self) -> None:
        while self.timers._serve():
            pass

    def rebuild(self) -> None:
        """Do the rebuilds that are due."""

        async def go() -> None:
            while leased := self.rebuilds._lease():
                await self.rebuilds._work(leased)

        asyncio.run(go())

    def rest(self, clock: Clock) -> None:
        """Let time pass until nothing waits any more."""
        while pending(self.store):
            clock.now += UNREAD_S
            self.ring()
            self.rebuild()


def prepare(store: Store) -> Store:
    with store.write() as connection:
        for place in (ZERO, ONE):
            fences.create(connection, place, 0, "cluster", "topic")
    return store


def pending(store: Store) -> int:
    with store.read() as connection:
        return timers.depth(connection) + leases.depth(connection)


def queued(store: Store, topic: str) -> list[outbox.Waiting]:
    with store.read() as connection:
        found = outbox.oldest(connection, [ZERO, ONE], 10_000)
    return [one for one in found if one.output.topic == topic]


def points(store: Store) -> list[Points]:
    return [msgspec.json.decode(one.output.value, type=Points) for one in queued(store, POINTS)]


def letters(store: Store) -> list[tuple[int, int, str, str | None]]:
    found = [msgspec.json.decode(one.output.value, type=DeadLetter) for one in queued(store, DEAD_LETTERS)]
    return [(one.source.partition, one.source.offset, one.reason, one.field) for one in found]


def rows(store: Store) -> list[tuple]:
    with store.read() as connection:
        query = sa.select(reviews).order_by(reviews.c.product_id, reviews.c.ordinal)
        return [tuple(row) for row in connection.execute(query)]


def ids(store: Store) -> list[str]:
    return [row[1] for row in rows(store)]


def loaded(store: Store, *product_ids: str) -> dict[str, Product]:
    with store.read() as connection:
        found = product_rows.load_products(connection, product_ids)
    return {row.product_id: Product.load(row.product_id, row.parts, row.traces) for row in found}


def readings(store: Store, *product_ids: str) -> dict[str, Reading]:
    return {
        product_id: product.read(fake_encoder.encode)
        for product_id, product in loaded(store, *product_ids).items()
        if product.review_count
    }


def refolded(store: Store) -> dict[str, Product]:
    """Fold what is kept in its order of arrival, once, with nothing of the agent."""
    products: dict[str, Product] = {}
    for product_id, _, ordinal, _, record, at, _ in rows(store):
        product = products.setdefault(product_id, Product(product_id))
        review = msgspec.json.decode(record, type=Review)
        fake_encoder.fold_one(product, review, ordinal, datetime.fromtimestamp(at, UTC))
    return products


def folded(store: Store) -> dict[str, Reading]:
    return {product_id: product.read(fake_encoder.encode) for product_id, product in refolded(store).items()}
