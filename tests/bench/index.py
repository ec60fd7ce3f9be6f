"""``millrace bench index``: how much of a changing documentation is embedded, how fresh and true it is, how quick."""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.database import Waits, open_store
from infra.places import StorePlace
from infra.stores import AgentStore
from infra.vectors.vector_store import Floats
from models.minilm.minilm import MiniLM
from schemas.documents import PUBLIC, Document
from schemas.indexed import Indexed
from streams.indexed_records import revision_of
from streams.places import store_place
from tests.bench.agreement import compare
from tests.bench.crowd import GROUPS, Crowd, Place, fill
from tests.bench.history import embedded_one_by_one, expected_chunks, final, read_history
from tests.bench.load import published, send
from tests.bench.searching import Search, open_search
from tests.bench.stack import Stack

AGENT = "index"
SIZES = (10_000, 100_000)
QUERIES = 300
WARM_UP = 20
PROBES = 100
FOUND_S = 30.0
POLL_S = 0.02
Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell, limit: int | None = None) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures.

    Args:
        data: Folder with the public sets; without it there is no replay.
        tell: Says what is measured now.
        limit: Changes replayed at most; the invented indexes then have as many chunks, and a tenth.
    """
    changes = read_history(data, limit) if data else []
    figures: Figures = {}
    probes, queries = (PROBES, QUERIES) if limit is None else (10, 30)
    with Stack(vectors=True) as stack:
        tell(f"a replay of {len(changes):,} changes" if data else "no --data: no replay")
        figures |= replay(stack, changes)
        tell(f"{probes} new documents, one after the other")
        figures |= freshness(stack, probes)
        figures["resident_mb"] = round(stack.resident_mb())
        stack.stop_workers()
        for size in SIZES if limit is None else (limit // 10, limit):
            tell(f"searches of an index of {size:,} invented chunks")
            figures |= latency(stack, size, queries, tell)
    figures["query_p99_ms"] = figures[f"query_p99_ms_{max(SIZES) if limit is None else limit}"]
    told = f"{len(changes):,} changes of documentation (a text over 20,000 characters is left out), all at once"
    return f"{told}; then invented chunks with random vectors, 20 groups, {queries} queries", figures


def replay(stack: Stack, changes: Sequence[Document]) -> Figures:
    """Index a backlog of changes, and compare with an index of what stands at its end."""
    longest, cache_s = stack.settings.index.chunk_characters, stack.settings.index.cache_s
    asyncio.run(send(stack, changes, topic="documents"))
    stack.start_workers((AGENT,))
    started = time.monotonic()
    stack.wait(AGENT)
    elapsed_s = time.monotonic() - started
    if not changes:
        names = ("embedded_share", "embedded_share_one_by_one", "events_per_s", "stale_chunks", "missing_chunks")
        return dict.fromkeys(names)
    told: Sequence[Indexed] = [one for _, one in asyncio.run(published(stack, "indexed", Indexed))]
    one_by_one, every = embedded_one_by_one(changes, longest, cache_s)
    with stack.vector_store() as vectors:
        store = AgentStore(store_place(stack.settings, AGENT))
        found = compare(store, vectors, expected_chunks(final(changes), longest))
    return {
        "embedded_share": round(sum(one.embedded for one in told) / every, 3),
        "embedded_share_one_by_one": round(one_by_one / every, 3),
        "events_per_s": round(len(changes) / elapsed_s, 1),
        "indexed_per_change": round(sum(_vectors_stand(one) for one in told) / len(changes), 3),
        "told_per_change": round(len(told) / len(changes), 3),
        "stale_chunks": found.stale,
        "missing_chunks": found.missing,
    }


def _vectors_stand(told: Indexed) -> bool:
    """Tell such records from those before them that only say what is gone."""
    return told.revision == revision_of(told.revision // 2, vectors=True)


def freshness(stack: Stack, probes: int) -> Figures:
    """Seconds from the Kafka timestamp of a new document until its words, and its vector, are found.

    Both are asked for by themselves, again and again: whole searches would take the time they are to measure.
    """
    words, vectors = [], []
    crowd = Crowd(seed=2)
    with open_search(stack) as search:
        for number in range(probes):
            text = f"{crowd.text(40)} The marker is zq{number}x{number * 7}."
            document = Document(document_id=f"probe-{number}", text=text, title=crowd.text(3))
            vector = search.embed(f"{document.title}\n{text}")
            ((_, sent),) = asyncio.run(send(stack, [document], topic="documents")).items()
            by_words, by_vector = _found(search, document.document_id, text, vector)
            words.append(by_words - sent)
            vectors.append(by_vector - sent)
    return {
        "fresh_p50_s": _cut(vectors, 50, 3),
        "fresh_p99_s": _cut(vectors, 99, 3),
        "fresh_words_p50_s": _cut(words, 50, 3),
        "fresh_words_p99_s": _cut(words, 99, 3),
    }


def _found(search: Search, document_id: str, text: str, vector: Floats) -> tuple[float, float]:
    """Search until a document's words and then its vector are found; unix seconds of each."""
    by_words: float | None = None
    rows: set[int] = set()
    deadline = time.monotonic() + FOUND_S
    while time.monotonic() < deadline:
        if by_words is None:
            rows = search.rows_by_words(text, document_id)
            by_words = time.time() if rows else None
        if by_words is not None and rows & search.rows_by_vector(vector):
            return by_words, time.time()
        time.sleep(POLL_S)
    raise TimeoutError(f"{document_id} is not found after {FOUND_S:.0f} s")


def latency(stack: Stack, chunks: int, queries: int, tell: Tell) -> Figures:
    """Time searches, part by part, by people of one group each over an index of so many chunks."""
    crowd = Crowd(seed=chunks)
    with tempfile.TemporaryDirectory() as folder, stack.vector_store() as vectors:
        place = StorePlace(AGENT, Path(folder))
        store = open_store(place, Waits())
        model = MiniLM.load(stack.settings.home / "models", "fp32")
        fill(Place(store, vectors, model.identity, model.dimensions), crowd, chunks, tell)
        with open_search(stack, AgentStore(place)) as search:
            asked = [search.ask(crowd.question(), _asker(number)) for number in range(WARM_UP + queries)][WARM_UP:]
        store.close()
    figures: Figures = {}
    for part in dict.fromkeys(itertools.chain.from_iterable(asked)):
        times = [one.get(part, 0.0) for one in asked]
        name = "query" if part == "total" else f"query_{part}"
        figures |= {f"{name}_p50_ms_{chunks}": _cut(times, 50, 2), f"{name}_p99_ms_{chunks}": _cut(times, 99, 2)}
    return figures


def _asker(number: int) -> tuple[str, ...]:
    return (PUBLIC, f"group-{number % GROUPS}")


def _cut(values: Sequence[float], percent: int, digits: int) -> float:
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], digits)
