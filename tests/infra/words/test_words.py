from collections.abc import Sequence
from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.words.word_choice import choose
from infra.words.words import (
    ReviewWordRow,
    WordQuery,
    WordRow,
    count_review_words,
    count_stray_words,
    count_words,
    drop_review_words,
    drop_stray_words,
    drop_words,
    find_review_words,
    find_words,
    put_review_words,
    put_words,
    words_postgres,
    words_sqlite,
)
from schemas.index_tables import chunks, document_labels, document_principals, documents

NASTY = [
    '"',
    '" OR "b',
    "title:zipper",
    "NEAR(a b)",
    "a*",
    "^a",
    "-a",
    "a AND",
    "a & !b | c",
    "'",
    "\\",
    "\0",
    "",
    " ",
    "%s",
    ":a",
]


def put(store, row_id: int, body: str, *, title="", to: Sequence[str] = ("public",), tenant=None, labels=()) -> None:
    key = f"{tenant or ''}/d{row_id}"
    with store.write() as connection:
        connection.execute(
            documents.insert().values(
                document_key=key, document_id=f"d{row_id}", tenant=tenant, revision=1, version=1, op="upsert",
                principals=b"[]", metadata=b"{}", changed_at=0.0, indexed_version=0, sources=b"{}",
            )
        )  # fmt: skip
        for principal in to:
            connection.execute(document_principals.insert().values(document_key=key, principal=principal))
        for label in labels:
            connection.execute(document_labels.insert().values(document_key=key, label=label))
        connection.execute(
            chunks.insert().values(
                row_id=row_id, document_key=key, chunk_id=str(row_id), position=0, breadcrumb="", text="",
                text_hash=str(row_id), introduced=1,
            )
        )  # fmt: skip
        put_words(connection, [WordRow(row_id, title, body)])


def find(store, *terms: str, limit=100, principals=("public",), tenant=None, labels=()) -> list[int]:
    with store.read() as connection:
        return [hit.row_id for hit in find_words(connection, WordQuery(terms, limit, principals, tenant, labels))]


def put_reviews(store, *rows: ReviewWordRow) -> None:
    with store.write() as connection:
        put_review_words(connection, rows)


def find_reviews(store, product_id: str, *terms: str) -> list[int]:
    with store.read() as connection:
        return [hit.row_id for hit in find_review_words(connection, product_id, terms, 100)]


def test_one_word_of_the_query_is_enough_and_more_are_better(store):
    put(store, 1, "the zipper broke after a week")
    put(store, 2, "the zipper is fine and so is the rest of it")
    put(store, 3, "nothing of that kind")
    assert find(store, "zipper", "broke") == [1, 2]


def test_words_are_found_in_another_form(store):
    put(store, 1, "Indexes are rebuilt")
    assert find(store, "index") == find(store, "rebuilt") == [1]


def test_a_word_in_the_title_counts_more(store):
    put(store, 1, "installing a broker on one machine")
    put(store, 2, "what to do with one machine of ours", title="broker")
    assert find(store, "broker") == [2, 1]


def test_a_rare_word_counts_more_than_a_common_one(store):
    for row_id in range(1, 9):
        put(store, row_id, "machine number")
    put(store, 9, "broker number")
    assert find(store, "machine", "broker")[0] == 9


def test_scores_fall_and_equal_ones_are_in_order_of_their_ids(store):
    for row_id in (3, 1, 2):
        put(store, row_id, "broker")
    put(store, 4, "broker broker broker")
    with store.read() as connection:
        hits = find_words(connection, WordQuery(("broker",), 10, ("public",)))
    assert [hit.row_id for hit in hits] == [4, 1, 2, 3]
    assert hits[0].score > hits[1].score == hits[2].score > 0


def test_words_written_again_replace_the_first(store):
    put(store, 1, "zipper")
    with store.write() as connection:
        put_words(connection, [WordRow(1, "", "button")])
    assert (find(store, "zipper"), find(store, "button")) == ([], [1])


def test_dropped_words_are_not_found(store):
    put(store, 1, "zipper")
    put(store, 2, "zipper")
    with store.write() as connection:
        drop_words(connection, [1, 99])
    assert find(store, "zipper") == [2]


def test_words_bind_with_the_transaction_that_writes_them(store, second_store):
    put(store, 1, "zipper")
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        drop_words(connection, [1])
        put_words(connection, [WordRow(2, "", "zipper")])
        raise ZeroDivisionError
    assert find(second_store, "zipper") == [1]


def test_only_what_one_of_the_principals_may_see_is_found(store):
    put(store, 1, "broker", to=["sales"])
    put(store, 2, "broker", to=["public", "sales"])
    put(store, 3, "broker", to=["legal"])
    put(store, 4, "broker", to=[])
    assert find(store, "broker") == [2]
    assert find(store, "broker", principals=("public", "sales")) == [1, 2]
    assert find(store, "broker", principals=()) == []


def test_only_the_askers_tenant_is_searched_and_none_is_one_too(store):
    put(store, 1, "broker")
    put(store, 2, "broker", tenant="acme")
    put(store, 3, "broker", tenant="")
    assert (find(store, "broker"), find(store, "broker", tenant="acme"), find(store, "broker", tenant="other")) == (
        [1],
        [2],
        [],
    )


def test_all_labels_must_be_there(store):
    put(store, 1, "broker", labels=["product_id=a", "kind=guide"])
    put(store, 2, "broker", labels=["product_id=a"])
    put(store, 3, "broker", labels=["product_id=b", "kind=guide"])
    assert find(store, "broker", labels=("product_id=a",)) == [1, 2]
    assert find(store, "broker", labels=("product_id=a", "kind=guide", "kind=guide")) == [1]


def test_the_best_hits_are_the_best_permitted_ones(store):
    for row_id in range(1, 40):
        put(store, row_id, "broker broker broker", to=["legal"])
    put(store, 50, "a broker among many other words that do not matter here")
    assert find(store, "broker", limit=1) == [50]


@pytest.mark.parametrize("terms", [("zipper",), ("zipper", "dress"), ("zipper", "dress", "rare"), ("dress", "rare")])
def test_common_words_cost_no_hit(store, monkeypatch, terms):
    bodies = {row_id: "zipper dress" if row_id % 3 else "zipper" for row_id in range(1, 30)} | {30: "rare thing"}
    for row_id, body in bodies.items():
        put(store, row_id, body)
    wanted = find(store, *terms)
    for dialect in (words_sqlite, words_postgres):
        monkeypatch.setattr(dialect, "choose", partial(choose, budget=4))
    assert set(find(store, *terms)) == set(wanted)
    assert len(find(store, *terms, limit=1)) == 1


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_a_term_is_syntax(store, text):
    put(store, 1, "zipper a b", title="title")
    assert set(find(store, text, "zipper")) == {1}
    assert set(find(store, text)) <= {1}
    assert set(find_reviews(store, "p", text)) == set()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_any_text_can_be_a_term(store, terms):
    find(store, *terms)
    find_reviews(store, "p", *terms)


def test_any_text_can_be_written(store):
    for row_id, text in enumerate(NASTY, 1):
        put(store, row_id, f"{text} zipper", title=text)
        put_reviews(store, ReviewWordRow(row_id, text or "p", text, f"{text} zipper"))
    assert set(find(store, "zipper")) == set(range(1, len(NASTY) + 1))


def test_a_review_is_found_within_its_product_only(store):
    put_reviews(
        store,
        ReviewWordRow(1, "dress", "zipper", "broke"),
        ReviewWordRow(2, "dress", "", "lovely colour"),
        ReviewWordRow(3, "tent", "zipper", "broke"),
    )
    assert (find_reviews(store, "dress", "zipper"), find_reviews(store, "tent", "zipper")) == ([1], [3])
    assert find_reviews(store, "shoe", "zipper") == find_reviews(store, "dress") == []


def test_dropped_and_rewritten_reviews(store):
    put_reviews(store, ReviewWordRow(1, "dress", "", "zipper"), ReviewWordRow(2, "dress", "", "zipper"))
    put_reviews(store, ReviewWordRow(2, "dress", "", "button"))
    with store.write() as connection:
        drop_review_words(connection, [1])
    assert (find_reviews(store, "dress", "zipper"), find_reviews(store, "dress", "button")) == ([], [2])


def test_the_name_of_a_product_is_no_word_of_its_reviews(store):
    put_reviews(store, ReviewWordRow(1, "dress", "", "lovely"))
    with store.read() as connection:
        name = "entity" if connection.dialect.name == "sqlite" else None
        token = connection.scalar(sa.text("SELECT entity FROM review_words")) if name else "pa6b7a62e8b96790ba7b7101b"
    assert find_reviews(store, "dress", token) == []


def test_a_longest_record_fits(store):
    put(store, 1, " ".join(f"w{number}" for number in range(3_300))[:20_000], title="t" * 1_000)
    assert find(store, "w3000") == [1]


def test_words_that_are_no_chunks_are_counted_and_removed(store) -> None:
    put(store, 1, "The zipper broke.")
    with store.write() as connection:
        put_words(connection, [WordRow(2, "", "Nobody's zipper.")])
        put_review_words(connection, [ReviewWordRow(3, "p", "", "A zipper.")])
        assert (count_stray_words(connection), count_words(connection, [1, 2, 3])) == (1, 2)
        drop_stray_words(connection)
        assert (count_stray_words(connection), count_words(connection, [1, 2, 3])) == (0, 1)
        assert count_review_words(connection, [1, 2, 3]) == 1
