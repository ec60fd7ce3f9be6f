"""What is asked of a vector store, whatever runs behind it, and what can go wrong.

Errors:
    InfraError
    └── VectorStoreError
        ├── VectorStoreUnreachable  down, starting or too slow: worth trying again
        ├── WrongModel              a collection holds vectors of another model
        └── VectorStoreFailed       whatever else it says
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from infra.errors import InfraError

Floats = npt.NDArray[np.float32]


class VectorStoreError(InfraError):
    """The vector store cannot be used."""


class VectorStoreUnreachable(VectorStoreError):
    """Nobody answers there, or not yet, or not in time."""


class WrongModel(VectorStoreError):
    """A collection is there, and its vectors are of another model."""


class VectorStoreFailed(VectorStoreError):
    """Anything else it says."""


@dataclass(frozen=True, slots=True)
class VectorRow:
    """One chunk as the vector store keeps it.

    Args:
        row_id: As in the registry's table ``chunks``; never used again for anything else.
        document_key: Whose chunk, for people and for proofs of deletion.
        tenant: Hash of the tenant; see ``processors.documents.identity``.
        principals: Hashes of those who may see it.
        labels: Hashes of its metadata as ``name=value``.
        vector: ``(D,)`` float32 of length 1.
    """

    row_id: int
    document_key: str
    tenant: int
    principals: tuple[int, ...]
    labels: tuple[int, ...]
    vector: Floats


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A row that is near, not yet checked against the registry."""

    row_id: int
    similarity: float  # dot product


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """What is looked for.

    Args:
        vector: ``(D,)`` float32 of length 1.
        limit: Most hits.
        tenant: Only rows of this one.
        principals: Only rows that one of these may see.
        labels: Only rows with all of these.
        newest: Wait until everything written before can be found; slower.
    """

    vector: Floats
    limit: int
    tenant: int
    principals: tuple[int, ...]
    labels: tuple[int, ...] = ()
    newest: bool = False


class VectorStore(Protocol):
    """Collections of rows, each with one vector. All calls block; each raises ``VectorStoreError``."""

    def prepare(self, collection: str, model: str, dimensions: int) -> None:
        """Make a collection unless it is there, and load it.

        Raises:
            WrongModel: If it is there with another model or other dimensions.
        """
        ...

    def upsert(self, collection: str, rows: Sequence[VectorRow]) -> None:
        """Write rows; one that is there with the same id is replaced. Returns when they are acknowledged."""
        ...

    def delete(self, collection: str, row_ids: Sequence[int]) -> None:
        """Remove rows; those that are not there do not matter."""
        ...

    def search(self, collection: str, query: VectorQuery) -> list[VectorHit]:
        """Return the nearest rows, best first."""
        ...

    def row_ids(self, collection: str, after: int, limit: int) -> list[int]:
        """List ids above one, in order, for a comparison with the registry; sees all that was written."""
        ...

    def of_document(self, collection: str, document_key: str) -> list[int]:
        """List the rows of one document; sees all that was written."""
        ...

    def vectors(self, collection: str, row_ids: Sequence[int]) -> dict[int, Floats]:
        """Read vectors by id; ids that are not there are absent."""
        ...

    def collections(self) -> list[str]:
        """Name all collections."""
        ...

    def drop(self, collection: str) -> None:
        """Remove a collection, if it is there."""
        ...

    def flush(self, collection: str) -> None:
        """Seal what was written, so that a restart is quick."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
