"""Whatever happens on the way: at rest the index equals one built from the final documents alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.database import Store
from infra.vectors.vector_store import VectorStoreFailed
from processors.documents.identity import embedded_text, labels_of
from schemas.documents import document_key
from schemas.index_tables import chunks, document_labels, document_principals, documents, placements
from streams.crashing import POINTS
from tests.examples import examples
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import Clock, CrashAt, Killed
from tests.streams.index_worker import Worker, check, collection, emptied, indexed, numbered, prepare, rows, word_ids

SECTIONS = [f"## {head}\n\n{text}" for head in ("Pumps", "Valves") for text in ("It moves.", "It stops.", "It leaks.")]

later = st.sampled_from([1, 1, 1, 2, 0, -1])  # than the revision that stands

document = st.fixed_dictionaries(
    {
        "document_id": st.sampled_from(["a.md", "b.md"]),
        "text": st.lists(st.sampled_from(SECTIONS), max_size=4).map("\n\n".join),
        "title": st.sampled_from([None, "Guide"]),
        "tenant": st.sampled_from([None, None, None, "t"]),
        "principals": st.sampled_from([["public"], ["x"], ["x", "y"], []]),
        "metadata": st.sampled_from([{}, {"team": "red"}, {"team": "blue", "tags": ["n", "m"]}]),
        "later": later,
    }
)
deletion = st.fixed_dictionaries(
    {
        "document_id": st.sampled_from(["a.md", "b.md"]),
        "tenant": st.sampled_from([None, None, None, "t"]),
        "op": st.just("delete"),
        "later": later,
    }
)
broken = st.sampled_from([b"{}", {"document_id": "a.md", "text": "%PDF-1.7 x", "revision": 9}])
step = st.fixed_dictionaries(
    {
        "partition": st.integers(0, 1),
        "values": st.lists(st.one_of(document, document, deletion, broken), max_size=4),
        "replayed": st.booleans(),
        "dies_at": st.sampled_from([None, None, *[name for name in POINTS if name != "after_publish"]]),
        "fails": st.sampled_from([None, None, "upsert", "delete", "prepare", "all", "refused", "hanging"]),
        "works": st.booleans(),
        "asleep": st.booleans(),  # another worker leases what is due and stops there
        "wakes": st.booleans(),  # those that sleep go on
        "sweeps": st.booleans(),
        "pause_s": st.sampled_from([0.0, 1.0, 100.0, 5_000.0]),
    }
)


@dataclass
class Model:
    """What must stand, in nothing but the words of the contract."""

    standing: dict[str, dict] = field(default_factory=dict)

    def take(self, value: object) -> object:
        """Take one event; return it as its owner sends it, with its revision."""
        if not isinstance(value, dict) or "later" not in value:
            return value
        key, gone = document_key(value["tenant"], value["document_id"]), value.get("op") == "delete"
        before = self.standing.get(key, {"revision": 0})
        sent = {name: one for name, one in value.items() if name != "later"}
        sent["revision"] = max(before["revision"] + value["later"], 0)
        equal = sent["revision"] == before["revision"] and gone and before.get("op") != "delete"
        if len(before) == 1 or sent["revision"] > before["revision"] or equal:
            self.standing[key] = sent
        return sent


@dataclass
class Sleeper:
    """A worker that was stopped after it had leased and read, and does not know what happened since."""

    worker: Worker
    leased: Sequence
    jobs: Sequence

    def wake(self) -> None:
        outcomes = asyncio.run(self.worker.indexing.call(self.jobs))
        for leased, job, outcome in zip(self.leased, self.jobs, outcomes, strict=True):
            self.worker.service._conclude(leased, job, outcome)


@dataclass
class Life:
    """Workers that die, sleep and follow each other on one store, beside one vector store."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    vectors: FakeVectorStore = field(default_factory=FakeVectorStore)
    crash: CrashAt = field(default_factory=lambda: CrashAt(None))
    model: Model = field(default_factory=Model)
    sleepers: list[Sleeper] = field(default_factory=list)
    offsets: list[int] = field(default_factory=lambda: [0, 0])

    def born(self, owner: str = "index-0", crash=None) -> Worker:
        return Worker(self.store, self.clock, self.vectors, crash=crash or self.crash, owner=owner)

    def attempt(self, action) -> None:
        """Do something; when the process dies on the way, another one does it again."""
        try:
            action(self.born())
        except Killed:
            action(self.born())

    def live(self, one: dict) -> None:
        partition, start = one["partition"], self.offsets[one["partition"]]
        values = [self.model.take(value) for value in one["values"]]
        records = numbered(*values, partition=partition, start=start)
        self.offsets[partition] += len(records)
        self.crash.name = one["dies_at"]
        if records:
            for _ in range(1 + one["replayed"]):
                self.attempt(lambda worker: worker.apply(*records))
        self.bound()
        if one["asleep"]:
            self.sleep()
        self.fail(one["fails"], one["works"])
        if one["wakes"]:
            self.wake()
        if one["sweeps"]:
            self.attempt(Worker.sweep)
        self.clock.now += one["pause_s"]

    def fail(self, how: str | None, works: bool) -> None:
        methods = () if how in (None, "all", "refused", "hanging") else (how,)
        if how not in (None, "hanging"):
            error = VectorStoreFailed("refused", "no remedy") if how == "refused" else None
            self.vectors.fail(2, *methods, error=error)
        if works and how == "hanging":
            with self.vectors.hanging_upserts():
                self.attempt(Worker.work)
        elif works:
            self.attempt(Worker.work)
        self.vectors.recover()

    def sleep(self) -> None:
        worker = self.born(f"index-{1 + len(self.sleepers)}", crash=lambda _: None)
        leased = worker.service._lease()
        if leased:
            self.sleepers.append(Sleeper(worker, leased, worker.indexing.prepare(leased)))

    def wake(self) -> None:
        while self.sleepers:
            self.sleepers.pop().wake()

    def bound(self) -> None:
        """Words and permissions bind at the commit, whatever vectors do."""
        ids = {row["row_id"] for row in rows(self.store, chunks)}
        assert set(word_ids(self.store)) == ids
        assert {row["row_id"] for row in rows(self.store, placements)} >= ids
        assert registry(self.store) == expected(self.model)

    def rest(self) -> Worker:
        self.crash.name = None
        worker = self.born()
        worker.rest()
        self.wake()
        self.vectors.land()
        worker.rest()
        worker.sweep()
        worker.rest()
        return worker


def registry(store: Store) -> dict[str, tuple]:
    """What SQL says of each document."""
    seers = [(row["document_key"], row["principal"]) for row in rows(store, document_principals)]
    labels = [(row["document_key"], row["label"]) for row in rows(store, document_labels)]
    found = {}
    for row in rows(store, documents):
        key = row["document_key"]
        allowed, told = ([value for one, value in pairs if one == key] for pairs in (seers, labels))
        found[key] = (row["revision"], row["op"], row["text"], row["title"], sorted(allowed), sorted(told))
    return found


def expected(model: Model) -> dict[str, tuple]:
    found = {}
    for key, one in model.standing.items():
        if one.get("op") == "delete":
            found[key] = (one["revision"], "delete", None, None, [], [])
        else:
            seers, labels = sorted(one["principals"]), sorted(labels_of(one["metadata"]))
            found[key] = (one["revision"], "upsert", one["text"], one["title"], seers, labels)
    return found


def searchable(worker: Worker) -> list[tuple]:
    """What can be found: each row of the vector store with its words, row ids aside."""
    there, titles = worker.vectors.rows(collection(worker.store)), rows(worker.store, documents)
    title = {row["document_key"]: row["title"] for row in titles}
    found = []
    for row in rows(worker.store, chunks):
        vector = there[row["row_id"]]
        text = embedded_text(title[row["document_key"]], row["breadcrumb"], row["text"])
        access = (vector.tenant, sorted(vector.principals), sorted(vector.labels), vector.vector.tobytes())
        found.append((row["document_key"], row["position"], row["chunk_id"], text, access))
    assert len(found) == len(there)
    return sorted(found)


def built_from(store: Store, finals: Sequence[dict]) -> list[tuple]:
    worker = Worker(prepare(emptied(store)), Clock(), FakeVectorStore())
    if finals:
        worker.apply(*numbered(*finals))
    worker.rest()
    check(worker)
    return searchable(worker)


@settings(
    max_examples=examples(25),
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=st.lists(step, max_size=10))
def test_at_rest_the_index_equals_one_built_from_the_final_documents_alone(store, history):
    life = Life(prepare(emptied(store)))
    for one in history:
        life.live(one)
    worker = life.rest()
    check(worker)
    assert registry(store) == expected(life.model)
    told = {document_key(one.tenant, one.document_id): (one.document_revision, one.op) for one in indexed(store)}
    assert told == {key: one[:2] for key, one in expected(life.model).items()}
    found = searchable(worker)
    assert found == built_from(store, list(life.model.standing.values()))


def test_the_model_itself_says_what_the_contract_says():
    model = Model()
    one = {"document_id": "a", "tenant": None, "text": "x"}
    for value in (one | {"later": 1}, one | {"text": "y", "later": 0}):
        model.take(value)
    assert model.standing == {"/a": one | {"revision": 1}}
    for value in (one | {"op": "delete", "later": 0}, one | {"text": "z", "later": 0}):
        model.take(value)
    assert model.standing == {"/a": one | {"op": "delete", "revision": 1}}
