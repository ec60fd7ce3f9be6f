"""Whatever is damaged is found, told, and mended by a rebuild; whatever is only on its way is neither."""

import pytest
import sqlalchemy as sa

from infra import leases
from infra.vectors.vector_store import VectorRow, VectorStoreUnreachable
from streams.cli.errors import CommandError
from streams.cli.indexes import verifying
from tests.streams.cli.indexes.index_stage import LONG, Stage, counts
from tests.streams.index_worker import check, collection, deletion, document


@pytest.fixture
def stage(place, store) -> Stage:
    built = Stage.build(place, store)
    built.fill()
    return built


STRAY = "INSERT INTO {} (row_id, words) VALUES (7, to_tsvector('x'))"


def lose_chunk(stage):
    stage.execute("DELETE FROM chunks WHERE row_id = :id", id=stage.ids()[1])


def change_chunk(stage):
    stage.execute("UPDATE chunks SET text = 'other' WHERE row_id = :id", id=stage.ids()[1])


def swap_chunks(stage):
    stage.execute("UPDATE chunks SET position = 9 - position WHERE document_key = '/d1.md'")


def add_chunk_of_nobody(stage):
    stage.execute(
        "INSERT INTO chunks (row_id, document_key, chunk_id, position, breadcrumb, text, text_hash, introduced) "
        "VALUES (7, '/gone', 'c', 0, '', 'x', 'h', 1)"
    )


def bring_deleted_back(stage):
    stage.execute(
        "INSERT INTO chunks (row_id, document_key, chunk_id, position, breadcrumb, text, text_hash, introduced) "
        "VALUES (7, '/d4.md', 'c', 0, '', 'x', 'h', 1)"
    )


def lose_words(stage):
    stage.execute("DELETE FROM chunk_words WHERE rowid = :id", id=stage.ids()[0])


def change_words(stage):
    if on_sqlite(stage):
        stage.execute("UPDATE chunk_words SET body = 'other' WHERE rowid = :id", id=stage.ids()[0])
    else:
        stage.execute("UPDATE chunk_words SET words = to_tsvector('other') WHERE row_id = :id", id=stage.ids()[0])


def add_words(stage):
    stage.execute("INSERT INTO chunk_words (rowid) VALUES (7)" if on_sqlite(stage) else STRAY.format("chunk_words"))


def on_sqlite(stage) -> bool:
    return stage.store._engine.dialect.name == "sqlite"


def lose_vector(stage):
    stage.vectors.delete(collection(stage.store), stage.ids()[:1])


def add_vector(stage):
    row = VectorRow(7, "/gone", 1, (1,), (), stage.worker.embedder.vector("x"))
    stage.vectors.smuggle(collection(stage.store), [row])


def confirm_wrongly(stage):
    lose_vector(stage)
    stage.execute("UPDATE placements SET confirmed = TRUE")


def lose_placement(stage):
    stage.execute("DELETE FROM placements WHERE row_id = :id", id=stage.ids()[0])


def lose_collection(stage):
    stage.vectors.drop(collection(stage.store))


def lose_review_words(stage):
    stage.execute("DELETE FROM review_words WHERE rowid = (SELECT min(row_id) FROM review_texts)")


def add_review_words(stage):
    stage.execute("INSERT INTO review_words (rowid) VALUES (7)" if on_sqlite(stage) else STRAY.format("review_words"))


def let_others_see_it(stage):
    stage.execute("INSERT INTO document_principals (document_key, principal) VALUES ('/d1.md', 'y')")


def lose_label(stage):
    stage.execute("DELETE FROM document_labels WHERE document_key = '/d1.md'")


def let_others_see_nothing(stage):
    stage.execute("INSERT INTO document_principals (document_key, principal) VALUES ('/gone', 'y')")


DAMAGE = [
    (lose_chunk, {"chunks": (1, 0, 0), "words": (0, 1, 0), "vectors": (0, 0, 1)}),
    (change_chunk, {"chunks": (1, 1, 0), "words": (0, 1, 0)}),
    (swap_chunks, {"chunks": (0, 1, 0)}),
    (add_chunk_of_nobody, {"chunks": (0, 1, 0), "vectors": (1, 0, 0)}),
    (bring_deleted_back, {"chunks": (0, 1, 0), "words": (1, 0, 0), "vectors": (1, 0, 0)}),
    (lose_words, {"words": (1, 0, 0)}),
    (change_words, {"words": (0, 1, 0)}),
    (add_words, {"words": (0, 1, 0)}),
    (lose_vector, {"vectors": (1, 0, 0)}),
    (add_vector, {"vectors": (0, 1, 0)}),
    (confirm_wrongly, {"vectors": (1, 0, 0)}),
    (lose_placement, {"vectors": (1, 1, 0)}),
    (lose_collection, {"vectors": (5, 0, 0)}),
    (lose_review_words, {"reviews": (1, 0, 0)}),
    (add_review_words, {"reviews": (0, 1, 0)}),
    (let_others_see_it, {"documents": (0, 1, 0)}),
    (lose_label, {"documents": (0, 1, 0)}),
    (let_others_see_nothing, {"documents": (0, 1, 0)}),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGE, ids=lambda value: getattr(value, "__name__", ""))
def test_damage_of_every_sort_is_found_and_mended(stage, damage, told):
    assert stage.verify().agree
    damage(stage)
    found = stage.verify()
    assert counts(found) == told
    assert not found.agree
    stage.rebuild()
    assert counts(stage.verify()) == {}
    check(stage.worker)


def test_all_that_stands_is_counted(stage):
    found = stage.verify()
    standing = {name: tally.standing for name, tally in found.tallies.items()}
    assert standing == {"documents": 3, "chunks": 5, "words": 5, "vectors": 5, "reviews": 2}
    assert (found.collection.name, found.collection.model) == (collection(stage.store), "fake/1")
    assert counts(found) == {}


@pytest.mark.parametrize("page", [1, 2, 3])
def test_the_size_of_a_page_does_not_matter(stage, monkeypatch, page):
    before = stage.verify()
    monkeypatch.setattr(verifying, "DOCUMENTS", page)
    monkeypatch.setattr(verifying, "ROWS", page)
    assert stage.verify() == before
    add_words(stage)
    lose_words(stage)
    assert counts(stage.verify()) == {"words": (1, 1, 0)}


def test_what_is_on_its_way_is_pending(stage):
    stage.send(document(1, "New.", revision=1), document(5, LONG), deletion(2, 1))
    found = stage.verify()
    assert found.agree
    assert counts(found)["documents"] == (0, 0, 3)
    assert counts(found)["vectors"] == (0, 0, 8)  # four to come, four to go
    stage.worker.rest()
    assert counts(stage.verify()) == {}


def test_documents_cut_in_another_way_today_are_told(stage):
    found = stage.verify(longest=100)
    assert (found.chunks.standing, found.chunks.stale) == (2, 3)
    assert found.chunks.missing > 3


def test_rows_that_move_while_they_are_compared_are_not_called_wrong(stage):
    look = stage.vectors.row_ids

    def meanwhile(name, after, limit):
        stage.vectors.row_ids = look
        there = look(name, after, limit)
        stage.send(document(1, "New.", revision=1), document(5, LONG), deletion(2, 1))
        stage.worker.rest()
        return there

    stage.vectors.row_ids = meanwhile
    assert stage.verify().agree


def test_a_row_that_is_deleted_between_two_looks_is_not_called_lost(stage):
    look = stage.vectors.row_ids

    def first(name, after, limit):
        stage.vectors.row_ids = look
        stage.send(deletion(2, 1))
        stage.worker.rest()
        return look(name, after, limit)

    stage.vectors.row_ids = first
    assert stage.verify().agree


def test_work_that_got_lost_is_still_pending(stage):
    stage.send(document(1, "New.", revision=1))
    with stage.store.write() as connection:
        leases.cancel(connection, "index", ["/d1.md"])
    found = stage.verify()
    assert (found.agree, found.vectors.pending) == (True, 4)


def test_without_an_index_there_is_nothing_to_verify(place, store):
    built = Stage.build(place, store)
    built.execute("DELETE FROM collections")
    with pytest.raises(CommandError, match="there is no index yet"):
        built.verify()


def test_an_empty_index_agrees(place, store):
    assert Stage.build(place, store).verify().agree


def test_a_vector_store_that_is_away_is_told(stage):
    stage.vectors.fail()
    with pytest.raises(VectorStoreUnreachable):
        stage.verify()


def test_a_document_is_cut_from_what_is_kept_as_it_was_from_what_was_sent(stage):
    texts = [
        "\ufeff<!doctype html><h1>Guide</h1><p>Run it.</p>",
        "\u200b<html><p>a</p></html>",
        "",
        "a\x00b\r\nc and more words",
    ]
    for number, text in enumerate(texts, 10):
        stage.send({"document_id": f"page-{number}", "text": text, "title": " A\u200b  title "})
    stage.send({"document_id": "x", "uri": "x.html\u200b", "text": "<p>a</p>"})
    stage.worker.rest()
    assert counts(stage.verify()) == {}
    with stage.store.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM documents")) == 9
