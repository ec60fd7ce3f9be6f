import numpy as np
import pytest

from infra import fences
from infra.outbox import Cause
from infra.watermarks import read_watermarks
from schemas.index_tables import review_texts
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import START_S, Clock, Encoder, raw, review
from tests.streams.index_worker import (
    REVIEW,
    Worker,
    causes,
    indexed,
    letters,
    pending,
    prepare,
    queued,
    rows,
    word_ids,
)


@pytest.fixture
def worker(store):
    return Worker(prepare(store), Clock(), FakeVectorStore())


def numbered(*values: object, start: int = 0, **changed: object):
    return [raw(offset, value, **changed) for offset, value in enumerate(values, start)]


def delete(number: int, revision: int = 0) -> dict:
    return {"review_id": f"r{number}", "product_id": "p", "op": "delete", "revision": revision}


def kept(store) -> list[dict]:
    return rows(store, review_texts)


def test_a_review_is_kept_with_its_words_and_its_vector_and_told_to_nobody(store, worker):
    worker.apply(*numbered(review(1, text="Runs small.", title="Fit")))
    (row,) = kept(store)
    assert (row["product_id"], row["review_id"], row["revision"], row["version"]) == ("p", "r1", 0, 1)
    assert (row["title"], row["text"], row["rating"], row["at"]) == ("Fit", "Runs small.", 2.0, START_S)
    (vector,) = Encoder().encode(["Fit. Runs small."])
    assert np.array_equal(np.frombuffer(row["vector"], np.int8), vector)
    assert word_ids(store, "review_words") == [row["row_id"]]
    assert (indexed(store), pending(store)) == ([], 0)
    with store.read() as connection:
        assert read_watermarks(connection)[REVIEW].offset == 1


def test_reviews_of_two_products_may_share_their_id(store, worker):
    worker.apply(*numbered(review(1), review(1, "q")))
    assert len(set(word_ids(store, "review_words"))) == len(kept(store)) == 2


@pytest.mark.parametrize(("revision", "text"), [(4, "Old."), (5, "Old."), (6, "New.")])
def test_an_edit_counts_when_it_is_newer_and_is_told(store, worker, revision, text):
    worker.apply(*numbered(review(1, text="Old.", revision=5)))
    (before,) = kept(store)
    worker.apply(*numbered(review(1, text="New.", revision=revision), start=1))
    (row,) = kept(store)
    assert (row["text"], word_ids(store, "review_words")) == (text, [row["row_id"]])
    assert (row["row_id"] != before["row_id"]) is (text == "New.")
    if text == "New.":
        (told,) = indexed(store)
        assert (told.kind, told.product_id, told.document_id, told.op) == ("review", "p", "r1", "upsert")
        assert (told.revision, told.document_revision, told.chunks, told.removed) == (2, 6, 1, 1)
        assert (told.sources, causes(store)) == ({"reviews": {"0": 2}}, [Cause(*REVIEW, 1)])
        assert queued(store)[0].output.headers["ce_id"] == b"review:p/r1@2"
    else:
        assert indexed(store) == []


def test_an_edit_that_leaves_the_text_as_it_was_keeps_its_row(store, worker):
    worker.apply(*numbered(review(1, text="Same.", rating=1)))
    (before,) = kept(store)
    worker.apply(*numbered(review(1, text="Same.", rating=5, revision=1), start=1))
    (row,) = kept(store)
    assert (row["row_id"], row["vector"], row["rating"]) == (before["row_id"], before["vector"], 5.0)
    assert word_ids(store, "review_words") == [row["row_id"]]
    assert [told.removed for told in indexed(store)] == [0]


@pytest.mark.parametrize(("revision", "left"), [(4, 1), (5, 0), (6, 0)])
def test_a_deletion_counts_from_the_revision_that_stands_and_leaves_nothing_but_a_tombstone(
    store, worker, revision, left
):
    worker.apply(*numbered(review(1, text="Old.", revision=5)))
    worker.apply(*numbered(delete(1, revision), start=1))
    assert len(word_ids(store, "review_words")) == left
    if not left:
        (row,) = kept(store)
        assert [row[name] for name in ("op", "text", "title", "rating", "vector")] == ["delete", *[None] * 4]
        assert [(told.op, told.chunks, told.removed) for told in indexed(store)] == [("delete", 0, 1)]


def test_an_older_upsert_never_comes_back_after_a_deletion_and_a_newer_one_does(store, worker):
    worker.apply(*numbered(delete(1, 3), review(1, revision=3)))
    assert word_ids(store, "review_words") == []
    worker.apply(*numbered(review(1, revision=4), start=2))
    assert len(word_ids(store, "review_words")) == 1
    assert indexed(store) == []  # nobody can have cited it


def test_changes_of_one_review_in_a_run_are_folded_in_order_and_told_once(store, worker):
    worker.apply(*numbered(review(1, text="A.")))
    changes = [review(1, text="B.", revision=1), delete(1, 1), review(1, text="C.", revision=2)]
    worker.apply(*numbered(*changes, review(2), start=1))
    (row, other) = kept(store)
    assert (row["text"], row["version"], other["version"]) == ("C.", 4, 1)
    assert [(told.revision, told.op) for told in indexed(store)] == [(4, "upsert")]
    assert causes(store) == [Cause(*REVIEW, 1)]


def test_a_date_out_of_range_is_a_dead_letter(store, worker):
    worker.apply(*numbered(review(1, created_at="2124-01-01T00:00:00Z")))
    assert ([letter.reason for letter in letters(store)], kept(store)) == (["date_out_of_range"], [])


def test_a_worker_that_was_second_decides_again(store, second_store, worker):
    other = Worker(second_store, worker.clock, worker.vectors)
    decide, late = worker.applier._handler.decide, iter([True])

    def decide_too_early(events, following):
        decided = decide(events, following)
        if next(late, False):
            with second_store.write() as connection:
                fences.create(connection, ("millrace.reviews.v1", 1), 0, "cluster", "topic")
            other.apply(*numbered(review(1, text="Second.", revision=2), partition=1))
        return decided

    worker.applier._handler.decide = decide_too_early
    worker.apply(*numbered(review(1, text="First.", revision=1)))
    assert [row["text"] for row in kept(store)] == ["Second."]


def test_text_that_no_database_keeps_is_cleaned(store, worker):
    worker.apply(*numbered(review(1, text="a\x00b", title="t\x00")))
    (row,) = kept(store)
    assert (row["title"], row["text"]) == ("t", "ab")
