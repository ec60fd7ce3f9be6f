import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.vectors.exact_vectors import ExactVectors
from infra.vectors.vector_store import VectorQuery, VectorRow, VectorStoreFailed, WrongModel
from tests.fake_vectors import FakeVectorStore


def row(row_id: int, vector, principals=(1,), tenant=0, labels=()) -> VectorRow:
    return VectorRow(row_id, f"/d{row_id % 3}", tenant, tuple(principals), tuple(labels), np.array(vector, np.float32))


def query(vector, limit=10, principals=(1,), tenant=0, labels=()) -> VectorQuery:
    return VectorQuery(np.array(vector, np.float32), limit, tenant, tuple(principals), tuple(labels))


@pytest.fixture
def store() -> ExactVectors:
    made = ExactVectors()
    made.prepare("c", "model", 2)
    return made


def found(store: ExactVectors, asked: VectorQuery) -> list[int]:
    return [hit.row_id for hit in store.search("c", asked)]


def test_only_what_may_be_seen_is_found(store) -> None:
    rows = [row(1, [1, 0]), row(2, [1, 0], principals=(2,)), row(3, [1, 0], tenant=5), row(4, [1, 0], labels=(8, 9))]
    store.upsert("c", rows)
    assert found(store, query([1, 0])) == [1, 4]
    assert found(store, query([1, 0], principals=(1, 2))) == [1, 2, 4]
    assert found(store, query([1, 0], tenant=5)) == [3]
    assert found(store, query([1, 0], labels=(9,))) == [4]


def test_a_row_is_replaced_and_removed(store) -> None:
    store.upsert("c", [row(1, [1, 0]), row(2, [0, 1])])
    assert found(store, query([1, 0])) == [1, 2]
    store.upsert("c", [row(1, [-1, 0])])
    assert found(store, query([1, 0])) == [2, 1]
    store.delete("c", [1, 77])
    assert found(store, query([1, 0])) == [2]
    assert store.row_ids("c", 0, 10) == [2]
    assert store.of_document("c", "/d2") == [2]
    assert list(store.vectors("c", [1, 2])) == [2]


def test_another_model_is_refused_and_so_are_other_dimensions(store) -> None:
    with pytest.raises(WrongModel):
        store.prepare("c", "other", 2)
    with pytest.raises(VectorStoreFailed):
        store.upsert("c", [row(1, [1, 0, 0])])
    with pytest.raises(VectorStoreFailed):
        store.search("d", query([1, 0]))


def test_what_is_dropped_or_closed_is_gone(store) -> None:
    store.prepare("d", "model", 2)
    store.drop("d")
    assert store.collections() == ["c"]
    store.close()
    assert store.collections() == []


vectors = st.sampled_from([(1, 0), (0, 1), (0.6, 0.8), (-1, 0), (0.8, -0.6)])
rows = st.lists(st.tuples(vectors, st.sets(st.integers(1, 3), min_size=1), st.integers(0, 1)), max_size=25)


@settings(deadline=None)
@given(rows, vectors, st.integers(1, 8), st.sets(st.integers(1, 3), min_size=1))
def test_it_finds_what_comparing_one_by_one_finds(told, vector, limit, principals) -> None:
    exact, plain = ExactVectors(), FakeVectorStore()
    for store in (exact, plain):
        store.prepare("c", "model", 2)
        store.upsert("c", [row(1_000 - number, *one) for number, one in enumerate(told)])  # not in order
    asked = query(vector, limit, sorted(principals))
    ours, theirs = exact.search("c", asked), plain.search("c", asked)
    assert [hit.row_id for hit in ours] == [hit.row_id for hit in theirs]
