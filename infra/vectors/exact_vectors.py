"""A vector store in this process's memory that compares with every row: for private indexes and as a yardstick.

Nothing is kept when it is closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from infra.vectors.vector_store import Floats, VectorHit, VectorQuery, VectorRow, VectorStoreFailed, WrongModel


@dataclass
class _Collection:
    model: str
    dimensions: int
    rows: dict[int, VectorRow] = field(default_factory=dict)
    matrix: Floats | None = None  # (N, D) of rows, in their order; none after a change


class ExactVectors:
    """Finds the truly nearest rows; see ``infra.vectors.vector_store.VectorStore``. Not for several threads.

    Example:
        >>> store = ExactVectors()
        >>> store.prepare("c", "model", 2)
        >>> near, far = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
        >>> store.upsert("c", [VectorRow(1, "/a", 0, (7,), (), far), VectorRow(2, "/b", 0, (7,), (), near)])
        >>> store.search("c", VectorQuery(near, 1, tenant=0, principals=(7, 8)))
        [VectorHit(row_id=2, similarity=1.0)]
    """

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}

    def prepare(self, collection: str, model: str, dimensions: int) -> None:
        """Make a collection unless it is there.

        Raises:
            WrongModel: If it is there with another model or other dimensions.
        """
        found = self._collections.setdefault(collection, _Collection(model, dimensions))
        if (found.model, found.dimensions) != (model, dimensions):
            raise WrongModel(f"{collection} holds vectors of {found.model}, not {model}", "Name another collection.")

    def upsert(self, collection: str, rows: Sequence[VectorRow]) -> None:
        """Write rows; one that is there with the same id is replaced.

        Raises:
            VectorStoreFailed: If a vector has other dimensions, or there is no such collection.
        """
        found = self._there(collection)
        if any(row.vector.shape != (found.dimensions,) for row in rows):
            raise VectorStoreFailed(f"a vector has not {found.dimensions} numbers", "Embed with its model.")
        found.rows |= {row.row_id: row for row in rows}
        found.matrix = None

    def delete(self, collection: str, row_ids: Sequence[int]) -> None:
        """Remove rows; those that are not there do not matter."""
        found = self._there(collection)
        for row_id in row_ids:
            found.rows.pop(row_id, None)
        found.matrix = None

    def search(self, collection: str, query: VectorQuery) -> list[VectorHit]:
        """Return the nearest permitted rows, best first, equal ones by row id."""
        found = self._there(collection)
        if not found.rows:
            return []
        if found.matrix is None:
            found.matrix = np.stack([row.vector for row in found.rows.values()])
        similarities = np.einsum("nd,d->n", found.matrix, query.vector)  # as `@`, but equal rows stay exactly equal
        rows = list(found.rows.values())
        hits: list[VectorHit] = []
        for place in np.argsort(-similarities, kind="stable"):
            if _passes(rows[place], query):
                hits.append(VectorHit(rows[place].row_id, float(similarities[place])))
            if len(hits) > query.limit and hits[-1].similarity < hits[query.limit - 1].similarity:
                break  # equal ones at the border are all seen, so that their ids decide
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.row_id))[: query.limit]

    def row_ids(self, collection: str, after: int, limit: int) -> list[int]:
        """List ids above one, in order."""
        return sorted(row_id for row_id in self._there(collection).rows if row_id > after)[:limit]

    def of_document(self, collection: str, document_key: str) -> list[int]:
        """List the rows of one document."""
        rows = self._there(collection).rows.values()
        return sorted(row.row_id for row in rows if row.document_key == document_key)

    def vectors(self, collection: str, row_ids: Sequence[int]) -> dict[int, npt.NDArray[np.float32]]:
        """Read vectors by id; ids that are not there are absent."""
        rows = self._there(collection).rows
        return {row_id: rows[row_id].vector for row_id in row_ids if row_id in rows}

    def collections(self) -> list[str]:
        """Name all collections."""
        return sorted(self._collections)

    def drop(self, collection: str) -> None:
        """Remove a collection, if it is there."""
        self._collections.pop(collection, None)

    def flush(self, collection: str) -> None:
        """Do nothing: there is nothing to seal."""

    def close(self) -> None:
        """Forget everything."""
        self._collections.clear()

    def _there(self, collection: str) -> _Collection:
        if collection not in self._collections:
            raise VectorStoreFailed(f"there is no collection {collection}", "Prepare it first.")
        return self._collections[collection]


def _passes(row: VectorRow, query: VectorQuery) -> bool:
    permitted = not set(row.principals).isdisjoint(query.principals)
    return row.tenant == query.tenant and permitted and set(query.labels) <= set(row.labels)
