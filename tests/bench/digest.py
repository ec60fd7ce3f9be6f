"""Time the digest's processors on one core: split, encode, fold, dump, read.

Run: ``python -m tests.bench.digest [--reviews N] [--data DIR] [--json FILE]``. Without ``--data`` the
simulator writes the reviews; with it, DIR's women's clothing reviews are used.
"""

import argparse
import gzip
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # must be set before numpy loads

import numpy as np

from models.sentence_table import SentenceTable
from processors.digest.product import Product
from processors.language.claims import Claim, split_claims
from processors.simulator import Simulator
from schemas.reviews import Review

CLOTHING = "reviews_womens_clothing/womens_clothing.jsonl.gz"
AT = datetime(2024, 1, 1, tzinfo=UTC)
READINGS = 20


def clothing(path: Path, count: int) -> Iterator[Review]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if count and row["text"]:
                count -= 1
                rating = int(row["rating"])
                yield Review(review_id=str(row["row"]), product_id=row["product_id"], text=row["text"], rating=rating)


def measure(reviews: Sequence[Review]) -> dict[str, float]:
    """Return seconds of processor time a stage took, by name, and figures made of them."""
    table = SentenceTable.load()
    moments = [time.process_time()]
    claims: list[list[Claim]] = [split_claims(review.text or "") for review in reviews]
    moments.append(time.process_time())
    vectors = [table.encode([claim.text for claim in own]) for own in claims]
    moments.append(time.process_time())
    products: dict[str, Product] = {}
    for review, own, rows in zip(reviews, claims, vectors, strict=True):
        product = products.setdefault(review.product_id, Product(review.product_id))
        product.fold(review, product.review_count, AT, own, rows)
    moments.append(time.process_time())
    dumped_bytes = [sum(map(len, product.dump_changed().values())) for product in products.values()]
    moments.append(time.process_time())
    largest = max(products.values(), key=lambda product: product.review_count)
    for _ in range(READINGS):
        largest.read(table.encode)
    moments.append(time.process_time())
    split_s, encode_s, fold_s, dump_s, read_s = np.diff(moments).tolist()
    return {
        "reviews_per_s": len(reviews) / (split_s + encode_s + fold_s),
        "claims_per_review": sum(map(len, claims)) / len(reviews),
        "split_us": split_s / len(reviews) * 1e6,
        "encode_us": encode_s / len(reviews) * 1e6,
        "fold_us": fold_s / len(reviews) * 1e6,
        "dump_us_per_product": dump_s / len(products) * 1e6,
        "largest_state_bytes": max(dumped_bytes),
        "read_ms_largest_product": read_s / READINGS * 1e3,
        "largest_product_reviews": largest.review_count,
    }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=4_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.data:
        reviews = list(clothing(options.data / CLOTHING, options.reviews))
    else:
        reviews = list(Simulator(seed=1, products=20).reviews(options.reviews))
    figures = {name: round(value, 2) for name, value in measure(reviews).items()}
    report = {
        "name": "digest",
        "machine": platform.processor() or platform.machine(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "input": f"{len(reviews):,} {'clothing' if options.data else 'simulated'} reviews",
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
    }
    for name, value in figures.items():
        print(f"{name:28s} {value:12,.2f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
