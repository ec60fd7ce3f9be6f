import pytest
import sqlalchemy as sa

from infra.database import Waits, open_store
from infra.kept_store import KeptStore
from infra.places import StorePlace
from infra.store_errors import StoreError, StoreMissing, StoreUnusable
from infra.timers import depth


@pytest.fixture
def place(tmp_path):
    return StorePlace("digest", tmp_path)


@pytest.fixture
def kept(place):
    kept = KeptStore(place)
    yield kept
    kept.close()


def make(place):
    open_store(place, Waits()).close()


def connection_of(kept):
    with kept.transaction() as connection:
        return connection.connection.dbapi_connection


def test_reads_share_a_connection_that_stays_open(place, kept):
    make(place)
    assert connection_of(kept) is connection_of(kept)


def test_a_store_that_is_not_there_is_never_made(place, kept):
    with pytest.raises(StoreMissing, match="digest has never run here"), kept.transaction():
        pass
    assert not place.path.exists()
    make(place)
    with kept.transaction() as connection:
        assert depth(connection) == 0


def test_nothing_can_be_written(place, kept):
    make(place)
    with pytest.raises(StoreError), kept.transaction() as connection:
        connection.execute(sa.text("DELETE FROM fences"))


def test_a_store_of_another_version_is_refused_even_when_it_becomes_one_while_it_is_read(place, kept, monkeypatch):
    monkeypatch.setattr("infra.kept_store.CHECKED_S", 0.0)
    make(place)
    assert connection_of(kept) is not None
    engine = sa.create_engine(f"sqlite:///{place.path}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnusable, match="version 9999"), kept.transaction():
        pass


def test_a_store_made_anew_is_read_through_another_connection(place, kept):
    make(place)
    before = connection_of(kept)
    for path in place.path.parent.iterdir():
        path.unlink()
    make(place)
    assert connection_of(kept) is not before


def test_after_closing_it_can_be_read_again(place, kept):
    make(place)
    assert connection_of(kept) is not None
    kept.close()
    assert connection_of(kept) is not None
