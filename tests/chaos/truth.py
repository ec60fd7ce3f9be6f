"""What must stand when everything is at rest: worked out from the input topic alone, and held against all there is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.sentence_table import SentenceTable
from processors.digest.product import Product
from processors.language.claims import split_claims
from processors.texts.paragraph import compose
from schemas.dead_letters import DeadLetter
from schemas.points import Points, Reading
from schemas.reviews import Review
from schemas.summaries import Summary
from schemas.tables import GROUPS, STORES
from streams.summary_records import reading_of
from tests.chaos.faults import AGENTS
from tests.chaos.history import BROKEN, mark
from tests.chaos.rest import check_nothing_waits
from tests.integration.harness import Workers, newest, read_topic, same_revision_same_bytes

Key = tuple[str, str]
"""(product_id, review_id)."""


@dataclass
class Truth:
    """A small model of the input: the newest record of each review counts, a deletion wins over an equal revision."""

    standing: dict[Key, Review] = field(default_factory=dict)
    times: dict[tuple[Key, int], set[float]] = field(default_factory=lambda: defaultdict(set))  # of an undated revision
    unreadable: set[str] = field(default_factory=set)  # ids of dead letters
    words: set[str] = field(default_factory=set)  # of every text that was ever sent
    arrivals: dict[str, dict[int, list[str]]] = field(default_factory=dict)  # product -> partition -> review ids
    wandering: set[Key] = field(default_factory=set)  # deleted at some time, or on two partitions: in no certain order

    @classmethod
    def of(cls, records: Sequence[Any], agent: str = "digest") -> "Truth":
        truth = cls()
        for record in sorted(records, key=lambda one: (one.partition, one.offset)):
            if record.value in BROKEN:
                truth.unreadable.add(f"{agent}:{record.topic}:{record.partition}:{record.offset}")
            else:
                truth._take(record, msgspec.json.decode(record.value, type=Review))
        return truth

    def _take(self, record: Any, review: Review) -> None:
        key = (review.product_id, review.review_id)
        self.times[key, review.revision].add(record.timestamp / 1000)
        places = self.arrivals.setdefault(review.product_id, {})
        if review.review_id not in places.setdefault(record.partition, []):
            places[record.partition].append(review.review_id)
        if review.op == "delete" or any(review.review_id in places[one] for one in places if one != record.partition):
            self.wandering.add(key)
        if review.op == "upsert":
            self.words.add(mark(review))
        before = self.standing.get(key)
        if before is None or rank(review) > rank(before):
            self.standing[key] = review

    @property
    def kept(self) -> dict[Key, Review]:
        return {key: review for key, review in self.standing.items() if review.op == "upsert"}

    @property
    def tombstones(self) -> dict[Key, int]:
        return {key: review.revision for key, review in self.standing.items() if review.op == "delete"}

    @property
    def gone(self) -> set[str]:
        """Words nothing may hold any more."""
        return self.words - {mark(review) for review in self.kept.values()}


def rank(review: Review) -> tuple[int, bool]:
    return review.revision, review.op == "delete"


class Standing:
    """All that two agents have made, read once they are at rest."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.truth = Truth.of(read_topic(workers.settings, "reviews"))
        self.point_records = read_topic(workers.settings, "points")
        self.summary_records = read_topic(workers.settings, "summaries")
        self.points = newest(self.point_records, Points)
        self.summaries = newest(self.summary_records, Summary)
        self.table = SentenceTable.load()
        columns = "product_id, review_id, ordinal, revision, record, at"
        self.rows = workers.query("digest", f"SELECT {columns} FROM reviews ORDER BY product_id, ordinal")

    def check(self) -> None:
        """Hold everything against the truth."""
        check_nothing_waits(self.workers, AGENTS)
        self.check_reviews()
        self.check_order()
        readings = self.fold()
        self.check_points(readings)
        self.check_summaries(readings)
        self.check_dead_letters()
        self.check_forgotten()

    def check_reviews(self) -> None:
        found = {row[:2]: msgspec.json.decode(row[4], type=Review) for row in self.rows}
        assert found == self.truth.kept
        assert [row[3] for row in self.rows] == [found[row[:2]].revision for row in self.rows]
        for product_id, review_id, _, revision, _, at in self.rows:
            created_at = found[product_id, review_id].created_at
            sent_at = self.truth.times[(product_id, review_id), revision]
            assert at in (sent_at if created_at is None else {created_at.timestamp()})
        tombstones = self.workers.query("digest", "SELECT product_id, review_id, revision FROM tombstones")
        assert {(product_id, review_id): revision for product_id, review_id, revision in tombstones} == (
            self.truth.tombstones
        )

    def check_order(self) -> None:
        """Reviews of one partition that were never deleted keep the order in which they came."""
        places = {row[:2]: row[2] for row in self.rows}
        for product_id, partitions in self.truth.arrivals.items():
            for review_ids in partitions.values():
                plain = [(product_id, one) for one in review_ids if (product_id, one) not in self.truth.wandering]
                assert [places[key] for key in plain] == sorted(places[key] for key in plain)

    def fold(self) -> dict[str, Reading]:
        """Read products that have seen nothing but what is kept, in the order it is kept in."""
        products: dict[str, Product] = {}
        for product_id, _, _, _, record, at in self.rows:
            product = products.setdefault(product_id, Product(product_id))
            review = msgspec.json.decode(record, type=Review)
            claims = split_claims(review.text or "")
            vectors = self.table.encode([claim.text for claim in claims])
            product.fold(review, product.review_count, datetime.fromtimestamp(at, UTC), claims, vectors)
        return {product_id: product.read(self.table.encode) for product_id, product in products.items()}

    def check_points(self, readings: Mapping[str, Reading]) -> None:
        assert same_revision_same_bytes(self.point_records, Points)
        query = "SELECT product_id, revision, review_count FROM products WHERE revision > 0"
        told = [(product_id, one.revision, one.review_count) for product_id, one in self.points.items()]
        assert sorted(told) == sorted(self.workers.query("digest", query))
        for product_id, points in self.points.items():
            empty = Product(product_id).read(self.table.encode)
            assert points.op == ("upsert" if product_id in readings else "delete"), product_id
            assert reading_of(points) == readings.get(product_id, empty), product_id
        assert readings.keys() <= self.points.keys()

    def check_summaries(self, readings: Mapping[str, Reading]) -> None:
        assert same_revision_same_bytes(self.summary_records, Summary)
        stored = dict(self.workers.query("summarize", "SELECT product_id, record FROM summaries"))
        assert {product_id: msgspec.json.encode(one) for product_id, one in self.summaries.items()} == stored
        assert self.summaries.keys() == self.points.keys()
        for product_id, summary in self.summaries.items():
            points = self.points[product_id]
            assert (summary.op, summary.bands, summary.metrics) == (points.op, points.bands, points.metrics)
            if product_id in readings:
                assert summary.text == compose(readings[product_id], self.table.encode), product_id
                assert summary.text_revision <= summary.revision  # points may be read anew and say the same
            else:
                assert (summary.text, summary.text_revision, summary.writer) == (None, None, None)

    def check_dead_letters(self) -> None:
        """Each once: a repeat is byte-identical, an event handled twice would tell another time."""
        values = {record.value for record in read_topic(self.workers.settings, "dead-letters")}
        letters = [msgspec.json.decode(value, type=DeadLetter).dead_letter_id for value in values]
        assert sorted(letters) == sorted(self.truth.unreadable)

    def check_forgotten(self) -> None:
        places = {
            f"{agent}.{table.name}": self.workers.query(agent, f"SELECT * FROM {table.name}")
            for agent in AGENTS
            for group in STORES[agent]
            for table in GROUPS[group].sorted_tables
        }
        places["points"] = [tuple(map(msgspec.json.encode, self.points.values()))]
        places["summaries"] = [tuple(map(msgspec.json.encode, self.summaries.values()))]
        kept = {name: b"\n".join(as_bytes(value) for row in rows for value in row) for name, rows in places.items()}
        held = {name: [word for word in self.truth.gone if word.encode() in said] for name, said in kept.items()}
        assert {name: words[:3] for name, words in held.items() if words} == {}
        all_said = b"\n".join(kept.values())
        assert all(mark(review).encode() in all_said for review in self.truth.kept.values())  # the search finds words


def as_bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
