"""A review in digest's store and in summarize's, both by hand, and what Kafka keeps of it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa

from processors.digest.product import Folded, Product
from processors.language.claims import split_claims
from schemas import tables
from schemas.points import Evidence, Flag, Forgotten, Points, Reading
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.cli.erasing.erase_review import run
from streams.cli.erasing.outcome import Outcome
from streams.cli.erasing.review_erasing import ReviewErasing
from streams.cli.waits.standing import Agent
from streams.summary_records import TextBasis, make_row, reading_of, retext, show
from tests.processors.fake_encoder import START, fold_one
from tests.processors.readings import band, point, reading
from tests.streams.cli.erasing.answered import entry
from tests.streams.cli.erasing.stage import Chain, Stores
from tests.streams.cli.fake_logs import Logs, record
from tests.streams.cli.fake_surroundings import DIGEST, SUMMARIZE
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


def summary_row(quoted: bool, text: str, forgotten: Forgotten) -> dict[str, object]:
    told = {name: getattr(shown(quoted), name) for name in Reading.__struct_fields__}
    points = Points(
        product_id=PRODUCT, revision=1, op="upsert", review_count=4, sources={}, forgotten=forgotten, **told
    )
    stamp = None
    summary: Summary = retext(show(points, {}, None, NOW), text, stamp, None, NOW)  # type: ignore[arg-type]
    row = make_row(summary, 1, msgspec.json.encode(points), TextBasis(reading_of(points), forgotten.count))
    return {column.name: getattr(row, column.name) for column in tables.summaries.columns}


class Stage:
    """What surrounds the erasure of a review: digest and summarize have it.

    Args:
        home: Where the stores are made.
        logs: The topics.
        agents: Who is waited for; others than these two are by hand.
    """

    def __init__(self, home: Path, logs: Logs, agents: Sequence[Agent] = (DIGEST, SUMMARIZE)) -> None:
        self.stores = Stores(home)
        self.chain = Chain("reviews", agents, self.stores, logs, "digest", self.forget)
        fill_store(home, "digest", self._digest_rows())
        quoting = summary_row(True, f"Some say: {TEXT}", Forgotten())
        entries = [entry("asked", f"Some say: {TEXT}", PRODUCT), entry("other", "Fine.", "q")]
        fill_store(home, "summarize", {tables.summaries: [quoting], tables.ledger: entries})

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

    def forget(self) -> None:
        """Do what the agents do with the deletion, once."""
        self.chain.on_gone = None
        self.stores.open("digest").change(self.forget_review)
        self.stores.open("summarize").change(self._rewrite)

    def forget_review(self, connection: sa.Connection) -> None:
        product, gone = folded(), REVIEWS[0]
        product.forget(Folded(gone, 0, START), split_claims(gone.text or ""), list)
        forgotten = {"forgotten": msgspec.json.encode(Forgotten(count=1, newest=[SECRET]))}
        tomb = {"product_id": PRODUCT, "review_id": SECRET, "revision": self.chain.produced[-1].revision}
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


def erased(
    stage: "Stage", named: str = f"{PRODUCT}/{SECRET}", *, unseen: bool = False, as_json: bool = False
) -> Outcome:
    return run(ReviewErasing(stage.chain.steps()), stage.chain.telling(as_json), named, None, unseen=unseen)


def topics() -> Logs:
    """What Kafka keeps of the secret review."""
    quoting = {"bands": {"negative": [{"review_id": SECRET, "quote": TEXT}]}}
    version = {"product_id": PRODUCT, "review_id": SECRET, "text": TEXT, "revision": 4}
    return Logs(reviews=[record(2, version)], points=[record(0, quoting), record(3, quoting), record(4, {})])
