import pytest
import sqlalchemy as sa

from infra import scrubbing
from infra.scrubbing import scrub
from infra.store_errors import StoreFailed
from infra.stores import AgentStore
from infra.words.words import ReviewWordRow, WordRow, drop_review_words, drop_words, put_review_words, put_words
from schemas.tables import reviews

SECRET = b"the sole burned in Zanzibar "


def row(number, record):
    return {
        "product_id": "p", "review_id": f"r{number}", "ordinal": number, "revision": 0, "record": record, "at": 0.0,
        "trace": b"",
    }  # fmt: skip


def put_and_delete(store):
    with store.write() as connection:
        connection.execute(reviews.insert(), [row(number, b"said") for number in range(50)])
        connection.execute(reviews.insert(), [row(100, SECRET), row(101, SECRET * 1_000)])
    with store.write() as connection:
        connection.execute(reviews.delete().where(reviews.c.ordinal >= 100))


def held(place):
    return [path.name for path in place.path.parent.iterdir() if SECRET in path.read_bytes()]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_byte_of_what_was_deleted_is_left_in_any_file_while_a_worker_has_it_open(store, place):
    put_and_delete(store)
    assert held(place)
    assert scrub(place)
    assert held(place) == []
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(reviews)) == 50
    with store.write() as connection:
        connection.execute(reviews.insert(), [row(200, b"later")])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_reader_in_the_way_is_told_after_a_while_and_nothing_is_lost(store, place, monkeypatch):
    monkeypatch.setattr(scrubbing, "BUSY_S", 0.2)
    put_and_delete(store)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(reviews)) == 50  # its snapshot begins
        with pytest.raises(StoreFailed, match=r"stays in use|locked"):
            scrub(place)
    assert scrub(place)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_large_file_is_left_alone_so_that_workers_need_not_wait(store, place, monkeypatch):
    monkeypatch.setattr(scrubbing, "SCRUB_BYTES", 100)
    put_and_delete(store)
    assert not scrub(place)
    assert held(place)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_store_that_a_worker_writes_for_long_is_told(store, place, monkeypatch):
    monkeypatch.setattr(scrubbing, "BUSY_S", 0.1)
    with AgentStore(place, "rw").transaction(), pytest.raises(StoreFailed, match=r"cannot be written anew: .*locked"):
        scrub(place)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_postgres_is_left_to_its_own_vacuum(store, place):
    assert not scrub(place)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_full_text_forgets_the_words_of_what_was_deleted(store, place):
    for number in range(1, 40):  # as many transactions: full text keeps each in a part of its own
        with store.write() as connection:
            said = "the quillonword burned" if number in (7, 8) else "nothing of note"
            put_words(connection, [WordRow(number, said, said)])
            put_review_words(connection, [ReviewWordRow(number, "p", said, said)])
    with store.write() as connection:
        drop_words(connection, [7, 8])
        drop_review_words(connection, [7, 8])
    files = place.path.parent.iterdir
    assert any(b"quillonword" in path.read_bytes() for path in files())
    assert scrub(place)
    assert not any(b"quillonword" in path.read_bytes() for path in files())
