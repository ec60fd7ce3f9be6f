"""Fold products anew after deletions and edits, beside the stream, and let the result take their place.

The shadow folds a slice at a time in the store's thread, so that runs wait little. Arrivals go on
in what stands; the swap folds the last of them and is compared with the product's version like any
decision. Deletions and edits are subtracted from the shadow, too, and queue one more rebuild: a hot
product never keeps a rebuild from ending.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from infra import outbox
from infra.database import Store
from infra.leases import Leased
from infra.outbox import Output
from infra.rows import product_rows, review_rows
from infra.rows.product_rows import ProductRow
from infra.rows.review_rows import UNBOUNDED, ReviewRow
from models.ports import Encoder
from processors.language.claims import split_claims
from schemas.heartbeats import Counters
from schemas.points import Forgotten
from schemas.records import Sources
from schemas.reviews import Review
from streams.digest import DigestHandler
from streams.digest_decision import REBUILD, DigestDecision
from streams.products import Products, Standing
from streams.shadows import Shadow, Shadows
from streams.work import Failed

SLICE = 50
"""Reviews folded in one go: some 50 ms."""

TAIL = 200
"""Reviews the swap folds at most, beside those that arrive while it waits for its turn."""


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """One product to be folded anew."""

    leased: Leased


@dataclass(slots=True)
class RebuildChange:
    """The swap; see ``streams.work.Change``."""

    decision: DigestDecision
    standing: Standing | None  # none when the product has no reviews left
    products: Products
    shadows: Shadows
    product_id: str

    def write(self, connection: Connection) -> None:
        """Write the new state over the old one."""
        self.decision.write(connection)
        outbox.add(connection, self.decision.outputs)

    def committed(self) -> None:
        """Let what stands in memory be the shadow."""
        self.shadows.close(self.product_id)
        if self.standing is not None:
            self.products.put(self.standing)


class Rebuilding:
    """Folds products anew; see ``streams.work.Performer``.

    Args:
        store: The agent's store.
        handler: Reads the new state.
        encoder: Turns claims into vectors.
        products: What is in memory.
        shadows: Told of deletions while they grow.
        counters: Where rebuilds are counted.
    """

    kind = REBUILD

    def __init__(
        self,
        store: Store,
        handler: DigestHandler,
        encoder: Encoder,
        products: Products,
        shadows: Shadows,
        counters: Counters,
    ) -> None:
        self._store = store
        self._handler = handler
        self._encoder = encoder
        self._products = products
        self._shadows = shadows
        self._counters = counters

    def prepare(self, leased: Sequence[Leased]) -> list[RebuildJob]:
        """Do nothing yet: shadows are opened one after the other."""
        return [RebuildJob(one) for one in leased]

    async def call(self, jobs: Sequence[RebuildJob]) -> list[Shadow | Failed]:
        """Fold all but the last reviews of each product."""
        return [await self._grow(job.leased.key) for job in jobs]

    def paid(self, outcome: Shadow) -> Shadow:
        """Return the outcome: nothing was paid."""
        return outcome

    def stands(self, connection: Connection, job: RebuildJob) -> bool:
        """Say yes: the version of the product is what is compared."""
        return True

    def settle(self, connection: Connection, outcome: Shadow) -> None:
        """Do nothing: there is no ledger of rebuilds."""

    def decide(self, job: RebuildJob, outcome: Shadow) -> tuple[RebuildChange, Output | None] | None:
        """Fold the last reviews, read, and swap; see ``streams.work.Performer``."""
        product_id, decision = job.leased.key, self._handler.begin()
        with self._store.read() as connection:
            row = product_rows.read_product(connection, product_id)
        if row is None or not row.review_count:
            return RebuildChange(decision, None, self._products, self._shadows, product_id), None
        standing = _standing(row, outcome)
        if outcome.forgotten != standing.forgotten.count:  # another worker forgot something: the shadow is void
            return None
        while self._fold(outcome, TAIL):
            pass
        self._counters.rebuilds += 1
        output = self._handler.read(standing, decision, job.leased.trace)
        waiting = self._handler.waiting_inputs([product_id])[product_id]
        decision.outputs += [(output, cause) for cause in waiting]
        decision.products.append(standing.rebuilt())
        return RebuildChange(decision, standing, self._products, self._shadows, product_id), output

    async def _grow(self, product_id: str) -> Shadow:
        shadow = await self._store.run(lambda: self._open(product_id))
        left = UNBOUNDED
        while (now_left := await self._store.run(lambda: self._left(shadow))) > TAIL:
            started = time.monotonic()
            await self._store.run(lambda: self._fold(shadow, SLICE))
            if now_left < left:  # others come first, unless the product grows as fast as its shadow
                await asyncio.sleep(time.monotonic() - started)
            left = now_left
        return shadow

    def _open(self, product_id: str) -> Shadow:
        with self._store.read() as connection:
            row = product_rows.read_product(connection, product_id)
        forgotten = Forgotten() if row is None else msgspec.json.decode(row.forgotten, type=Forgotten)
        return self._shadows.open(product_id, forgotten.count)

    def _left(self, shadow: Shadow) -> int:
        with self._store.read() as connection:
            row = product_rows.read_product(connection, shadow.product.product_id)
        return 0 if row is None else row.review_count - shadow.product.review_count

    def _fold(self, shadow: Shadow, limit: int) -> int:
        """Fold the next reviews; returns how many."""
        with self._store.read() as connection:
            rows = review_rows.reviews_from(connection, shadow.product.product_id, shadow.position, limit)
        reviews = [msgspec.json.decode(row.record, type=Review) for row in rows]
        claims = [split_claims(review.text or "") for review in reviews]
        vectors = self._encoder.encode([claim.text for some in claims for claim in some])
        start = 0
        for row, review, some in zip(rows, reviews, claims, strict=True):
            shadow.product.fold(review, row.ordinal, _at(row), some, vectors[start : start + len(some)])
            start += len(some)
            shadow.position = row.ordinal + 1
        return len(rows)


def _standing(row: ProductRow, shadow: Shadow) -> Standing:
    return Standing(
        product=shadow.product,
        version=row.version,
        revision=row.revision,
        sources=msgspec.json.decode(row.sources, type=Sources),
        next_ordinal=row.next_ordinal,
        base_ordinal=row.base_ordinal,
        forgotten=msgspec.json.decode(row.forgotten, type=Forgotten),
    )


def _at(row: ReviewRow) -> datetime:
    return datetime.fromtimestamp(row.at, UTC)
