import threading
from pathlib import Path

import pytest

from infra.places import StorePlace
from infra.store_errors import StoreMissing
from infra.vectors.vector_store import VectorStoreFailed
from processors.search.passages import mixed
from schemas.documents import document_key, review_key
from schemas.hits import ChunkPlace
from schemas.index_tables import collections
from streams.retrieval import Found, Query, read_index
from tests.fake_vectors import FakeVectorStore
from tests.streams.retrieval_world import COLLECTION, BlindVectors, IndexWorld

ZIPPER = "The zipper broke after a week. Everything else is fine."
TENT = "A tent for two people. It keeps the rain out."


@pytest.fixture
def world(store) -> IndexWorld:
    return IndexWorld(store, FakeVectorStore())


def ids(found: Found) -> list[str]:
    return [passage.hit.document_id for passage in found.passages]


def test_a_passage_has_its_text_its_place_and_a_sentence_that_stands_in_it(world):
    row = world.put("guide", TENT, ZIPPER, title="Guide")[1]
    world.put("other", "Nothing of that kind.")
    found = world.retrieval().search(Query("why did the zipper break"))
    best = found.passages[0]
    assert (best.key, best.row_id, best.text, best.rating) == ("/guide", row, ZIPPER, None)
    hit = best.hit
    assert (hit.document_id, hit.chunk_id, hit.title, hit.uri) == ("guide", f"{ZIPPER}#0", "Guide", "file:guide")
    assert (hit.breadcrumb, hit.kind, hit.quote) == ("Guide > Start", "document", "The zipper broke after a week.")
    assert found.degraded is None


def test_the_score_is_made_of_its_parts_and_falls(world):
    for number in range(12):
        world.put(f"d{number}", f"Zipper number {number}. " + "Words of no matter. " * number)
    passages = world.retrieval().search(Query("zipper number", limit=12)).passages
    for passage in passages:
        parts = passage.hit.parts
        assert parts["whole"] == pytest.approx((parts["vector"] + parts["words"]) / 2)
        assert passage.hit.score == pytest.approx(mixed(parts["whole"], parts["sentence"]))
        assert all(0 <= part <= 1.000001 for part in parts.values())
    scores = [passage.hit.score for passage in passages]
    assert len(scores) == 12
    assert scores == sorted(scores, reverse=True)


def test_what_only_vectors_find_and_what_only_words_find_is_found(world):
    world.put("both", ZIPPER)
    world.put("words", "zipper", vectors=False)
    world.put("vectors", TENT)
    assert set(ids(world.retrieval().search(Query("zipper")))) == {"both", "words", "vectors"}


def test_no_more_than_the_limit_is_returned(world):
    for number in range(15):
        world.put(f"d{number}", ZIPPER)
    search = world.retrieval().search
    assert [len(search(Query("zipper", limit=limit)).passages) for limit in (1, 8, 12)] == [1, 8, 12]


def test_a_question_of_no_words_finds_what_vectors_find(world):
    world.put("guide", ZIPPER)
    assert ids(world.retrieval().search(Query("?!"))) == ["guide"]
    assert ids(world.retrieval(vectors=None).search(Query("?!"))) == []


def test_nothing_in_the_index_is_no_error(world):
    assert world.retrieval().search(Query("zipper")).passages == []


def test_a_long_sentence_is_quoted_in_part(world):
    text = "zipper " + "and so on " * 60
    world.put("guide", text)
    quote = world.retrieval().search(Query("zipper")).passages[0].hit.quote
    assert quote in text
    assert 0 < len(quote) <= 240


def test_only_permitted_documents_of_the_tenant_with_the_labels_are_found(world):
    world.put("sales", ZIPPER, to=["sales"])
    world.put("acme", ZIPPER, tenant="acme", labels=["kind=guide"])
    world.put("plain", ZIPPER, tenant="acme")
    world.put("open", ZIPPER)
    search = world.retrieval().search
    assert ids(search(Query("zipper"))) == ["open"]
    assert set(ids(search(Query("zipper", principals=("sales",))))) == {"open", "sales"}
    assert set(ids(search(Query("zipper", tenant="acme")))) == {"acme", "plain"}
    assert ids(search(Query("zipper", tenant="acme", labels=("kind=guide",)))) == ["acme"]


def test_a_document_that_changed_is_found_only_as_it_is_now(world):
    world.put("guide", ZIPPER)
    world.put("guide", TENT, vectors=False)
    found = world.retrieval().search(Query("zipper tent"))
    assert [passage.text for passage in found.passages] == [TENT]


def test_a_deleted_document_is_not_found_while_its_vectors_still_are(world):
    world.put("guide", ZIPPER)
    world.delete("guide", vectors=False)
    assert world.retrieval().search(Query("zipper")).passages == []


def test_hidden_rows_do_not_move_the_scores_of_others(store):
    def scores(*, hidden: bool) -> list[dict]:
        world = IndexWorld(store, BlindVectors())
        world.put("near", "zipper tent")
        world.put("far", "rain")
        if hidden:  # nearest of all, and farthest
            world.put("secret", "zipper", to=["legal"])
            world.put("other", "nothing", to=["legal"])
        found = world.retrieval().search(Query("zipper"))
        return [(passage.hit.document_id, passage.hit.parts["vector"]) for passage in found.passages]

    assert scores(hidden=True) == scores(hidden=False) != []


def test_no_sentence_of_a_hidden_document_reaches_the_model(store):
    world = IndexWorld(store, BlindVectors())
    world.put("secret", ZIPPER, to=["legal"])
    world.put("open", TENT)
    world.retrieval().search(Query("zipper"))
    assert not [text for text in world.embedder.asked if "broke" in text]


@pytest.mark.parametrize("failing", [False, True])
def test_a_question_is_embedded_once(world, failing):
    world.put("guide", ZIPPER)
    if failing:
        world.vectors.fail(None, "search")
    world.embedder.asked.clear()
    found = world.retrieval().search(Query("zipper"))
    assert found.passages[0].hit.parts["sentence"] > 0
    assert world.embedder.asked.count("zipper") == 1


@pytest.mark.parametrize("missing", ["vectors", "embedder"])
def test_without_vectors_or_model_words_are_searched_and_it_is_said(world, missing):
    world.put("guide", TENT, ZIPPER)
    found = world.retrieval(**{missing: None}).search(Query("zipper"))
    assert [passage.text for passage in found.passages] == [ZIPPER]
    assert found.passages[0].hit.quote == "The zipper broke after a week."
    assert found.degraded.endswith("only words were searched")


@pytest.mark.parametrize("error", [None, VectorStoreFailed("there is no collection c", "Make it.")])
def test_a_vector_store_that_fails_costs_quality_and_no_error(world, error):
    world.put("guide", ZIPPER)
    world.vectors.fail(None, "search", error=error)
    found = world.retrieval().search(Query("zipper"))
    assert ids(found) == ["guide"]
    told = "no Milvus answers at memory" if error is None else "there is no collection c"
    assert found.degraded == f"{told}: only words were searched"
    world.vectors.recover()
    assert world.retrieval().search(Query("zipper")).degraded is None


def test_before_the_first_collection_words_are_searched(world):
    world.put("guide", ZIPPER)
    with world.store.write() as connection:
        connection.execute(collections.delete())
    found = world.retrieval().search(Query("zipper"))
    assert (ids(found), found.degraded) == (["guide"], "no vectors stand yet: only words were searched")


@pytest.mark.parametrize("model", ["other/fp32/g1/0", "bag/fp32/g2/0", "bag/fp32/g1/1"])
def test_vectors_of_another_model_are_not_compared(world, model):
    world.put("guide", ZIPPER)
    with world.store.write() as connection:
        connection.execute(collections.update().values(model=model))
    found = world.retrieval().search(Query("zipper"))
    assert (ids(found), found.degraded) == (
        ["guide"],
        f"the vectors were made by {model}: only words were searched",
    )
    assert world.vectors.counts["search"] == 0


def test_a_strong_read_sees_what_was_written_just_now(store):
    world = IndexWorld(store, FakeVectorStore(lagging=True))
    world.put("guide", TENT)
    search = world.retrieval().search
    assert ids(search(Query("unheard"))) == []
    assert ids(search(Query("unheard", newest=True))) == ["guide"]


def test_words_and_vectors_are_searched_side_by_side(world):
    world.put("guide", ZIPPER)
    words_read, together = threading.Event(), threading.Barrier(2, timeout=20)
    search = world.vectors.search

    def slow(collection, query):
        together.wait()
        return search(collection, query)

    world.vectors.search = slow
    retrieval = world.retrieval()
    words = retrieval._words

    def beside(query):
        together.wait()
        words_read.set()
        return words(query)

    retrieval._words = beside
    assert ids(retrieval.search(Query("zipper"))) == ["guide"]
    assert words_read.is_set()


def test_the_time_of_every_part_is_told(world):
    world.put("guide", ZIPPER)
    timings = world.retrieval().search(Query("zipper")).timings_ms
    assert set(timings) == {"embed", "vectors", "words", "check", "sentences", "total"}
    assert all(value >= 0 for value in timings.values())


def test_an_index_that_never_ran_is_told_with_what_to_do(tmp_path: Path, world):
    retrieval = world.retrieval()
    retrieval._store = read_index(StorePlace("index", tmp_path))
    with pytest.raises(StoreMissing, match=r"index has never run here.*Start it with `millrace up`"):
        retrieval.search(Query("zipper"))


# Reviews


def test_the_reviews_of_one_product_are_searched(world):
    world.review("dress", "r1", "Lovely colour. The zipper broke after a week.", rating=2.0, title="Pity")
    world.review("dress", "r2", "Fits very well and looks good.")
    world.review("tent", "r3", "The zipper broke.")
    found = world.retrieval().search_reviews(Query("does the zipper break", limit=5), "dress")
    best = found.passages[0]
    assert ids(found) == ["r1", "r2"]
    assert (best.key, best.rating, best.at, best.hit.kind) == ("review:dress/r1", 2.0, 1_700_000_001.0, "review")
    assert (best.hit.quote, best.hit.title) == ("The zipper broke after a week.", "Pity")
    assert (best.hit.product_id, best.text[:6], found.degraded) == ("dress", "Lovely", None)


def test_reviews_are_found_by_meaning_without_a_word_of_the_question(world):
    for number in range(6):
        world.review("dress", f"r{number}", "The colour is nice and bright.")
    world.review("dress", "price", "It is very expensive.")
    found = world.retrieval(embedder=None).search_reviews(Query("costly", limit=1), "dress")
    assert ids(found) == ["price"]


def test_a_deleted_review_is_not_found(world):
    world.review("dress", "r1", None)
    world.review("dress", "r2", "zipper")
    assert ids(world.retrieval().search_reviews(Query("zipper"), "dress")) == ["r2"]


def test_a_product_without_reviews_has_none(world):
    assert world.retrieval().search_reviews(Query("zipper"), "unheard").passages == []


def test_many_reviews_are_judged_by_the_model_only_in_part(world):
    for number in range(70):
        world.review("dress", f"r{number}", f"The zipper of number {number} is fine. It fits.")
    found = world.retrieval().search_reviews(Query("zipper number 7", limit=60), "dress")
    assert len(found.passages) == 60
    assert len(world.embedder.asked) == 1 + 48
    scores = [passage.hit.score for passage in found.passages]
    assert scores[:48] == sorted(scores[:48], reverse=True)


def test_without_a_model_reviews_are_found_by_cheap_vectors_and_it_is_said(world):
    world.review("dress", "r1", "The zipper broke.")
    found = world.retrieval(embedder=None).search_reviews(Query("zipper"), "dress")
    assert (ids(found), found.passages[0].hit.quote) == (["r1"], "The zipper broke.")
    assert found.degraded == "the model of sentences is missing: only words were searched"


# What still stands


def chunk_place(document_id: str, tenant: str | None = None, text: str = ZIPPER) -> ChunkPlace:
    return document_key(tenant, document_id), f"{text}#0"


def review_place(row_id: int, review_id: str = "r1") -> ChunkPlace:
    return review_key("dress", review_id), f"{row_id:016x}"


def test_words_stand_for_those_who_may_see_them_as_long_as_they_are_there(world):
    world.put("open", ZIPPER)
    world.put("secret", ZIPPER, to=["legal"])
    world.put("acme", ZIPPER, tenant="acme")
    world.put("gone", ZIPPER)
    world.delete("gone", vectors=False)
    seen, secret, theirs, gone = map(chunk_place, ("open", "secret", "acme", "gone"), (None, None, "acme", None))
    review, removed = review_place(world.review("dress", "r1", "zipper")), world.review("dress", "r2", None)
    of_others = [review_place(removed, "r2"), (seen[0], f"{TENT}#0"), ("/unheard", seen[1]), review_place(999)]
    places = [seen, secret, theirs, gone, review, *of_others]
    standing = world.retrieval().standing
    assert standing(places, (), None) == {seen, review}
    assert standing(places, ("legal",), None) == {seen, secret, review}
    assert standing(places, ("public",), "acme") == {theirs, review}
    assert standing([seen, secret], ("public",), None) == {seen}
    world.put("other", ZIPPER, TENT)
    world.put("open", ZIPPER, TENT)
    crossed = {seen, ("/other", f"{TENT}#0")}
    assert standing(crossed, (), None) == crossed, "no word of one document stands for another's"
    assert standing([], (), None) == set()


def test_words_stand_where_who_may_see_them_changes_for_others(world):
    place = chunk_place("guide")
    standing = world.retrieval().standing
    for number, to in enumerate((["legal"], ["legal", "sales"], ["sales"])):
        world.put("guide", *[TENT] * number, ZIPPER, to=to)
        assert [standing([place], who, None) == {place} for who in (("legal",), ("sales",), ())] == [
            "legal" in to, "sales" in to, False
        ]  # fmt: skip


def test_a_review_stands_under_the_name_its_passage_has_and_no_other_review_under_that(world):
    world.review("dress", "r1", "The zipper broke.")
    world.review("dress", "r2", "The zipper holds.")
    retrieval = world.retrieval()
    one, other = retrieval.search_reviews(Query("zipper"), "dress").passages
    swapped = {(one.key, other.hit.chunk_id), (other.key, one.hit.chunk_id)}
    assert retrieval.standing({one.place, other.place}, (), None) == {one.place, other.place}
    assert retrieval.standing(swapped, (), None) == set()


def test_more_words_than_one_statement_takes_are_all_looked_for(world):
    texts = [f"Sentence {number}." for number in range(450)]
    world.put("guide", *texts, vectors=False)
    world.put("secret", *texts, to=["legal"], vectors=False)
    mine, hidden = ([chunk_place(name, text=text) for text in texts] for name in ("guide", "secret"))
    assert world.retrieval().standing([*hidden, *mine], (), None) == set(mine)


def test_hidden_documents_are_not_counted(world):
    world.put("open", ZIPPER, TENT)
    world.put("secret", ZIPPER, to=["legal"])
    world.put("acme", ZIPPER, tenant="acme", labels=["kind=guide"])
    world.put("gone", ZIPPER)
    world.delete("gone")
    count = world.retrieval().count
    assert [count(Query("", principals=who)) for who in ((), ("legal",))] == [1, 2]
    assert [count(Query("", tenant="acme", labels=labels)) for labels in ((), ("kind=guide",), ("kind=x",))] == [
        1,
        1,
        0,
    ]


def test_the_collection_that_serves_is_searched(world):
    assert world.vectors.collections() == [COLLECTION]
    world.put("guide", ZIPPER)
    world.retrieval().search(Query("zipper"))
    assert [call.collection for call in world.vectors.calls if call.name == "search"] == [COLLECTION]
