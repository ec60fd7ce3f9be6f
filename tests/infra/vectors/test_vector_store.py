"""What is promised of a vector store, of the one in memory and of a real Milvus."""

import json

import numpy as np
import pytest

from infra.vectors.vector_store import VectorQuery, VectorStoreFailed, WrongModel
from tests.fake_vectors import FakeVectorStore
from tests.milvus import unit, vector_row

MODEL = "minilm-l6-v2/fp32/g1/0123456789ab"
EAST, NORTH, BETWEEN = unit(1, 0, 0, 0), unit(0, 1, 0, 0), unit(1, 1, 0, 0)
HUGE = 2**63 - 1


@pytest.fixture(params=["memory", "milvus"])
def store(request):
    return FakeVectorStore() if request.param == "memory" else request.getfixturevalue("vector_store")


@pytest.fixture
def chunks(store, collection_prefix):
    """The name of an empty collection."""
    name = f"{collection_prefix}_chunks"
    store.prepare(name, MODEL, 4)
    return name


def ask(vector, limit=10, **more):
    return VectorQuery(vector, limit, **{"tenant": 1, "principals": (7,), "newest": True} | more)


def found(store, chunks, query):
    return [hit.row_id for hit in store.search(chunks, query)]


def test_the_nearest_rows_come_first_with_their_dot_product(store, chunks):
    store.upsert(chunks, [vector_row(1, NORTH), vector_row(2, EAST), vector_row(3, BETWEEN)])
    hits = store.search(chunks, ask(EAST, limit=2))
    assert [hit.row_id for hit in hits] == [2, 3]
    assert [hit.similarity for hit in hits] == pytest.approx([1.0, 0.5**0.5], abs=1e-6)


def test_only_rows_of_the_tenant_that_a_principal_may_see_are_found(store, chunks):
    store.upsert(
        chunks,
        [
            vector_row(1, EAST, tenant=HUGE, principals=(HUGE - 1,)),
            vector_row(2, EAST, tenant=HUGE, principals=(HUGE - 2, HUGE - 3)),
            vector_row(3, EAST, tenant=HUGE - 1, principals=(HUGE - 1,)),
            vector_row(4, EAST, tenant=HUGE, principals=()),
        ],
    )
    assert found(store, chunks, ask(EAST, tenant=HUGE, principals=(HUGE - 1,))) == [1]
    assert sorted(found(store, chunks, ask(EAST, tenant=HUGE, principals=(5, HUGE - 3, HUGE - 1)))) == [1, 2]
    assert found(store, chunks, ask(EAST, tenant=HUGE, principals=(5,))) == []
    assert found(store, chunks, ask(EAST, tenant=HUGE, principals=())) == []
    assert found(store, chunks, ask(EAST, tenant=0, principals=(HUGE - 1,))) == []


def test_a_row_has_all_labels_that_are_asked_for(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST, labels=(10, 11)), vector_row(2, EAST, labels=(10,)), vector_row(3, EAST)])
    assert sorted(found(store, chunks, ask(EAST, labels=(10,)))) == [1, 2]
    assert found(store, chunks, ask(EAST, labels=(11, 10))) == [1]
    assert found(store, chunks, ask(EAST, labels=(12,))) == []


def test_a_row_that_is_written_again_is_replaced(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST)])
    store.upsert(chunks, [vector_row(1, BETWEEN, principals=(8,))])
    assert found(store, chunks, ask(EAST)) == []
    assert found(store, chunks, ask(EAST, principals=(8,))) == [1]
    assert store.row_ids(chunks, 0, 10) == [1]
    assert store.vectors(chunks, [1])[1] == pytest.approx(BETWEEN)


def test_of_one_id_twice_in_one_call_the_last_counts(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST), vector_row(1, NORTH)])
    assert store.row_ids(chunks, 0, 10) == [1]
    assert store.vectors(chunks, [1])[1] == pytest.approx(NORTH)


def test_a_deleted_row_is_gone_at_once_for_those_who_ask_for_the_newest(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST), vector_row(2, EAST)])
    assert sorted(found(store, chunks, ask(EAST))) == [1, 2]
    store.delete(chunks, [1, 99])
    assert found(store, chunks, ask(EAST)) == [2]
    assert store.row_ids(chunks, 0, 10) == [2]
    assert store.of_document(chunks, "/d") == [2]
    assert list(store.vectors(chunks, [1, 2])) == [2]


def test_a_row_that_was_deleted_can_be_written_again(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST)])
    store.delete(chunks, [1])
    store.upsert(chunks, [vector_row(1, EAST)])
    assert found(store, chunks, ask(EAST)) == [1]


def test_nothing_may_be_written_or_removed_or_asked_for(store, chunks):
    store.upsert(chunks, [])
    store.delete(chunks, [])
    assert store.vectors(chunks, []) == {}
    assert store.row_ids(chunks, 0, 10) == []


def test_ids_are_listed_in_order_and_in_pages_whatever_the_order_of_writing(store, chunks):
    store.upsert(chunks, [vector_row(row_id, EAST) for row_id in range(41, 1, -2)])
    store.flush(chunks)
    store.upsert(chunks, [vector_row(row_id, EAST) for row_id in (*range(40, 1, -2), HUGE - 1)])
    pages, after = [], 0
    while page := store.row_ids(chunks, after, 7):
        pages.append(page)
        after = page[-1]
    assert [row_id for page in pages for row_id in page] == [*range(2, 42), HUGE - 1]
    assert {len(page) for page in pages[:-1]} == {7}


def test_more_rows_than_fit_in_one_call_are_written_read_and_removed(store, chunks):
    numbers = range(1, 2_502)
    store.upsert(chunks, [vector_row(row_id, EAST) for row_id in numbers])
    assert store.of_document(chunks, "/d") == list(numbers)
    assert len(store.vectors(chunks, numbers)) == len(numbers)
    store.delete(chunks, numbers)
    assert store.row_ids(chunks, 0, 5_000) == []


@pytest.mark.parametrize(
    "key", ['/say "hello"', "/it's", "/back\\slash", "/ends\\", "/100 % {x}", "a%2Fb/ünï ☃ 😀", "/" + "☃" * 200]
)
def test_a_document_is_found_whatever_its_key(store, chunks, key):
    store.upsert(chunks, [vector_row(1, EAST, document_key=key), vector_row(2, EAST, document_key="/other")])
    assert store.of_document(chunks, key) == [1]
    assert store.of_document(chunks, key[:-1]) == []


def test_a_collection_of_another_model_is_refused_with_what_to_do(store, chunks):
    store.prepare(chunks, MODEL, 4)
    for model, dimensions in (("another", 4), (MODEL, 8)):
        with pytest.raises(WrongModel, match="millrace index rebuild"):
            store.prepare(chunks, model, dimensions)


def test_collections_are_named_and_dropped(store, chunks):
    assert chunks in store.collections()
    store.drop(chunks)
    store.drop(chunks)
    assert chunks not in store.collections()
    with pytest.raises(VectorStoreFailed, match="collection"):
        store.search(chunks, ask(EAST))


def test_a_collection_that_is_made_again_is_empty(store, chunks):
    store.upsert(chunks, [vector_row(1, EAST)])
    store.drop(chunks)
    store.prepare(chunks, MODEL, 4)
    assert store.row_ids(chunks, 0, 10) == []


def test_a_vector_of_another_length_is_an_error(store, chunks):
    with pytest.raises(VectorStoreFailed):
        store.upsert(chunks, [vector_row(1, np.ones(3, np.float32))])
    assert store.row_ids(chunks, 0, 10) == []


def test_errors_are_one_line(store, chunks):
    with pytest.raises(VectorStoreFailed) as told:
        store.row_ids(f"{chunks}_not", 0, 1)
    assert len(str(told.value).splitlines()) == 1
    assert len(json.dumps(str(told.value))) < 500
