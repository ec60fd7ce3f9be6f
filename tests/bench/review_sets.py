"""Public reviews in the order they were written, set by set; invented ones where none are at hand."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from processors.simulator.simulator import Simulator
from schemas.reviews import Review

FILES: Mapping[str, Sequence[str]] = {
    "clothing": ("reviews_womens_clothing/womens_clothing.jsonl.gz",),
    "mcauley": (
        "reviews_amazon_mcauley/beauty_5core.jsonl.gz",
        "reviews_amazon_mcauley/digital_music_5core_head.jsonl.gz",
        "reviews_amazon_mcauley/fashion_5core.jsonl.gz",
        "reviews_amazon_mcauley/sandisk_card_single_product.jsonl.gz",
    ),
    "flink": ("reviews_flink_agents/product_review_joined.jsonl.gz",),
}
"""Files of each set, in the folder of ``--data``."""

INVENTED = 4_000


def review_sets(data: Path | None, limit: int | None) -> dict[str, list[Review]]:
    """Read all sets.

    Args:
        data: Their folder; none invents one set.
        limit: Reviews of each set at most, the first.
    """
    if data is None:
        return {"invented": list(Simulator(seed=1, products=20).reviews(limit or INVENTED))}
    return {name: list(islice(_in_order(data, files), limit)) for name, files in FILES.items()}


def _in_order(data: Path, files: Sequence[str]) -> list[Review]:
    """Reviews with a text by time; those without a time as they come."""
    rows = chain.from_iterable(_rows(data / file) for file in files)
    return [_review(number, row) for number, row in enumerate(sorted(rows, key=lambda row: row.get("ts") or 0))]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (row for row in map(json.loads, lines) if row["text"])


def _review(number: int, row: Mapping[str, Any]) -> Review:
    return Review(
        review_id=str(number),
        product_id=str(row["product_id"]),
        text=row["text"],
        rating=None if row["rating"] is None else int(row["rating"]),
        created_at=datetime.fromtimestamp(row["ts"], UTC) if row.get("ts") else None,
    )
