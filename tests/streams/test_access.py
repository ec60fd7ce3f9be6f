"""Nobody sees anything of what they may not see, whatever the vector store says and whenever it says it."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.vectors.vector_store import VectorRow
from processors.documents.identity import hash63, tenant_hash
from schemas.documents import PUBLIC, document_key
from schemas.hits import ChunkPlace
from streams.retrieval import Query
from tests.streams.retrieval_world import COLLECTION, BagOfWords, BlindVectors, IndexWorld, chunk_ids

DOCUMENTS = ("a", "b", "c")
GROUPS = (PUBLIC, "sales", "legal")
TENANTS = (None, "acme", "")
LABELS = ("kind=guide", "kind=note")
WORDS = ("zipper", "broke", "tent", "rain", "dress")

few = st.sampled_from
texts = st.lists(st.lists(few(WORDS), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=3)


@dataclass(frozen=True)
class Put:
    document_id: str
    texts: list[str]
    to: list[str]
    tenant: str | None
    labels: list[str]
    vectors: bool


@dataclass(frozen=True)
class Delete:
    document_id: str
    tenant: str | None
    vectors: bool


@dataclass(frozen=True)
class Forge:
    """A row of an old or invented id that says everybody may see it."""

    row_id: int
    text: str


@dataclass(frozen=True)
class Ask:
    text: str
    principals: list[str]
    tenant: str | None
    labels: list[str]
    limit: int


puts = st.builds(
    Put,
    few(DOCUMENTS),
    texts,
    st.lists(few(GROUPS), max_size=2),
    few(TENANTS),
    st.lists(few(LABELS), max_size=2),
    st.booleans(),
)
deletes = st.builds(Delete, few(DOCUMENTS), few(TENANTS), st.booleans())
forged = st.builds(Forge, st.integers(1, 60), few(WORDS))
asks = st.builds(
    Ask, st.lists(few(WORDS), max_size=3).map(" ".join), st.lists(few(GROUPS), max_size=2), few(TENANTS),
    st.lists(few(LABELS), max_size=1), st.integers(1, 12),
)  # fmt: skip


@dataclass
class Truth:
    """What everybody may see, kept beside the index."""

    documents: dict[str, Put] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    ever: set[ChunkPlace] = field(default_factory=set)  # where words were at any time

    def put(self, document: Put, rows: list[int]) -> None:
        key = document_key(document.tenant, document.document_id)
        self.documents[key], self.rows[key] = document, rows
        self.ever |= self.places(key)

    def places(self, key: str) -> set[ChunkPlace]:
        return {(key, name) for name in chunk_ids(self.documents[key].texts)}

    def visible(self, ask: Ask) -> dict[int, tuple[str, str]]:
        """Row by row: of which document, and its text."""
        return {
            row_id: (key, text)
            for key, document in self.documents.items()
            if document.tenant == ask.tenant
            and {*ask.principals, PUBLIC} & set(document.to)
            and set(ask.labels) <= set(document.labels)
            for row_id, text in zip(self.rows[key], document.texts, strict=True)
        }


def play(world: IndexWorld, truth: Truth, step: Put | Delete | Forge | Ask) -> None:
    if isinstance(step, Put):
        options = {"to": step.to, "tenant": step.tenant, "labels": step.labels, "vectors": step.vectors}
        truth.put(step, world.put(step.document_id, *step.texts, **options))
    elif isinstance(step, Delete):
        world.delete(step.document_id, step.tenant, vectors=step.vectors)
        truth.documents.pop(document_key(step.tenant, step.document_id), None)
    elif isinstance(step, Forge):
        vector = BagOfWords().embed([step.text])[0]
        everybody = tuple(map(hash63, GROUPS))
        row = VectorRow(step.row_id, "/a", tenant_hash(None), everybody, tuple(map(hash63, LABELS)), vector)
        world.vectors.smuggle(COLLECTION, [row])
    else:
        ask_and_look(world, truth, step)


def ask_and_look(world: IndexWorld, truth: Truth, ask: Ask) -> None:
    retrieval, visible = world.retrieval(), truth.visible(ask)
    query = Query(ask.text, tuple(ask.principals), ask.tenant, tuple(ask.labels), ask.limit)
    world.embedder.asked.clear()
    found = retrieval.search(query)
    seen = {passage.row_id: (passage.key, passage.text) for passage in found.passages}
    assert seen.items() <= visible.items()
    assert len(seen) == len(found.passages) <= ask.limit
    for passage in found.passages:
        assert passage.hit.quote in passage.text
        assert passage.hit.tenant == ask.tenant
    permitted = " ".join(text for _, text in visible.values())
    assert all(sentence in permitted for sentence in world.embedder.asked if sentence != ask.text)
    best = max((passage.hit.parts["vector"] for passage in found.passages), default=0)
    if len(seen) == len(visible) and set(seen) & set(world.vectors.rows(COLLECTION)):
        assert best == 1.0  # stretched over what may be seen, and nothing else
    assert retrieval.count(query) == len({key for key, _ in visible.values()})
    unlabelled = Ask(ask.text, ask.principals, ask.tenant, [], ask.limit)
    standing = {place for key, _ in truth.visible(unlabelled).values() for place in truth.places(key)}
    assert retrieval.standing(truth.ever, query.principals, query.tenant) == standing


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(puts, puts, deletes, forged, asks), max_size=14), asks)
def test_nobody_ever_sees_what_they_may_not(store, steps, last):
    world, truth = IndexWorld(store, BlindVectors()), Truth()
    for step in [*steps, last]:
        play(world, truth, step)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(puts, min_size=1, max_size=6), asks, st.data())
def test_a_revoked_permission_holds_from_the_commit(store, documents, ask, data):
    world, truth = IndexWorld(store, BlindVectors()), Truth()
    for document in documents:
        play(world, truth, document)
    seen = world.retrieval().search(Query(ask.text, tuple(ask.principals), ask.tenant, (), 20)).passages
    if not seen:
        return
    taken = data.draw(st.sampled_from(seen))
    was = truth.documents[taken.key]
    nobody = Put(was.document_id, was.texts, [], was.tenant, was.labels, vectors=False)
    play(world, truth, nobody)  # the vectors still say otherwise
    after = world.retrieval().search(Query(ask.text, tuple(ask.principals), ask.tenant, (), 20)).passages
    assert taken.key not in {passage.key for passage in after}
    assert not world.retrieval().standing(truth.places(taken.key), tuple(ask.principals), ask.tenant)
