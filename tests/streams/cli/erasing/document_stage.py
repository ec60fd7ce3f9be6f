"""An index with its real agent and vectors in memory, a store of answers, and topics in memory."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa

from infra.database import Waits, open_store
from infra.kafka.producer import Receipt
from infra.places import StorePlace
from infra.stores import AgentStore
from schemas.answer_tables import answer_basis, answers, requests
from schemas.answers import Answer, Citation
from schemas.documents import Document, document_key
from schemas.index_tables import chunks
from schemas.requests import Request
from schemas.tables import ledger
from streams.cli.erasing.document_erasing import DocumentErasing
from streams.graph import AGENTS
from tests.fake_vectors import FakeVectorStore
from tests.streams.cli.erasing.erasing_stage import entry
from tests.streams.cli.fake_logs import Logs, record
from tests.streams.cli.fake_surroundings import Fake
from tests.streams.cli.samples import NOW, fill_store
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


def answer(request_id: str, text: str | None, *citations: Citation, revision: int = 1) -> Answer:
    return Answer(
        request_id=request_id, revision=revision, op="upsert", text=text, citations=list(citations), features={},
        abstained=text is None, reason=None, confidence=0.9, writer=None, sources={}, timings_ms={},
    )  # fmt: skip


def citation(quote: str, document_id: str = SECRET, **changed: object) -> Citation:
    return Citation(**({"document_id": document_id, "chunk_id": "c", "quote": quote, "score": 0.9} | changed))  # type: ignore[arg-type]


@dataclass
class Stage:
    """What surrounds the erasure of a document."""

    home: Path
    vectors: FakeVectorStore = field(default_factory=FakeVectorStore)
    logs: Logs = field(default_factory=Logs)
    fake: Fake = field(default_factory=lambda: Fake(logs={"documents": (0, 9)}))
    produced: list[Document] = field(default_factory=list)
    waits: list[tuple[list[str], dict, bool]] = field(default_factory=list)
    answering: bool = True
    clock: Clock = field(default_factory=Clock)
    next_offset: int = 0
    on_gone: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.on_gone = self.forget

    def fill(self) -> None:
        """Make the stores, with three documents."""
        with self.worker(fresh=True):
            self.apply(MINE, OTHER, THEIRS)
        fill_store(self.home, "answer", {})

    def copied(self, home: Path, logs: Logs) -> "Stage":
        """Begin another one where this one stands."""
        shutil.copytree(self.home, home)
        other = Stage(home, logs=logs, next_offset=self.next_offset)
        for name in self.vectors.collections():
            other.vectors.prepare(name, FakeEmbedder().identity, FakeEmbedder.dimensions)
            other.vectors.upsert(name, list(self.vectors.rows(name).values()))
        return other

    @contextmanager
    def worker(self, fresh: bool = False) -> Iterator[Worker]:
        store = open_store(StorePlace("index", self.home), Waits())
        try:
            yield Worker(prepare(store) if fresh else store, self.clock, self.vectors, FakeEmbedder())
        finally:
            store.close()

    def apply(self, *values: object) -> None:
        """Have the index take records and do its work."""
        with self.worker() as worker:
            worker.apply(*numbered(*values, start=self.next_offset))
            worker.rest()
        self.next_offset += len(values)

    def store(self, agent: str, mode="rw") -> AgentStore:
        return AgentStore(StorePlace(agent, self.home), mode)

    def put(self, agent: str, table: sa.Table, *rows: dict[str, object]) -> None:
        self.store(agent).change(lambda connection: connection.execute(table.insert(), list(rows)))

    def rows(self, agent: str, table: sa.Table) -> list[dict]:
        with self.store(agent, "ro").transaction() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(table))]

    def row_ids(self, key: str = KEY) -> list[int]:
        return [row["row_id"] for row in self.rows("index", chunks) if row["document_key"] == key]

    def ask(self, told: Answer, *, reads: str = KEY, cited: bool = True, **asked: object) -> None:
        """Write a question, what was answered, and what it rests on."""
        request = Request(request_id=told.request_id, question="?", **asked)  # type: ignore[arg-type]
        place = {"request_id": told.request_id}
        question = {"record": msgspec.json.encode(request), "at": 0.0, "deadline": 0.0, "sources": b"{}"}
        self.put("answer", requests, place | question)
        row = {"revision": told.revision, "record": msgspec.json.encode(told), "withdrawn": False, "answered_at": 0.0}
        self.put("answer", answers, place | row)
        self.put("answer", answer_basis, {**place, "chunk_id": "c", "source_key": reads, "cited": cited})
        self.put("answer", ledger, entry(f"call of {told.request_id}", told.text or "", told.request_id))

    def erasing(self) -> DocumentErasing:
        names = ["index", "answer"] if self.answering else ["index"]
        return DocumentErasing(
            agents=[AGENTS[name] for name in names],
            around=self.fake,
            wait=self.wait,
            open_store=self.store,
            vectors=self.vectors,
            logs=self.logs,
            produce=self.produce,
            scrub=lambda agent: agent == "index",
            now=lambda: NOW,
        )

    def produce(self, document: Document) -> Receipt:
        self.produced.append(document)
        return Receipt("documents", 0, 9)

    def wait(self, agents, origins, applied: bool) -> None:
        self.waits.append(([agent.name for agent in agents], dict(origins), applied))
        if not applied and self.on_gone is not None:
            self.on_gone()

    def forget(self) -> None:
        """Do what the agents do with the deletion, once."""
        self.on_gone = None
        if self.produced:
            self.apply(msgspec.to_builtins(self.produced[-1]))
        self.store("answer").change(self._withdraw)

    def _withdraw(self, connection: sa.Connection) -> None:
        read = answer_basis.c.source_key == KEY
        for request_id in list(connection.scalars(sa.select(answer_basis.c.request_id).where(read))):
            connection.execute(ledger.delete().where(ledger.c.subject == request_id))
            cited = sa.select(answer_basis.c.cited).where(read, answer_basis.c.request_id == request_id)
            if connection.scalar(cited):
                gone = msgspec.json.encode(answer(request_id, None, revision=2))
                connection.execute(answers.update().where(answers.c.request_id == request_id).values(record=gone))
        connection.execute(answer_basis.delete().where(read))


def topics() -> Logs:
    """What Kafka keeps of the secret document."""
    quoting = answer("q1", f'"{QUOTE}" [1]', citation(QUOTE))
    return Logs(
        documents=[record(2, MINE, SECRET.encode()), record(3, THEIRS, SECRET.encode())],
        answers=[record(0, quoting, b"q1"), record(3, answer("q1", None, revision=2), b"q1")],
    )
