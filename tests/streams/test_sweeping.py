import pytest
import sqlalchemy as sa

from infra import leases
from infra.rows import collection_rows, placement_rows
from infra.vectors.vector_store import VectorRow, WrongModel
from infra.watermarks import read_watermarks
from schemas.index_tables import placements, vectors
from streams import sweeping
from streams.indexing import _stored
from streams.sweeping import MENDING, Swept
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import Clock, until
from tests.streams.index_worker import (
    ZERO,
    Worker,
    check,
    collection,
    deletion,
    document,
    indexed,
    numbered,
    pending,
    prepare,
    rows,
    waiting,
)
from tests.streams.test_work import serving

HOUR_S = 3600.0


@pytest.fixture
def worker(store):
    return Worker(prepare(store), Clock(), FakeVectorStore())


def stray(worker: Worker, row_id: int) -> VectorRow:
    return VectorRow(row_id, "/gone", 1, (1,), (), worker.embedder.vector("gone"))


def test_rows_nobody_knows_go_and_all_others_stay(store, worker):
    worker.apply(*numbered(document(1), document(2, "Two.")))
    worker.work()
    worker.vectors.smuggle(collection(store), [stray(worker, 5), stray(worker, 2**63 - 1)])
    assert worker.sweep() == Swept(removed=2)
    assert worker.sweep() == Swept()
    assert worker.counters.vectors_removed == 2
    check(worker)


def test_a_row_that_is_just_being_written_stays(store, worker):
    worker.apply(*numbered(document(1)))
    (leased,) = worker.service._lease()
    (job,) = worker.indexing.prepare([leased])
    (spot,) = job.wanted
    row = VectorRow(spot.row_id, "/d1.md", 1, (1,), (), worker.embedder.vector("x"))
    worker.vectors.prepare(collection(store), "fake/1", 8)
    worker.vectors.smuggle(collection(store), [row])
    assert worker.sweep() == Swept()
    assert list(worker.vectors.rows(collection(store))) == [spot.row_id]


@pytest.mark.parametrize("page", [1, 2, 3, 5_000])
def test_rows_that_were_lost_are_written_again_whatever_the_size_of_a_page(store, worker, monkeypatch, page):
    monkeypatch.setattr(sweeping, "PAGE", page)
    worker.apply(*numbered(*(document(n, f"Document {n}.") for n in range(6))))
    worker.work()
    told = len(indexed(store))
    there = sorted(worker.vectors.rows(collection(store)))
    worker.vectors.delete(collection(store), [there[0], there[2], there[5]])
    worker.vectors.smuggle(collection(store), [stray(worker, there[2] + 1), stray(worker, there[5] + 1)])
    assert worker.sweep() == Swept(removed=2, lost=3)
    assert {reason for _, _, reason in waiting(store)} == {MENDING}
    worker.embedder.asked.clear()
    worker.rest()
    assert (worker.embedder.asked, len(indexed(store))) == ([], told)
    check(worker)


def test_mending_holds_no_watermark(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    worker.vectors.delete(collection(store), list(worker.vectors.rows(collection(store))))
    worker.sweep()
    with store.read() as connection:
        assert read_watermarks(connection)[ZERO].held_by == "outbox"
        assert leases.inputs(connection, "index", ["/d1.md"]) == {}


def test_news_that_come_while_rows_are_mended_are_told(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    worker.vectors.delete(collection(store), list(worker.vectors.rows(collection(store))))
    worker.sweep()
    worker.apply(*numbered(document(1, "New.", revision=1), start=1))
    worker.rest()
    assert [told.revision for told in indexed(store)] == [3, 4, 5]
    check(worker)


def test_a_row_deleted_by_a_worker_between_two_looks_is_not_taken_for_lost(store, worker):
    worker.apply(*numbered(document(1), document(2, "Two.")))
    worker.work()
    look = worker.vectors.row_ids

    def delete_first(name, after, limit):
        worker.vectors.row_ids = look
        worker.apply(*numbered(deletion(1), start=2))
        (leased,) = worker.service._lease()
        jobs = worker.indexing.prepare([leased])
        worker.indexing._send(jobs, [sent(jobs[0])])
        return look(name, after, limit)

    worker.vectors.row_ids = delete_first
    swept = worker.sweep()
    assert (swept.lost, swept.removed) == (0, 0)


def sent(job):
    return _stored([job], {})[0]


def test_work_that_got_lost_is_recorded_again(store, worker):
    worker.apply(*numbered(document(1), document(2, "Two."), document(3, "Three.")))
    worker.work()
    worker.apply(*numbered(document(1, "New.", revision=1), deletion(2), start=3))
    with store.write() as connection:
        leases.cancel(connection, "index", ["/d1.md", "/d2.md"])
    assert worker.sweep() == Swept(resumed=2)
    worker.rest()
    check(worker)


def test_vectors_nobody_has_used_for_long_go_and_those_used_again_stay(store, worker):
    worker.apply(*numbered(document(1, "One."), document(2, "Two."), document(3, "Three.")))
    worker.work()
    worker.apply(*numbered(deletion(1), deletion(2), start=3))
    worker.rest(0.0)
    worker.clock.now += HOUR_S - 1
    assert worker.sweep() == Swept()
    worker.apply(*numbered(document(4, "One."), start=5))
    worker.rest(0.0)
    worker.clock.now += 2
    assert worker.sweep() == Swept(forgotten=1)
    assert {row["orphaned_at"] for row in rows(store, vectors)} == {None}
    assert len(rows(store, vectors)) == 2
    check(worker)


def test_a_vector_whose_last_use_was_missed_is_found(store, worker):
    worker.apply(*numbered(document(1, "One."), document(2, "Two.")))
    worker.work()
    worker.apply(*numbered(deletion(1), start=2))
    worker.rest(0.0)
    with store.write() as connection:
        connection.execute(vectors.update().values(orphaned_at=None))
    worker.sweep()
    worker.clock.now += HOUR_S + 1
    assert worker.sweep().forgotten == 1
    assert len(rows(store, vectors)) == 1


def test_a_vector_store_that_is_away_is_left_for_the_next_time(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    worker.vectors.smuggle(collection(store), [stray(worker, 5)])
    worker.vectors.fail()
    assert worker.sweep() == Swept()
    worker.vectors.recover()
    assert worker.sweep() == Swept(removed=1)


def test_a_collection_of_another_model_ends_the_worker(store, worker):
    worker.vectors.prepare(collection(store), "other", 8)
    with pytest.raises(WrongModel):
        worker.sweep()


def test_a_retired_collection_goes_with_its_rows(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    before = collection(store)
    with store.write() as connection:
        name = collection_rows.add(connection, "millrace", "fake/1", "c", collection_rows.BUILDING, 1.0)
        placement_rows.place_missing(connection, name)
        assert placement_rows.count_missing(connection, name) == 1
    worker.sweep()
    worker.rest()
    with store.write() as connection:
        assert placement_rows.count_missing(connection, name) == 0
        assert collection_rows.switch(connection, name) == [before]
    worker.sweep()
    assert worker.vectors.collections() == [name] == [collection(store)]
    assert {row["collection"] for row in rows(store, placements)} == {name}
    check(worker)
    assert pending(store) == 0
    with store.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM collections")) == 2


async def test_only_the_worker_with_the_first_partition_sweeps(store, worker):
    mine: list = []
    worker.sweeping._mine = lambda: mine
    worker.vectors.prepare(collection(store), "fake/1", 8)
    async with serving(worker.sweeping):
        mine.append(ZERO)
        await until(lambda: worker.vectors.counts["flush"] == 1)
