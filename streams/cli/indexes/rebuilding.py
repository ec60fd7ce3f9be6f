"""Make the index anew beside the one that serves, while workers go on, and let it take that one's place.

1. A collection is written down as being built, then made; workers of its model write to it from then on.
2. Every document is cut anew and compared, words with it; what is wrong is put right, document by document.
3. What the new collection lacks is placed, embedded where no vector is known, written and confirmed; what it has
   too much is removed.
4. In one transaction that lets no worker write: if nothing has changed since, the new collection serves. If
   something has, it is caught up with; where that never ends, workers wait while the last few documents are cut.
5. The old one is dropped.

Whoever runs it again after it died goes on at 2. A collection that was built for another model is dropped first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from infra import index_pages
from infra.rows import collection_rows, placement_rows
from infra.rows.collection_rows import BUILDING, RETIRED
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from models.ports import Embedder
from streams.cli.errors import CommandError
from streams.cli.indexes.examining import Examined
from streams.cli.indexes.filling import Filling
from streams.cli.indexes.registry_mending import RegistryMending
from streams.cli.indexes.verifying import Show
from streams.index import INDEXING

PATIENCE = 5
"""Times that news may come in between before workers wait for the last of them."""

ROUNDS = 50
"""Times after which documents change too fast."""

FEW = 200
"""Documents, and chunks, that may be late when workers wait."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an index is made with, its model aside.

    Args:
        prefix: Of topics and collections.
        chunking: How documents are cut, see ``schemas.index_tables.collections``.
        longest: Characters of a chunk.
    """

    prefix: str
    chunking: str
    longest: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done."""

    collection: str
    model: str
    chunking: str
    documents: int
    recut: int  # documents whose chunks, or who may see them, were not right
    words: int  # rows of chunks that were written or removed
    reviews: int  # the same of reviews
    vectors: int  # rows written
    embedded: int  # texts; vectors of the others were known
    dropped: int  # collections


class Rebuilding:
    """Rebuilds the index; see the module. Nobody else may do it at the same time.

    Args:
        reader: The index's store, to read.
        writer: The same, to write.
        vectors: The vector store.
        embedder: Of today.
        recipe: Of today.
        show: Told how far it is.
        now: Unix seconds.
    """

    def __init__(
        self,
        reader: AgentStore,
        writer: AgentStore,
        vectors: VectorStore,
        embedder: Embedder,
        recipe: Recipe,
        *,
        show: Show,
        now: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._vectors = vectors
        self._embedder = embedder
        self._recipe = recipe
        self._now = now
        self._dropped = 0
        model, longest = embedder.identity, recipe.longest
        self._registry = RegistryMending(reader, writer, model=model, longest=longest, show=show, now=now)
        self._filling = Filling(reader, writer, vectors, embedder, show)

    def run(self) -> Rebuilt:
        """Rebuild.

        Raises:
            CommandError: If documents change too fast, or another rebuild has taken over.
            infra.errors.InfraError: If store or vector store cannot be used; run again, it goes on.
        """
        name = self._writer.change(self._begin)
        self._drop_retired()
        self._vectors.prepare(name, self._embedder.identity, self._embedder.dimensions)
        self._registry.mend_all()
        self._fill(name)
        self._filling.compare(name)
        self._vectors.flush(name)
        self._finish(name)
        self._filling.fill(name)  # what came last
        self._writer.change(lambda connection: self._mark(connection, name))
        self._drop_retired()
        return self._told(name)

    def _begin(self, connection: Connection) -> str:
        """Go on with what is being built for this model, or write down that something is."""
        wanted = (self._embedder.identity, self._recipe.chunking)
        collection_rows.hold_all(connection)
        building = collection_rows.list_collections(connection, (BUILDING,))
        ours = [one.name for one in building if (one.model, one.chunking) == wanted]
        for one in building:
            if one.name not in ours[:1]:
                collection_rows.retire(connection, one.name)
        if ours:
            return ours[0]
        return collection_rows.add(connection, self._recipe.prefix, *wanted, BUILDING, self._now())

    def _drop_retired(self) -> None:
        with self._reader.transaction() as connection:
            retired = [one.name for one in collection_rows.list_collections(connection, (RETIRED,))]
            placed = index_pages.placed_in(connection, retired)
        there = self._vectors.collections()
        for name in retired:
            if name in there:
                self._vectors.drop(name)
                self._dropped += 1
            if name in placed:
                self._forget(name)

    def _forget(self, name: str) -> None:
        self._writer.change(lambda connection: placement_rows.remove_collection(connection, name))

    def _fill(self, name: str) -> None:
        """Bring the new collection what it lacks; the serving one, too, where it is of the same model."""

        def place(connection: Connection) -> list[str]:
            collection_rows.hold_all(connection)  # workers place rows of new chunks themselves
            live = collection_rows.list_collections(connection)
            _require_building(name, [one.name for one in live if one.state == BUILDING])
            placement_rows.place_missing(connection, name)
            return [one.name for one in live if one.model == self._embedder.identity and one.name != name]

        for other in self._writer.change(place):
            self._vectors.prepare(other, self._embedder.identity, self._embedder.dimensions)
            self._filling.fill(other)  # documents that were cut anew can be found there at once
        self._filling.fill(name)

    def _finish(self, name: str) -> None:
        for attempt in range(ROUNDS):
            self._registry.catch_up()
            self._fill(name)
            few = FEW if attempt >= PATIENCE else 0
            switched, examined = self._writer.change(lambda connection, few=few: self._switch(connection, name, few))  # type: ignore[misc]  # mypy cannot infer the default
            self._registry.note(examined)
            if switched:
                return
        told = "documents change faster than they can be caught up with"
        raise CommandError(told, "Run it again when less is going on: it goes on where it was.")

    def _switch(self, connection: Connection, name: str, few: int) -> tuple[bool, list[Examined]]:
        """Let the new collection serve, if it lacks no more than a few; those are written right after."""
        collection_rows.hold_all(connection)  # from here on no worker writes
        building = [one.name for one in collection_rows.list_collections(connection, (BUILDING,))]
        _require_building(name, building)
        late = self._registry.late(connection)
        if len(late) > few:
            return False, []
        examined = self._registry.mend_in(connection, late)
        missing = placement_rows.count_missing(connection, name)
        if missing > few:
            return False, examined
        placement_rows.place_missing(connection, name)
        collection_rows.switch(connection, name)
        self._mark(connection, name)
        return True, examined

    def _mark(self, connection: Connection, name: str) -> None:
        """Say that documents stand that no worker has cut, if they do."""
        collection_rows.hold_all(connection)
        if not placement_rows.count_missing(connection, name):
            index_pages.mark_all_indexed(connection, INDEXING)

    def _told(self, name: str) -> Rebuilt:
        registry = self._registry
        return Rebuilt(
            collection=name,
            model=self._embedder.identity,
            chunking=self._recipe.chunking,
            documents=len(registry.right),
            recut=registry.mended.documents,
            words=registry.mended.words,
            reviews=registry.mended.reviews,
            vectors=self._filling.written,
            embedded=self._filling.embedded,
            dropped=self._dropped,
        )


def _require_building(name: str, building: list[str]) -> None:
    if name not in building:
        raise CommandError(f"{name} is not being built any more: another rebuild took over", "See how that one ends.")
