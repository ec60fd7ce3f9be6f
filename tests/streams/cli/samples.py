"""Made-up records that look like real ones, and hostile ones, for the views."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa

from infra.database import Waits, open_store
from infra.places import StorePlace
from schemas.dead_letters import DeadLetter, HeaderCopy, Place
from schemas.points import (
    Band,
    Bands,
    Evidence,
    Flag,
    FlagCounts,
    Metrics,
    Point,
    RatingCounts,
    ValueForMoney,
)
from schemas.summaries import Summary, WriterStamp
from schemas.tables import summaries

NOW = 1_700_000_000.0
TEXT = (
    "Buyers like the even heat and the quiet fan; most say it fits a small kitchen. "
    "A few report a lid that cracks within months."
)
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m [bold]not markup[/bold] \u202egnp.exe\nnext\tline\x07"


def point(headline: str, reviews: int, share: float, trend: float = 1.0, quote: str | None = None) -> Point:
    evidence = [Evidence(review_id="r1", quote=quote or f"{headline}, as I said before")]
    return Point(
        point_id=headline[:8], label=headline.split()[0], headline=headline, review_count=reviews, share=share,
        trend=trend, evidence=evidence,
    )  # fmt: skip


def band(*points: Point, reviews: int = 100) -> Band:
    return Band(review_count=reviews, points=list(points))


POSITIVE = band(
    point("heats evenly and keeps warm for a long time", 869, 0.204, 1.83),
    point("quiet fan", 434, 0.10),
    point("手机套很好用，颜色也很漂亮，而且物流非常快，推荐大家购买这个产品", 40, 0.01),
    point("مناسب جدا للمطبخ الصغير", 12, 0.004, 0.4),
    reviews=4_126,
)
NEGATIVE = band(
    point("lid cracks within months of normal use, and nobody answers", 72, 0.22, 2.4),
    point("👩‍👩‍👧 family size it is not 🙁", 54, 0.17, 0.5),
    reviews=327,
)


def summary(
    product_id: str = "kettle-17",
    *,
    text: str | None = TEXT,
    positive: Band = POSITIVE,
    negative: Band = NEGATIVE,
    unrated: Band | None = None,
    reviews: int = 4_915,
    age_s: float = 2.0,
    now: float = NOW,
) -> Summary:
    return Summary(
        product_id=product_id,
        revision=9,
        text_revision=8 if text else None,
        op="upsert",
        text=text,
        bands=Bands(negative=negative, neutral=band(reviews=0), positive=positive, unrated=unrated or band(reviews=0)),
        value_for_money=ValueForMoney(stance="good", good=801, poor=41, unclear=584, evidence=[]),
        flags=[Flag(kind="safety", review_id="r9", quote="it caught fire")],
        flag_counts=FlagCounts(safety=19, severe=110),
        metrics=Metrics(review_count=reviews, mean_rating=4.58, rating_counts=RatingCounts(five=3), last_30_days=7),
        writer=WriterStamp(engine="extractive", model="1", prompt_version="1", ledger_key="k") if text else None,
        sources={"reviews": {"0": 17}},
        updated_at=datetime.fromtimestamp(now - age_s, UTC),
    )


def letter(offset: int = 7, *, payload: bytes | None = b"{}", age_s: float = 30.0, **changed: object) -> DeadLetter:
    values = {
        "dead_letter_id": f"digest:millrace.reviews.v1:3:{offset}",
        "agent": "digest",
        "source": Place(topic="millrace.reviews.v1", partition=3, offset=offset),
        "reason": "invalid_field",
        "field": "rating",
        "error": "rating: Expected `int` <= 5",
        "payload_base64": None if payload is None else base64.b64encode(payload).decode(),
        "payload_bytes": len(payload or b""),
        "headers": [HeaderCopy(key="ce_id", value_base64=base64.b64encode(b"\x1b[2Jx").decode())],
        "failed_at": datetime.fromtimestamp(NOW - age_s, UTC),
    }
    return DeadLetter(**(values | changed))


def fill_store(home: Path, agent: str, rows: Mapping[sa.Table, Sequence[Mapping[str, object]]]) -> None:
    """Create an agent's store and put rows into it."""
    store = open_store(StorePlace(agent, home), Waits())
    with store.write() as connection:
        for table, values in rows.items():
            for value in values:
                connection.execute(table.insert(), value)
    store.close()


def fill_summaries(home: Path, records: Sequence[Summary]) -> None:
    """Create the store of summarize as if it had published these."""
    rows = [
        {
            "product_id": record.product_id,
            "revision": record.revision,
            "points_revision": 1,
            "points": b"{}",
            "record": msgspec.json.encode(record),
            "review_count": record.metrics.review_count if record.op == "upsert" else 0,
            "updated_at": record.updated_at.timestamp(),
        }
        for record in records
    ]
    fill_store(home, "summarize", {summaries: rows})
