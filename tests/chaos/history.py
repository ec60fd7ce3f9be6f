"""Histories of reviews as the world sends them: edited, deleted, repeated, late, broken, and on two partitions."""

import random
import zlib
from dataclasses import dataclass, field

import msgspec

from processors.simulator.simulator import Simulator
from schemas.reviews import Review

PRODUCTS = 6
ELSEWHERE = 0.12
"""Share of records whose sender hashes keys differently: they lie on another partition than their product."""

BROKEN = (
    None,
    b"\xff\xfe no json",
    b'{"review_id": 5}',
    b'{"review_id": "x", "product_id": "p", "text": "Old.", "created_at": "1960-01-01T00:00:00Z"}',
    b"[]",
)
"""Values nobody can read."""

SHARES = {"new": 62, "edit": 12, "delete": 7, "again": 7, "older": 4, "early": 2, "back": 3, "broken": 9}
"""How often each kind of record is sent, in parts of all."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to send."""

    key: bytes
    value: bytes | None
    partition: int
    topic: str = "reviews"  # logical


@dataclass
class History:
    """Makes records from a seed; every text carries a word no other has, so that what is forgotten can be looked for.

    Args:
        seed: Equal seeds make equal histories.
        partitions: Of the topic.
    """

    seed: int
    partitions: int
    standing: dict[tuple[str, str], Review] = field(default_factory=dict)  # the newest record of each review
    older: list[Review] = field(default_factory=list)  # records that a newer one has outdated
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._fresh = Simulator(self.seed, products=PRODUCTS).reviews(1_000_000)

    def make(self, count: int) -> list[Sent]:
        """Make records; towards the end two products lose all their reviews, and one of them gets new ones."""
        kinds, weights = list(SHARES), list(SHARES.values())
        while len(self.sent) < count * 0.8:
            getattr(self, f"_{self._chance.choices(kinds, weights)[0]}")()
        doomed = sorted({product_id for product_id, _ in self.standing})[:2]
        for product_id in doomed:
            self._empty(product_id)
        while len(self.sent) < count:
            self._new(without=doomed[:1])
        return self.sent

    def _new(self, without: list[str] | None = None) -> None:
        review = next(self._fresh)
        while review.product_id in (without or ()):
            review = next(self._fresh)
        dated = self._chance.random() < 0.9
        self._take(msgspec.structs.replace(review, created_at=review.created_at if dated else None))

    def _edit(self) -> None:
        if review := self._some("upsert"):
            rating = self._chance.choice([1, 2, 3, 4, 5, None])
            self._take(msgspec.structs.replace(review, revision=review.revision + 1, rating=rating))

    def _delete(self) -> None:
        if review := self._some("upsert"):
            self._take(deletion(review, review.revision + self._chance.choice([0, 0, 1])))

    def _again(self) -> None:
        if review := self._some("upsert"):
            self._send(review)

    def _older(self) -> None:
        if self.older:
            self._send(self._chance.choice(self.older))

    def _early(self) -> None:
        """Delete a review before it arrives."""
        review = self._marked(next(self._fresh))
        self._take(deletion(review, review.revision))
        self.older.append(review)

    def _back(self) -> None:
        """Send a deleted review anew."""
        if review := self._some("delete"):
            text = next(self._fresh).text
            self._take(msgspec.structs.replace(review, op="upsert", revision=review.revision + 1, text=text, rating=4))

    def _broken(self) -> None:
        key = self._chance.choice(sorted({product_id for product_id, _ in self.standing} or {"p"}))
        self._append(key, self._chance.choice(BROKEN))

    def _empty(self, product_id: str) -> None:
        for review in [one for one in self.standing.values() if one.product_id == product_id and one.op == "upsert"]:
            self._take(deletion(review, review.revision))

    def _some(self, op: str) -> Review | None:
        found = [review for review in self.standing.values() if review.op == op]
        return self._chance.choice(found) if found else None

    def _take(self, review: Review) -> None:
        review = self._marked(review)
        key = (review.product_id, review.review_id)
        if key in self.standing and self.standing[key].op == "upsert":
            self.older.append(self.standing[key])
        self.standing[key] = review
        self._send(review)

    def _marked(self, review: Review) -> Review:
        if review.op == "delete":
            return review
        kept = (review.text or "").split(" The zq")[0]
        text = f"{kept} The {mark(review)} strap feels rather stiff."
        return msgspec.structs.replace(review, text=text)

    def _send(self, review: Review) -> None:
        self._append(review.product_id, msgspec.json.encode(review))

    def _append(self, key: str, value: bytes | None) -> None:
        home = zlib.crc32(key.encode()) % self.partitions
        elsewhere = self._chance.random() < ELSEWHERE
        self.sent.append(Sent(key.encode(), value, (home + elsewhere) % self.partitions))


def mark(review: Review) -> str:
    """A word that only this revision of this review says."""
    return f"zq{zlib.crc32(f'{review.product_id}/{review.review_id}'.encode()):08x}r{review.revision}"


def deletion(review: Review, revision: int) -> Review:
    return Review(review_id=review.review_id, product_id=review.product_id, op="delete", revision=revision)
