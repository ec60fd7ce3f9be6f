"""How many reviews a second become searchable: decision, words, vectors and transaction, in runs like the stream's.

Run it with ``python -m tests.bench.review_index``.
"""

import statistics
import tempfile
import time
from itertools import count, islice
from pathlib import Path

from infra import fences
from infra.database import Store, Waits, open_store
from infra.places import StorePlace
from models.sentence_table import SentenceTable
from processors.simulator import Simulator
from streams.index_reviews import ReviewIndexHandler
from tests.streams.fakes import REVIEWS, applier, raw, run
from tests.streams.index_worker import INDEXED

REVIEW_COUNT = 20_000
RUN = 500


def main() -> None:
    """Index generated reviews on a store of its own, and print the pace of the first and the last tenth."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(StorePlace("index", Path(folder)), Waits())
        try:
            paces = index(store)
        finally:
            store.close()
    tenth = len(paces) // 10
    first, last = statistics.median(paces[:tenth]), statistics.median(paces[-tenth:])
    print(f"{REVIEW_COUNT:,} reviews in runs of {RUN}, SQLite, one core: median {statistics.median(paces):,.0f}/s")
    print(f"first tenth {first:,.0f}/s, last tenth {last:,.0f}/s")


def index(store: Store) -> list[float]:
    """Return reviews a second of each run."""
    with store.write() as connection:
        fences.create(connection, (REVIEWS, 0), 0, "cluster", "topic")
    handler = ReviewIndexHandler(store, SentenceTable.load(), topic=INDEXED, now=time.time)
    worker, offsets, paces = applier(handler, store), count(), []
    reviews = Simulator(seed=5, products=50).reviews(REVIEW_COUNT)
    while some := list(islice(reviews, RUN)):
        records = run(*(raw(next(offsets), one) for one in some))
        started = time.perf_counter()
        worker.apply(records)
        paces.append(len(some) / (time.perf_counter() - started))
    return paces


if __name__ == "__main__":
    main()
