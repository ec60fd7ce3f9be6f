"""An index in use: a worker without a broker, a vector store in memory, and the two commands that look after it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from infra.places import StorePlace
from infra.stores import AgentStore
from streams.cli.indexes.rebuilding import Rebuilding, Rebuilt, Recipe
from streams.cli.indexes.verifying import Verified, Verifying
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import REVIEWS, Clock, raw, review
from tests.streams.index_worker import CHUNKING, LONGEST, FakeEmbedder, Worker, document, numbered, prepare

TEXT = (
    "Pump {0} moves water uphill all day long, nobody listens. It rests on Sundays; then pump {0}b does its work. "
    "Who wants to see pump {0} takes the path behind the mill, past the second gate, and waits for the bell."
)
LONG = "\n\n".join(f"## Part {n}\n\n{TEXT.format(n)}" for n in range(3))
"""Three chunks of more than 200 characters: a paragraph may be twice as long as its room."""


def hidden(_: str, __: int | None) -> Callable[[int], None]:
    """Show nothing."""
    return lambda _: None


@dataclass
class Stage:
    """Everything of one test."""

    place: StorePlace
    worker: Worker
    vectors: FakeVectorStore
    offset: int = 0
    reviews: int = 0
    shown: list[str] = field(default_factory=list)

    @classmethod
    def build(cls, place: StorePlace, store) -> "Stage":
        vectors = FakeVectorStore()
        return cls(place, Worker(prepare(store), Clock(), vectors), vectors)

    @property
    def store(self):
        return self.worker.store

    def send(self, *documents: dict, worker: Worker | None = None) -> None:
        (worker or self.worker).apply(*numbered(*documents, start=self.offset))
        self.offset += len(documents)

    def fill(self) -> None:
        """Three documents of five chunks, one deleted, two reviews, and all work done."""
        self.send(
            document(1, LONG, title="Guide", principals=["x"], metadata={"team": "red"}),
            document(2),
            document(3, "Another one.", tenant="t"),
            document(4, "To be deleted."),
            {"document_id": "d4.md", "op": "delete", "revision": 1},
        )
        self.review(1)
        self.review(2, title="Stiff")
        self.worker.rest()

    def review(self, number: int, **changed: object) -> None:
        self.worker.apply(raw(self.reviews, review(number, **changed), topic=REVIEWS))
        self.reviews += 1

    def verify(self, longest: int = LONGEST) -> Verified:
        return Verifying(AgentStore(self.place), self.vectors, longest, hidden).run()

    def rebuilding(
        self, embedder: FakeEmbedder | None = None, longest: int = LONGEST, chunking: str = CHUNKING
    ) -> Rebuilding:
        embedder = embedder or self.worker.embedder
        recipe = Recipe("millrace", chunking, longest)
        reader, writer = AgentStore(self.place), AgentStore(self.place, "rw")
        clock = self.worker.clock
        return Rebuilding(reader, writer, self.vectors, embedder, recipe, show=hidden, now=clock)

    def rebuild(self, embedder: FakeEmbedder | None = None, **named) -> Rebuilt:
        return self.rebuilding(embedder, **named).run()

    def execute(self, statement: str, **values: object) -> None:
        """Damage the store."""
        with self.store.write() as connection:
            if connection.dialect.name == "postgresql":
                statement = statement.replace("rowid", "row_id")
            connection.execute(sa.text(statement), values)

    def ids(self, key: str = "/d1.md") -> list[int]:
        """Rows of a document's chunks, in order."""
        with self.store.read() as connection:
            query = sa.text("SELECT row_id FROM chunks WHERE document_key = :key ORDER BY position")
            return list(connection.scalars(query, {"key": key}))


def counts(verified: Verified) -> dict[str, tuple[int, int, int]]:
    """What is missing, stale and pending, where it is anything."""
    return {
        name: (tally.missing, tally.stale, tally.pending)
        for name, tally in verified.tallies.items()
        if tally.missing or tally.stale or tally.pending
    }
