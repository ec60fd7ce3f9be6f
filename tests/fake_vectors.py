"""A vector store in memory that fails, lags and hangs when it is told to."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from infra.vectors.vector_store import (
    Floats,
    VectorHit,
    VectorQuery,
    VectorRow,
    VectorStoreError,
    VectorStoreFailed,
    VectorStoreUnreachable,
    WrongModel,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was made, failed ones too; ``row_ids`` of those it writes, removes or asks for."""

    name: str
    collection: str | None = None
    row_ids: tuple[int, ...] = ()


@dataclass
class _Collection:
    model: str
    dimensions: int
    written: dict[int, VectorRow] = field(default_factory=dict)
    visible: dict[int, VectorRow] = field(default_factory=dict)


class FakeVectorStore:
    """Keeps rows in memory; see ``infra.vectors.vector_store.VectorStore`` for what its methods promise.

    Args:
        lagging: Searches see what was written only after ``settle()`` or a search that asks for the newest.

    Example:
        >>> store = FakeVectorStore(lagging=True)
        >>> store.prepare("c", "model", 1)
        >>> row = VectorRow(7, "key", 0, (1,), (), np.ones(1, np.float32))
        >>> store.upsert("c", [row])
        >>> query = VectorQuery(np.ones(1, np.float32), 10, 0, (1, 2))
        >>> store.search("c", query)
        []
        >>> store.settle()
        >>> store.search("c", query)
        [VectorHit(row_id=7, similarity=1.0)]
        >>> store.fail(times=1)
        >>> store.collections()
        Traceback (most recent call last):
        ...
        infra.vectors.vector_store.VectorStoreUnreachable: no Milvus answers at memory. Start one with `millrace up`.
        >>> store.counts["upsert"], store.counts["collections"]
        (1, 1)
    """

    def __init__(self, lagging: bool = False) -> None:
        self.lagging = lagging
        self.calls: list[Call] = []
        self.closed = False
        self._collections: dict[str, _Collection] = {}
        self._lock = threading.RLock()  # the store is called from several threads, as Milvus is
        self._failures = 0
        self._error: VectorStoreError | None = None
        self._only: frozenset[str] = frozenset()
        self._hanging = False
        self._in_flight: list[tuple[str, list[VectorRow]]] = []

    # What tests tell it

    def fail(self, times: int | None = None, *methods: str, error: VectorStoreError | None = None) -> None:
        """Let calls fail without any effect.

        Args:
            times: How many calls; none means until ``recover()``.
            methods: Only calls of these; none named means all.
            error: What they raise; none means ``VectorStoreUnreachable``.
        """
        self._failures = -1 if times is None else times
        self._only = frozenset(methods)
        self._error = error or VectorStoreUnreachable("no Milvus answers at memory", "Start one with `millrace up`.")

    def recover(self) -> None:
        """Let calls succeed again."""
        self._failures = 0

    def settle(self) -> None:
        """Let searches see all that was written."""
        with self._lock:
            for collection in self._collections.values():
                collection.visible = dict(collection.written)

    @contextmanager
    def hanging_upserts(self) -> Iterator[None]:
        """Upserts inside time out for their caller, and are still on their way: a zombie's, until ``land()``."""
        self._hanging = True
        try:
            yield
        finally:
            self._hanging = False

    def land(self) -> None:
        """Let the upserts that hang arrive, over whatever was written or deleted since."""
        with self._lock:
            for name, rows in self._in_flight:
                if name in self._collections:
                    self._write(self._collections[name], rows)
            self._in_flight.clear()

    def smuggle(self, collection: str, rows: Sequence[VectorRow]) -> None:
        """Write rows nobody recorded, as a zombie does that was asleep."""
        with self._lock:
            self._write(self._there(collection), rows)

    def rows(self, collection: str) -> dict[int, VectorRow]:
        """Return all that was written and not deleted, without recording a call."""
        with self._lock:
            return dict(self._collections[collection].written) if collection in self._collections else {}

    @property
    def counts(self) -> Counter[str]:
        """How often each method was called."""
        return Counter(call.name for call in self.calls)

    # What is a vector store

    def prepare(self, collection: str, model: str, dimensions: int) -> None:
        with self._called("prepare", collection):
            found = self._collections.setdefault(collection, _Collection(model, dimensions))
            if (found.model, found.dimensions) != (model, dimensions):
                raise WrongModel(
                    f"{collection} holds vectors of {found.model} ({found.dimensions}), not {model} ({dimensions})",
                    "Make new ones with `millrace index rebuild`.",
                )

    def upsert(self, collection: str, rows: Sequence[VectorRow]) -> None:
        with self._called("upsert", collection, [row.row_id for row in rows]):
            found = self._there(collection)
            if any(row.vector.shape != (found.dimensions,) for row in rows):
                raise VectorStoreFailed(f"a vector is not of {found.dimensions} numbers", "This is a bug.")
            if self._hanging:
                self._in_flight.append((collection, list(rows)))
                raise VectorStoreUnreachable("Milvus at memory does not answer in time", "Try again.")
            self._write(found, rows)

    def delete(self, collection: str, row_ids: Sequence[int]) -> None:
        with self._called("delete", collection, row_ids):
            found = self._there(collection)
            for row_id in row_ids:
                found.written.pop(row_id, None)
                if not self.lagging:
                    found.visible.pop(row_id, None)

    def search(self, collection: str, query: VectorQuery) -> list[VectorHit]:
        with self._called("search", collection):
            found = self._there(collection)
            if query.newest:
                found.visible = dict(found.written)
            rows = [row for row in found.visible.values() if _passes(row, query)]
            hits = [VectorHit(row.row_id, float(np.dot(row.vector, query.vector))) for row in rows]
            return sorted(hits, key=lambda hit: (-hit.similarity, hit.row_id))[: query.limit]

    def row_ids(self, collection: str, after: int, limit: int) -> list[int]:
        with self._called("row_ids", collection):
            return sorted(row_id for row_id in self._there(collection).written if row_id > after)[:limit]

    def of_document(self, collection: str, document_key: str) -> list[int]:
        with self._called("of_document", collection):
            rows = self._there(collection).written.values()
            return sorted(row.row_id for row in rows if row.document_key == document_key)

    def vectors(self, collection: str, row_ids: Sequence[int]) -> dict[int, Floats]:
        with self._called("vectors", collection, row_ids):
            written = self._there(collection).written
            return {row_id: written[row_id].vector for row_id in row_ids if row_id in written}

    def collections(self) -> list[str]:
        with self._called("collections", None):
            return sorted(self._collections)

    def drop(self, collection: str) -> None:
        with self._called("drop", collection):
            self._collections.pop(collection, None)

    def flush(self, collection: str) -> None:
        with self._called("flush", collection):
            self._there(collection)

    def close(self) -> None:
        self.closed = True

    @contextmanager
    def _called(self, name: str, collection: str | None, row_ids: Sequence[int] = ()) -> Iterator[None]:
        with self._lock:
            self.calls.append(Call(name, collection, tuple(row_ids)))
            if self._failures and self._error and (not self._only or name in self._only):
                self._failures -= 1
                raise self._error
            yield

    def _there(self, collection: str) -> _Collection:
        if collection not in self._collections:
            raise VectorStoreFailed(f"there is no collection {collection}", "Make it with `millrace index rebuild`.")
        return self._collections[collection]

    def _write(self, collection: _Collection, rows: Sequence[VectorRow]) -> None:
        news = {row.row_id: row for row in rows}
        collection.written |= news
        if not self.lagging:
            collection.visible |= news


def _passes(row: VectorRow, query: VectorQuery) -> bool:
    may_see = not set(row.principals).isdisjoint(query.principals)
    return row.tenant == query.tenant and may_see and set(query.labels) <= set(row.labels)
