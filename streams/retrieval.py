"""Search what the index holds: vectors and words side by side, every hit checked against the registry.

Whatever finds a row, nothing of it is used before one read transaction has said that it stands and that the asker may
see it: neither its text nor its score.
"""

import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Connection

from infra.places import StorePlace
from infra.rows.collection_rows import serving
from infra.rows.visible_rows import Asker, count_visible, load_visible, standing_places
from infra.stores import AgentStore
from infra.vectors.vector_store import Floats, VectorQuery, VectorStore, VectorStoreError
from infra.words.words import WordQuery, find_words
from models.ports import Embedder, Encoder
from processors.documents.identity import hash63, tenant_hash
from processors.search.fusion import fuse
from processors.search.terms import terms_of
from schemas.documents import PUBLIC
from schemas.hits import ChunkPlace, Passage
from streams.found_passages import document_passages
from streams.reranking import Reranker
from streams.review_search import ReviewSearch

CANDIDATES = 100
"""Rows asked of vectors and of words each."""

ONLY_WORDS = "only words were searched"

Reading = Callable[[], AbstractContextManager[Connection]]
"""Begins a read transaction on the index's store."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, and for whom.

    Args:
        text: The question as it was asked.
        principals: Who asks; everybody has ``public`` beside.
        tenant: Whose documents, none is those without.
        labels: Only documents with all of these, ``name=value``.
        limit: Most passages.
        newest: Wait until vectors written before can be found; slower.
    """

    text: str
    principals: tuple[str, ...] = ()
    tenant: str | None = None
    labels: tuple[str, ...] = ()
    limit: int = 8
    newest: bool = False

    @property
    def asker(self) -> Asker:
        """Who looks, as the registry knows them."""
        return Asker(tuple(sorted({*self.principals, PUBLIC})), self.tenant, self.labels)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Args:
        passages: Best first.
        degraded: What was missing, so that better passages may not be among them; none when nothing was.
        timings_ms: By part.
    """

    passages: list[Passage]
    degraded: str | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Near:
    """What vectors say, and the question's own."""

    similarities: Mapping[int, float] = field(default_factory=dict)
    degraded: str | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    asked: Floats | None = None


class Retrieval:
    """Finds passages that fit a question and that the asker may see; safe to call from several threads.

    Args:
        store: Begins a read transaction on the index's store.
        vectors: Where the chunks' vectors are; none searches words only.
        embedder: Of questions and sentences; none searches words only.
        encoder: Cheap vectors of sentences and reviews.
    """

    def __init__(
        self, store: Reading, vectors: VectorStore | None, embedder: Embedder | None, encoder: Encoder
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        self._reranker = Reranker(embedder, encoder)
        self._reviews = ReviewSearch(store, self._reranker)

    def search(self, query: Query) -> Found:
        """Search the documents; a vector store that does not answer costs quality, and is told.

        Raises:
            infra.store_errors.StoreError: If the index's store cannot be read.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(1, "vectors") as beside:
            asked = beside.submit(self._near, query)
            words = self._words(query)
            words_ms = _since(began)
            near = asked.result()
        checked = time.monotonic()
        with self._store() as connection:
            visible = load_visible(connection, sorted(near.similarities.keys() | words.keys()), query.asker)
        fused = fuse(_only(near.similarities, visible), _only(words, visible))
        timings = {**near.timings_ms, "words": words_ms, "check": _since(checked)}
        scored = time.monotonic()
        found = [(one, visible[one.row_id]) for one in fused]
        passages = document_passages(self._reranker, query.text, found, query.limit, near.asked)
        timings |= {"sentences": _since(scored), "total": _since(began)}
        return Found(passages, near.degraded, timings)

    def search_reviews(self, query: Query, product_id: str) -> Found:
        """Search one product's reviews; everybody may see them.

        Raises:
            infra.store_errors.StoreError: As ``search``.
        """
        began = time.monotonic()
        passages = self._reviews.search(query.text, product_id, query.limit)
        degraded = None if self._embedder else f"the model of sentences is missing: {ONLY_WORDS}"
        return Found(passages, degraded, {"total": _since(began)})

    def standing(
        self, places: Collection[ChunkPlace], principals: Sequence[str], tenant: str | None
    ) -> set[ChunkPlace]:
        """Tell where words that were read, of documents and of reviews, stand now and may be seen.

        Raises:
            infra.store_errors.StoreError: As ``search``.
        """
        with self._store() as connection:
            return standing_places(connection, places, Query("", tuple(principals), tenant).asker)

    def count(self, query: Query) -> int:
        """Count the documents that could be found by whoever asks.

        Raises:
            infra.store_errors.StoreError: As ``search``.
        """
        with self._store() as connection:
            return count_visible(connection, query.asker)

    def _words(self, query: Query) -> dict[int, float]:
        asker = query.asker
        wanted = WordQuery(terms_of(query.text), CANDIDATES, asker.principals, asker.tenant, asker.labels)
        with self._store() as connection:
            return {hit.row_id: hit.score for hit in find_words(connection, wanted)}

    def _near(self, query: Query) -> _Near:
        if self._embedder is None or self._vectors is None:
            what = "the model of sentences is missing" if self._embedder is None else "no vector store is named"
            return _Near(degraded=f"{what}: {ONLY_WORDS}")
        with self._store() as connection:
            collection = serving(connection)
        if collection is None:
            return _Near(degraded=f"no vectors stand yet: {ONLY_WORDS}")
        if _space(collection.model) != _space(self._embedder.identity):
            return _Near(degraded=f"the vectors were made by {collection.model}: {ONLY_WORDS}")
        began = time.monotonic()
        vector = self._embedder.embed([query.text])[0]
        embedded = time.monotonic()
        timings = {"embed": round((embedded - began) * 1000, 3)}
        try:
            hits = self._vectors.search(collection.name, _vector_query(query, vector))
        except VectorStoreError as error:
            return _Near(degraded=f"{error.message}: {ONLY_WORDS}", timings_ms=timings, asked=vector)
        near = {hit.row_id: hit.similarity for hit in hits}
        return _Near(near, timings_ms={**timings, "vectors": _since(embedded)}, asked=vector)


def read_index(place: StorePlace) -> Reading:
    """Prepare reading the index's store; it need not be there yet.

    Each use raises ``infra.store_errors.StoreError`` if it cannot be read.
    """
    opened = cache(lambda: AgentStore(place))  # one for all: each compiles its statements anew
    return lambda: opened().transaction()


def _vector_query(query: Query, vector: Floats) -> VectorQuery:
    asker = query.asker
    return VectorQuery(
        vector=vector,
        limit=CANDIDATES,
        tenant=tenant_hash(asker.tenant),
        principals=tuple(map(hash63, asker.principals)),
        labels=tuple(map(hash63, sorted(set(asker.labels)))),
        newest=query.newest,
    )


def _only(scores: Mapping[int, float], visible: Container[int]) -> dict[int, float]:
    return {row_id: score for row_id, score in scores.items() if row_id in visible}


def _space(model: str) -> list[str]:
    """Name what two precisions of one model share: name, graph and weights."""
    parts = model.split("/")
    return [*parts[:1], *parts[2:]]


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)
