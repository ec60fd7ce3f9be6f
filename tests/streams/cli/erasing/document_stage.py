"""An index with its real agent and vectors in memory, a store of answers, and topics in memory."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra.database import Waits, open_store
from infra.places import StorePlace
from schemas.answers import Answer
from schemas.documents import document_key
from schemas.index_tables import chunks
from streams.cli.erasing.document_erasing import DocumentErasing
from streams.cli.erasing.erase_document import run
from streams.cli.erasing.outcome import Outcome
from streams.graph import AGENTS
from tests.fake_vectors import FakeVectorStore
from tests.streams.cli.erasing.answered import answer, citation, put_answer, withdraw
from tests.streams.cli.erasing.stage import Chain, Stores
from tests.streams.cli.fake_logs import Logs, record
from tests.streams.cli.samples import fill_store
from tests.streams.fakes import Clock
from tests.streams.index_worker import FakeEmbedder, Worker, numbered, prepare

SECRET = "guide.md"
KEY = document_key(None, SECRET)
SHARED = "Every parcel is weighed at the gate before it leaves."
QUOTE = "The night shift hands the Zanzibar keys over at half past five."
TEXT = f"# Keys\n\n{QUOTE}\n\n## Losing one\n\nTell the office. {SHARED}"
MINE = {
    "document_id": SECRET,
    "text": TEXT,
    "title": "Keys of all our depots",
    "metadata": {"site": "x"},
    "revision": 4,
}
OTHER = {"document_id": "parcels.md", "text": f"# Parcels\n\n{SHARED}", "title": "Keys of all our depots"}
THEIRS = {"document_id": SECRET, "tenant": "acme", "text": "Keys are kept in a box."}


class Stage:
    """What surrounds the erasure of a document: the index has it, answers cite it.

    Args:
        home: Where the stores are, or are to be made.
        logs: The topics.
        next_offset: Of the next record that the index takes.
    """

    def __init__(self, home: Path, logs: Logs, next_offset: int = 0) -> None:
        self.vectors = FakeVectorStore()
        self.stores = Stores(home)
        agents = [AGENTS["index"], AGENTS["answer"]]
        self.chain = Chain("documents", agents, self.stores, logs, "index", self.forget)
        self._clock = Clock()
        self._next_offset = next_offset

    def fill(self) -> None:
        """Make the stores, with three documents."""
        with self.worker(fresh=True):
            self.apply(MINE, OTHER, THEIRS)
        fill_store(self.stores.home, "answer", {})

    def copied(self, home: Path, logs: Logs) -> "Stage":
        """Begin another one where this one stands."""
        shutil.copytree(self.stores.home, home)
        other = Stage(home, logs, self._next_offset)
        for name in self.vectors.collections():
            other.vectors.prepare(name, FakeEmbedder().identity, FakeEmbedder.dimensions)
            other.vectors.upsert(name, list(self.vectors.rows(name).values()))
        return other

    @contextmanager
    def worker(self, fresh: bool = False) -> Iterator[Worker]:
        store = open_store(StorePlace("index", self.stores.home), Waits())
        try:
            yield Worker(prepare(store) if fresh else store, self._clock, self.vectors, FakeEmbedder())
        finally:
            store.close()

    def apply(self, *values: object) -> None:
        """Have the index take records and do its work."""
        with self.worker() as worker:
            worker.apply(*numbered(*values, start=self._next_offset))
            worker.rest()
        self._next_offset += len(values)

    def row_ids(self, key: str = KEY) -> list[int]:
        return [row["row_id"] for row in self.stores.rows("index", chunks) if row["document_key"] == key]

    def ask(self, told: Answer, *, reads: str = KEY, cited: bool = True, **asked: object) -> None:
        put_answer(self.stores, told, reads=reads, cited=cited, **asked)

    def forget(self) -> None:
        """Do what the agents do with the deletion, once."""
        self.chain.on_gone = None
        if self.chain.produced:
            self.apply(msgspec.to_builtins(self.chain.produced[-1]))
        self.stores.open("answer").change(lambda connection: withdraw(connection, KEY))


def erased(
    stage: Stage, document_id: str = SECRET, tenant: str | None = None, *, unseen: bool = False, as_json: bool = False
) -> Outcome:
    erasing = DocumentErasing(stage.chain.steps(), stage.vectors)
    return run(erasing, stage.chain.telling(as_json), document_id, tenant, unseen=unseen)


def topics() -> Logs:
    """What Kafka keeps of the secret document."""
    quoting = answer("q1", f'"{QUOTE}" [1]', citation(QUOTE, SECRET))
    return Logs(
        documents=[record(2, MINE, SECRET.encode()), record(3, THEIRS, SECRET.encode())],
        answers=[record(0, quoting, b"q1"), record(3, answer("q1", None, revision=2), b"q1")],
    )
