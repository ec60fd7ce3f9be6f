"""reviews -> points: fold each review into what stands for its product, once; forget those that go."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from infra import timers
from infra.database import Store
from infra.outbox import Cause, Output
from infra.rows import review_rows
from infra.rows.review_rows import ReviewKey, ReviewRow, Tombstone
from infra.timers import Timer, Waiter
from models.ports import Encoder, Vectors
from processors.digest.product import Folded
from processors.digest.revisions import Verdict, judge
from processors.language.claims import Claim, split_claims
from schemas.heartbeats import Counters
from schemas.points import Points
from schemas.records import Unreadable
from schemas.reviews import Review
from streams.digest_decision import READING, Delays, DigestDecision
from streams.events import Event, Rejection, check_date, event_headers, include, oldest_causes
from streams.products import Products, Standing
from streams.shadows import Forget, Refold, Shadows

Known = Mapping[ReviewKey, ReviewRow | Tombstone]


@dataclass(frozen=True, slots=True)
class Step:
    """One record that changes something."""

    event: Event[Review]
    verdict: Verdict
    claims: Sequence[Claim]  # of its text; none when it goes


@dataclass(slots=True)
class Change:
    """What a run brings one product."""

    oldest: Cause
    newest: Event[Review]
    forgot: bool = False


class DigestHandler:
    """Folds reviews; see ``streams.events.Handler``.

    Args:
        store: The agent's store.
        encoder: Turns claims into vectors.
        products: What is in memory.
        shadows: Products being folded anew.
        points_topic: Physical name.
        delays: When changes are read.
        counters: Where readings are counted.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Review]]] = {"reviews": Review}

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        products: Products,
        shadows: Shadows,
        *,
        points_topic: str,
        delays: Delays,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._products = products
        self._shadows = shadows
        self._points_topic = points_topic
        self._delays = delays
        self._counters = counters
        self._now = now

    def forget(self) -> None:
        """Drop the products of the last decision."""
        self._products.forget()

    def decide(self, events: Sequence[Event[Review]], following: int) -> DigestDecision:
        """Fold, edit and forget; see ``streams.events.Handler``."""
        decision = self.begin()
        readable = [event for event in events if not self._rejected(event, decision)]
        # Products before reviews: a review that moves in between moves its product's version, and we decide again.
        standing = self._products.load(list(dict.fromkeys(event.record.product_id for event in readable)))
        with self._store.read() as connection:
            known = review_rows.known_reviews(connection, list({_key(event.record) for event in readable}))
        changes: dict[str, Change] = {}
        for step, vectors in self._encode(_steps(readable, known, decision)):
            product_id = step.event.record.product_id
            change = changes.setdefault(product_id, Change(step.event.cause, step.event))
            change.newest = step.event
            change.forgot |= self._take(step, vectors, standing[product_id], known, decision)
        for product_id, change in changes.items():
            standing[product_id].sources = include(standing[product_id].sources, change.oldest, following)
        earlier = self.waiting_inputs([product_id for product_id in changes if _due(standing[product_id], changes)])
        for product_id, change in changes.items():
            self._settle(standing[product_id], change, earlier.get(product_id), decision)
        self._products.trim()
        return decision

    def ring(self, due: Sequence[Timer]) -> DigestDecision:
        """Read the products whose timers are due."""
        decision = self.begin()
        decision.served = due
        standing = self._products.load([timer.key for timer in due])
        for timer in due:
            here = standing[timer.key]
            if here.product.unread:
                output = self.read(here, decision, timer.trace)
                decision.outputs += [(output, cause) for cause in timer.inputs]
                decision.products.append(here.change())
        self._products.trim()
        return decision

    def begin(self) -> DigestDecision:
        """Begin a decision."""
        self._products.begin()
        return DigestDecision(self._now(), self._delays, self._shadows.follow)

    def waiting_inputs(self, product_ids: Sequence[str]) -> dict[str, list[Cause]]:
        """List the inputs that wait for each product to be read."""
        with self._store.read() as connection:
            waiting = timers.inputs(connection, READING, product_ids) if product_ids else {}
        return {product_id: waiting.get(product_id, []) for product_id in product_ids}

    def read(self, here: Standing, decision: DigestDecision, trace: Mapping[str, bytes]) -> Output:
        """Read a product's points: what stands now, to be published."""
        product = here.product
        reading = product.read(self._encoder.encode)
        product.mark_read()
        here.revision += 1
        self._counters.readings += 1
        points = Points(
            product_id=product.product_id,
            revision=here.revision,
            op="upsert" if product.review_count else "delete",
            review_count=reading.metrics.review_count,
            sources=here.sources,
            forgotten=here.forgotten,
            **{name: getattr(reading, name) for name in reading.__struct_fields__},
        )
        place, at = f"points:{product.product_id}@{here.revision}", datetime.fromtimestamp(decision.now, UTC)
        headers = event_headers(place, "points", "digest", at, trace)
        decision.read.append(product.product_id)
        return Output(self._points_topic, product.product_id.encode(), msgspec.json.encode(points), headers)

    def _rejected(self, event: Event[Review], decision: DigestDecision) -> bool:
        try:
            check_date("created_at", event.record.created_at, event.at)
        except Unreadable as problem:
            decision.rejections.append(Rejection(event.raw, problem))
            return True
        return False

    def _encode(self, steps: Sequence[Step]) -> list[tuple[Step, Vectors]]:
        vectors = self._encoder.encode([claim.text for step in steps for claim in step.claims])
        ends = [0]
        for step in steps:
            ends.append(ends[-1] + len(step.claims))
        return [(step, vectors[start:end]) for step, start, end in zip(steps, ends, ends[1:], strict=False)]

    def _take(self, step: Step, vectors: Vectors, here: Standing, known: Known, decision: DigestDecision) -> bool:
        """Apply one record; tell whether the product forgot something."""
        review, key = step.event.record, _key(step.event.record)
        before = decision.reviews.get(key, known.get(key))
        refold = Refold(review, review.created_at or step.event.at, step.claims, vectors)
        if isinstance(before, Tombstone) and step.verdict == "new":
            decision.risen.add(key)
        if step.verdict in ("delete", "bury"):
            decision.reviews[key] = Tombstone(*key, review.revision)
        if step.verdict == "new":
            decision.reviews[key] = _fold(here, refold, here.next_ordinal)
            here.next_ordinal += 1
        if not isinstance(before, ReviewRow) or step.verdict not in ("edit", "delete"):
            return False
        if step.verdict == "edit" and _same(review, before):
            decision.reviews[key] = replace(before, revision=review.revision)
            return False
        self._forget(before, here, decision, refold if step.verdict == "edit" else None)
        return True

    def _forget(self, row: ReviewRow, here: Standing, decision: DigestDecision, instead: Refold | None) -> None:
        key, review = (row.product_id, row.review_id), msgspec.json.decode(row.record, type=Review)
        folded = Folded(review, row.ordinal, datetime.fromtimestamp(row.at, UTC))
        claims = split_claims(review.text or "")
        here.product.forget(folded, claims, lambda: self._times(key, decision))
        here.forgotten = here.forgotten.add(row.review_id)
        decision.forgets.append(Forget(folded, claims, instead))
        if instead is not None:
            decision.reviews[key] = _fold(here, instead, row.ordinal)

    def _times(self, key: ReviewKey, decision: DigestDecision) -> list[float]:
        """Tell when all reviews of a product but one were written, as the decision has left them so far."""
        with self._store.read() as connection:
            known = review_rows.times(connection, key[0])
        for (product_id, review_id), change in decision.reviews.items():
            if product_id == key[0]:
                known.pop(review_id, None)
                if isinstance(change, ReviewRow):
                    known[review_id] = change.at
        known.pop(key[1], None)
        return list(known.values())

    def _settle(
        self, here: Standing, change: Change, earlier: Sequence[Cause] | None, decision: DigestDecision
    ) -> None:
        product_id, trace = here.product.product_id, change.newest.trace
        emptied = change.forgot and not here.product.review_count
        if emptied:
            here.empty()
        if earlier is not None:
            output = self.read(here, decision, trace)
            # Once for every input partition that waits: each holds its own watermark.
            decision.outputs += [(output, cause) for cause in oldest_causes([*earlier, change.oldest])]
            if change.forgot:
                decision.newest[product_id] = output
        elif here.product.unread:
            decision.waiting.append(Waiter(product_id, change.oldest, trace))
        if change.forgot and not emptied:
            decision.rebuild(product_id, here.forgotten.count, change.oldest, trace)
        decision.products.append(here.change(emptied=emptied))


def _steps(events: Sequence[Event[Review]], known: Known, decision: DigestDecision) -> list[Step]:
    """Judge records one after the other; what changes nothing waits for what stands of its product."""
    states = {key: (row.revision, isinstance(row, Tombstone)) for key, row in known.items()}
    steps = []
    for event in events:
        review, key = event.record, _key(event.record)
        standing, deleted = states.get(key, (None, False))
        verdict = judge(review.op, review.revision, standing, deleted)
        if verdict == "nothing":
            decision.joining.append(Waiter(review.product_id, event.cause))
            continue
        states[key] = (review.revision, review.op == "delete")
        claims = split_claims(review.text or "") if review.op == "upsert" else ()
        steps.append(Step(event, verdict, claims))
    return steps


def _due(here: Standing, changes: Mapping[str, Change]) -> bool:
    return changes[here.product.product_id].forgot or here.product.reading_due


def _fold(here: Standing, refold: Refold, ordinal: int) -> ReviewRow:
    review = refold.review
    trace = here.product.fold(review, ordinal, refold.at, refold.claims, refold.vectors)
    return ReviewRow(
        product_id=review.product_id,
        review_id=review.review_id,
        ordinal=ordinal,
        revision=review.revision,
        record=msgspec.json.encode(review),
        at=refold.at.timestamp(),
        trace=trace,
    )


def _same(review: Review, row: ReviewRow) -> bool:
    """Tell whether a newer revision says nothing new."""
    before = msgspec.json.decode(row.record, type=Review)
    return msgspec.structs.replace(before, revision=review.revision) == review


def _key(review: Review) -> ReviewKey:
    return review.product_id, review.review_id
