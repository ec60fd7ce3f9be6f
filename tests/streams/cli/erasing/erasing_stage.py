"""Two stores, two agents that forget when they are waited for, and topics in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa

from infra.kafka.producer import Receipt
from infra.ledger import Entry
from infra.places import StorePlace
from infra.stores import AgentStore
from processors.digest.product import Folded, Product
from processors.language.claims import split_claims
from schemas import tables
from schemas.points import Evidence, Flag, Forgotten, Points, Reading
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.cli.erasing.review_erasing import Erasing
from streams.cli.waits.standing import Agent
from streams.summary_records import TextBasis, make_row, reading_of, retext, show
from tests.processors.fake_encoder import START, fold_one
from tests.processors.readings import band, point, reading
from tests.streams.cli.fake_logs import Logs, record
from tests.streams.cli.fake_surroundings import DIGEST, SUMMARIZE, Fake
from tests.streams.cli.samples import NOW, fill_store

PRODUCT, SECRET = "p", "secret"
TEXT = "The battery caught fire and burned my hand in Zanzibar. Great value for the money."
OTHER = "The zipper feels rather stiff today."
REVIEWS = [Review(review_id=SECRET, product_id=PRODUCT, text=TEXT, rating=1)] + [
    Review(review_id=f"r{number}", product_id=PRODUCT, text=OTHER, rating=1) for number in range(3)
]
QUOTES = [Evidence(review_id=SECRET, quote=TEXT[:54]), Evidence(review_id="r1", quote=OTHER)]


def shown(quoted: bool) -> Reading:
    """What a product shows, with two quotes and a flag of the secret review or without."""
    said = [one for one in QUOTES if quoted or one.review_id != SECRET]
    told = reading(negative=band(4, [msgspec.structs.replace(point("battery"), evidence=said)]))
    value = msgspec.structs.replace(told.value_for_money, evidence=QUOTES[:1] if quoted else [])
    flags = [Flag(kind="safety", review_id=SECRET, quote=TEXT[:54])] if quoted else []
    return msgspec.structs.replace(told, value_for_money=value, flags=flags)


def folded() -> Product:
    product = Product(PRODUCT)
    for ordinal, one in enumerate(REVIEWS):
        fold_one(product, one, ordinal, START)
    return product


def entry(key: str, output: str, subject: str | None, at: float = 1.0) -> dict[str, object]:
    whole = Entry(key, "extractive", "1", "1", output, 0, 0, 0.0, at, subject)
    return {column.name: getattr(whole, column.name) for column in tables.ledger.columns}


def summary_row(quoted: bool, text: str, forgotten: Forgotten) -> dict[str, object]:
    told = {name: getattr(shown(quoted), name) for name in Reading.__struct_fields__}
    points = Points(
        product_id=PRODUCT, revision=1, op="upsert", review_count=4, sources={}, forgotten=forgotten, **told
    )
    stamp = None
    summary: Summary = retext(show(points, {}, None, NOW), text, stamp, None, NOW)  # type: ignore[arg-type]
    row = make_row(summary, 1, msgspec.json.encode(points), TextBasis(reading_of(points), forgotten.count))
    return {column.name: getattr(row, column.name) for column in tables.summaries.columns}


@dataclass
class Stage:
    """What surrounds an erasure."""

    home: Path
    logs: Logs = field(default_factory=Logs)
    fake: Fake = field(default_factory=lambda: Fake(logs={"reviews": (0, 9), "points": (0, 0)}))
    produced: list[Review] = field(default_factory=list)
    waits: list[tuple[list[str], dict, bool]] = field(default_factory=list)
    on_gone: Callable[[], None] | None = None
    agents: list[Agent] = field(default_factory=lambda: [DIGEST, SUMMARIZE])

    def __post_init__(self) -> None:
        self.on_gone = self.forget
        fill_store(self.home, "digest", self._digest_rows())
        quoting = summary_row(True, f"Some say: {TEXT}", Forgotten())
        entries = [entry("asked", f"Some say: {TEXT}", PRODUCT), entry("other", "Fine.", "q")]
        fill_store(self.home, "summarize", {tables.summaries: [quoting], tables.ledger: entries})

    def _digest_rows(self) -> dict[sa.Table, list[dict[str, object]]]:
        kept = [
            {
                "product_id": PRODUCT, "review_id": one.review_id, "ordinal": ordinal, "revision": 4,
                "record": msgspec.json.encode(one), "at": 0.0, "trace": b"",
            }
            for ordinal, one in enumerate(REVIEWS)
        ]  # fmt: skip
        counts = {"version": 1, "revision": 1, "review_count": 4, "next_ordinal": 4, "base_ordinal": 0}
        product = {"product_id": PRODUCT, "sources": b"{}", "forgotten": b"{}", **counts}
        return {tables.reviews: kept, tables.products: [product], tables.product_parts: self._parts(folded())}

    def _parts(self, product: Product) -> list[dict[str, object]]:
        return [{"product_id": PRODUCT, "part": name, "state": state} for name, state in product.dump().items()]

    def store(self, agent: str, mode="rw") -> AgentStore:
        return AgentStore(StorePlace(agent, self.home), mode)

    def put(self, agent: str, table: sa.Table, row: dict[str, object]) -> None:
        self.store(agent).change(lambda connection: connection.execute(table.insert(), row))

    def rows(self, agent: str, table: sa.Table) -> list[tuple]:
        with self.store(agent, "ro").transaction() as connection:
            return [tuple(row) for row in connection.execute(sa.select(table))]

    def erasing(self) -> Erasing:
        return Erasing(
            agents=self.agents,
            around=self.fake,
            wait=self.wait,
            open_store=self.store,
            logs=self.logs,
            produce=self.produce,
            scrub=lambda agent: agent == "digest",
            now=lambda: NOW,
        )

    def produce(self, review: Review) -> Receipt:
        self.produced.append(review)
        return Receipt("reviews", 0, 9)

    def wait(self, agents, origins, applied: bool) -> None:
        self.waits.append(([agent.name for agent in agents], dict(origins), applied))
        if not applied and self.on_gone is not None:
            self.on_gone()

    def forget(self) -> None:
        """Do what the agents do with the deletion, once."""
        self.on_gone = None
        self.store("digest").change(self._forget_review)
        self.store("summarize").change(self._rewrite)

    def _forget_review(self, connection: sa.Connection) -> None:
        product, gone = folded(), REVIEWS[0]
        product.forget(Folded(gone, 0, START), split_claims(gone.text or ""), list)
        forgotten = {"forgotten": msgspec.json.encode(Forgotten(count=1, newest=[SECRET]))}
        tomb = {"product_id": PRODUCT, "review_id": SECRET, "revision": self.produced[-1].revision}
        connection.execute(tables.reviews.delete().where(tables.reviews.c.review_id == SECRET))
        connection.execute(tables.tombstones.insert(), tomb)
        connection.execute(tables.products.update().values(forgotten))
        connection.execute(tables.product_parts.delete())
        connection.execute(tables.product_parts.insert(), self._parts(product))

    def _rewrite(self, connection: sa.Connection) -> None:
        connection.execute(tables.ledger.delete().where(tables.ledger.c.subject == PRODUCT))
        connection.execute(tables.ledger.insert(), entry("asked", "Some say it is stiff.", PRODUCT, at=2.0))
        row = summary_row(False, "Some say it is stiff.", Forgotten(count=1, newest=[SECRET]))
        connection.execute(tables.summaries.update().values(row))


def topics() -> Logs:
    """What Kafka keeps of the secret review."""
    quoting = {"bands": {"negative": [{"review_id": SECRET, "quote": TEXT}]}}
    version = {"product_id": PRODUCT, "review_id": SECRET, "text": TEXT, "revision": 4}
    return Logs(reviews=[record(2, version)], points=[record(0, quoting), record(3, quoting), record(4, {})])
