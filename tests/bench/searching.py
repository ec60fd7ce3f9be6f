"""The product's own search, opened on a benchmark's stack."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from infra.rows import collection_rows
from infra.stores import AgentStore
from infra.vectors.vector_store import Floats, VectorQuery, VectorStore
from models.minilm.minilm import MiniLM
from models.ports import Embedder
from models.sentence_table import SentenceTable
from processors.documents.identity import hash63, tenant_hash
from schemas.documents import PUBLIC
from streams.places import store_place
from streams.retrieval import Found, Query, Retrieval
from tests.bench.stack import Stack

HITS = 10


class Search:
    """Asks as people do, and fails where they would be told that a part is missing.

    Args:
        store: The index's.
        vectors: Where its vectors are.
        embedder: Of questions.
    """

    def __init__(self, store: AgentStore, vectors: VectorStore, embedder: Embedder) -> None:
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        table = SentenceTable.load()
        self._retrieval = Retrieval(store.transaction, vectors, embedder, table)
        self._words = Retrieval(store.transaction, None, None, table)

    def find(self, text: str, principals: tuple[str, ...] = (PUBLIC,), limit: int = HITS) -> Found:
        """Search.

        Raises:
            RuntimeError: If a part of the search did not answer.
        """
        found = self._retrieval.search(Query(text=text, principals=principals, limit=limit))
        if found.degraded is not None:
            raise RuntimeError(f"the search is not whole: {found.degraded}")
        return found

    def ask(self, text: str, principals: tuple[str, ...]) -> Mapping[str, float]:
        """Search; milliseconds by part."""
        return self.find(text, principals).timings_ms

    def embed(self, text: str) -> Floats:
        """Return the vector of a question, ``(D,)`` float32."""
        vector: Floats = self._embedder.embed([text])[0]
        return vector

    def rows_by_words(self, text: str, document_id: str) -> set[int]:
        """Search words alone; the rows of one document among what is found."""
        passages = self._words.search(Query(text=text, limit=HITS)).passages
        return {one.row_id for one in passages if one.hit.document_id == document_id}

    def rows_by_vector(self, vector: Floats) -> set[int]:
        """Search vectors alone, as a search does; the rows of what is found."""
        with self._store.transaction() as connection:
            serving = collection_rows.serving(connection)
        assert serving is not None
        query = VectorQuery(vector, HITS, tenant_hash(None), (hash63(PUBLIC),))
        return {hit.row_id for hit in self._vectors.search(serving.name, query)}


@contextmanager
def open_search(stack: Stack, store: AgentStore | None = None) -> Iterator[Search]:
    """Open the search of a stack's index, or of another store with the same vectors, with the quick model."""
    with stack.vector_store() as vectors:
        embedder = MiniLM.load(stack.settings.home / "models", "int8")
        yield Search(store or AgentStore(store_place(stack.settings, "index")), vectors, embedder)
