"""The collections of a model in the vector store: made there when they are first used, not before the stream begins."""

from dataclasses import dataclass, field

from infra.vectors.vector_store import VectorStore


@dataclass(slots=True)
class Collections:
    """Collections that are there for certain. Its calls block.

    A vector store that is away delays vectors, never the stream: nothing waits for it at the start.

    Args:
        vectors: Where they are.
        model: Identity of the model whose vectors they hold.
        dimensions: Numbers of a vector.
    """

    vectors: VectorStore
    model: str
    dimensions: int
    _there: set[str] = field(default_factory=set)

    def prepare(self, name: str) -> None:
        """Make a collection unless it is there.

        Raises:
            infra.vectors.vector_store.WrongModel: If it holds vectors of another model.
            infra.vectors.vector_store.VectorStoreError: If it cannot be made now.
        """
        if name not in self._there:
            self.vectors.prepare(name, self.model, self.dimensions)
            self._there.add(name)

    def doubt(self) -> None:
        """Look again before the next use: something went wrong, and it may be gone."""
        self._there.clear()
