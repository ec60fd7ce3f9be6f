import asyncio

import numpy as np
import pytest
import sqlalchemy as sa

from infra import leases
from infra.outbox import Cause
from infra.rows import collection_rows
from infra.vectors.vector_store import VectorRow, VectorStoreFailed, WrongModel
from infra.watermarks import read_watermarks
from schemas.index_tables import documents, placements, vectors
from schemas.tables import work
from streams.crashing import POINTS
from tests.fake_vectors import FakeVectorStore
from tests.streams.fakes import Clock, CrashAt, Killed
from tests.streams.index_worker import (
    ONE,
    ZERO,
    FakeEmbedder,
    Worker,
    causes,
    check,
    collection,
    deletion,
    document,
    indexed,
    numbered,
    pending,
    prepare,
    rows,
)

LONG = "# Pumps\n\nA pump moves water.\n\n# Valves\n\nA valve stops it.\n"


@pytest.fixture
def worker(store):
    return Worker(prepare(store), Clock(), FakeVectorStore())


def placed(store) -> list[bool]:
    return [row["confirmed"] for row in rows(store, placements)]


def test_work_embeds_writes_confirms_and_tells(store, worker):
    worker.apply(*numbered(document(1, LONG, title="Guide", tenant="x")))
    worker.work()
    check(worker)
    (told,) = indexed(store)
    assert (told.document_id, told.tenant, told.revision, told.op) == ("d1.md", "x", 3, "upsert")
    assert (told.chunks, told.embedded, told.removed) == (2, 2, 0)
    assert (told.sources, causes(store)) == ({"documents": {"0": 1}}, [Cause(*ZERO, 0)])
    counters = worker.counters
    assert (counters.chunks_embedded, counters.chunks_reused, counters.vectors_written) == (2, 0, 2)
    with store.read() as connection:
        assert read_watermarks(connection)[ZERO].held_by == "outbox"


def test_all_missing_texts_of_a_batch_are_embedded_in_one_call_and_each_once(store, worker):
    calls, embed = [], worker.embedder.embed
    worker.embedder.embed = lambda texts: calls.append(list(texts)) or embed(texts)
    worker.apply(*numbered(document(1, LONG), document(2, LONG), document(3, "Other.")))
    worker.work()
    assert [sorted(call) for call in calls] == [["Other.", "Pumps\nA pump moves water.", "Valves\nA valve stops it."]]
    assert [told.embedded for told in indexed(store)] == [2, 0, 1]
    assert (worker.counters.chunks_embedded, worker.counters.chunks_reused) == (3, 2)
    check(worker)


def test_an_edit_embeds_only_what_is_new_and_writes_it_before_the_old_is_deleted(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    worker.embedder.asked.clear()
    worker.vectors.calls.clear()
    worker.apply(*numbered(document(1, LONG.replace("water", "oil"), revision=1), start=1))
    worker.work()
    assert worker.embedder.asked == ["Pumps\nA pump moves oil."]
    assert [call.name for call in worker.vectors.calls] == ["upsert", "delete"]
    assert (indexed(store)[-1].embedded, indexed(store)[-1].removed) == (1, 1)
    check(worker)


def test_a_rename_embeds_nothing(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    worker.embedder.asked.clear()
    worker.apply(*numbered(deletion(1), document(2, LONG), start=1))
    worker.work()
    assert worker.embedder.asked == []
    check(worker)


def test_a_permission_change_writes_new_rows_and_embeds_nothing(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    worker.embedder.asked.clear()
    worker.apply(*numbered(document(1, LONG, principals=["boss"], revision=1), start=1))
    worker.work()
    assert worker.embedder.asked == []
    check(worker)


def test_a_deletion_removes_the_rows_and_is_told(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    worker.apply(*numbered(deletion(1), start=1))
    worker.work()
    told = indexed(store)[-1]
    assert (told.op, told.chunks, told.removed, told.revision) == ("delete", 0, 2, 5)
    assert worker.counters.vectors_removed == 2
    check(worker)


def test_while_the_vector_store_is_away_the_stream_goes_on_and_vectors_follow_when_it_is_back(store, worker):
    worker.vectors.fail()
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    worker.apply(*numbered(document(2), start=1))
    worker.work()
    assert (placed(store), indexed(store), pending(store)) == ([False] * 3, [], 2)
    with store.read() as connection:
        assert "no Milvus answers" in connection.scalar(sa.select(work.c.last_error))
    worker.vectors.recover()
    worker.rest()
    assert len(indexed(store)) == 2
    check(worker)


def test_while_the_vector_store_is_away_what_is_gone_is_told_once_and_what_stands_when_it_is_back(store, worker):
    worker.apply(*numbered(document(1, LONG), document(2, "Two.")))
    worker.rest()
    worker.vectors.fail()
    worker.apply(*numbered(document(1, LONG.replace("water", "oil"), revision=1), deletion(2, 1), start=2))
    for _ in range(3):
        worker.work()
        worker.clock.now += 400.0
    away = indexed(store)[2:]
    assert [(told.document_id, told.revision, told.op) for told in away] == [
        ("d1.md", 4, "upsert"),
        ("d2.md", 4, "delete"),
    ]
    worker.vectors.recover()
    worker.rest()
    back = indexed(store)[4:]
    assert sorted((told.document_id, told.revision) for told in back) == [("d1.md", 5), ("d2.md", 5)]
    check(worker)


def test_texts_embedded_before_a_failure_are_embedded_again_but_told_once(store, worker):
    worker.vectors.fail(1, "upsert")
    worker.apply(*numbered(document(1)))
    worker.rest()
    assert (len(worker.embedder.asked), len(indexed(store))) == (2, 1)
    check(worker)


def test_a_collection_of_another_model_ends_the_worker(store, worker):
    worker.vectors.prepare(collection(store), "other", 8)
    worker.apply(*numbered(document(1)))
    with pytest.raises(WrongModel):
        worker.work()


def test_a_document_the_vector_store_refuses_delays_no_other(store, worker):
    upsert = worker.vectors.upsert

    def refuse(name, some):
        if any(row.document_key == "/d2.md" for row in some):
            raise VectorStoreFailed("no", "never")
        upsert(name, some)

    worker.vectors.upsert = refuse
    worker.apply(*numbered(document(1), document(2, "Two."), document(3, "Three.")))
    worker.work()
    assert sorted(told.document_id for told in indexed(store)) == ["d1.md", "d3.md"]
    worker.vectors.upsert = upsert
    worker.rest()
    check(worker)


def test_a_collection_that_vanishes_is_made_again(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    worker.vectors.drop(collection(store))
    worker.apply(*numbered(document(2), start=1))
    worker.rest()
    assert len(worker.vectors.rows(collection(store))) == 1
    worker.sweep()
    worker.rest()
    check(worker)


def test_what_changes_while_it_is_embedded_is_told_then_done_again(store, worker):
    worker.apply(*numbered(document(1, "Old words.")))
    newer = numbered(document(1, "New words.", revision=1), start=1)
    worker.embedder.meanwhile = lambda: worker.apply(*newer)
    worker.work()
    assert [(told.revision, told.embedded) for told in indexed(store)] == [(4, 0), (3, 1), (5, 1)]
    assert len(rows(store, vectors)) == 1
    check(worker)


def test_of_a_text_that_is_deleted_while_it_is_embedded_nothing_stays(store, worker):
    worker.apply(*numbered(document(1, "Secret words.")))
    gone = numbered(deletion(1), start=1)
    worker.embedder.meanwhile = lambda: worker.apply(*gone)
    worker.work()
    assert (rows(store, vectors), worker.vectors.rows(collection(store))) == ([], {})
    assert [(told.revision, told.op) for told in indexed(store)] == [(4, "delete"), (3, "upsert"), (5, "delete")]
    check(worker)


def test_of_a_document_that_is_erased_while_it_is_embedded_nothing_is_written(store, worker):
    worker.apply(*numbered(document(1, "Secret words.")))

    def erase():
        with store.write() as connection:
            for table in (documents, *documents.metadata.sorted_tables):
                if "document_key" in table.c:
                    connection.execute(table.delete())
            leases.cancel(connection, "index", ["/d1.md"])

    worker.embedder.meanwhile = erase
    worker.work()
    assert (rows(store, vectors), indexed(store), pending(store)) == ([], [], 0)
    worker.sweep()
    assert worker.vectors.rows(collection(store)) == {}


def test_every_input_partition_that_waits_is_told(store, worker):
    worker.apply(*numbered(document(1)))
    worker.apply(*numbered(document(1, revision=1), partition=1))
    worker.work()
    assert causes(store) == [Cause(*ZERO, 0), Cause(*ONE, 0)]


def test_a_zombie_that_lost_its_lease_confirms_nothing_and_what_it_wrote_is_swept_away(store, worker):
    worker.apply(*numbered(document(1, "Old words.")))
    (leased,) = worker.service._lease()
    (job,) = worker.indexing.prepare([leased])
    other = Worker(store, worker.clock, worker.vectors)  # takes its leases back
    other.apply(*numbered(document(1, "New words.", revision=1), start=1))
    other.work()
    check(other)
    (outcome,) = asyncio.run(worker.indexing.call([job]))
    worker.service._conclude(leased, job, outcome)
    assert len(worker.vectors.rows(collection(store))) == 2
    assert other.sweep().removed == 1
    check(other)


@pytest.mark.parametrize("name", [name for name in POINTS if name.startswith("work_")])
def test_a_worker_killed_at_any_point_of_the_work_leaves_the_same_index(store, name):
    worker = Worker(prepare(store), Clock(), FakeVectorStore(), crash=CrashAt(name))
    worker.apply(*numbered(document(1, LONG)))
    with pytest.raises(Killed):
        worker.work()
    again = Worker(store, worker.clock, worker.vectors)
    again.rest()
    assert [told.revision for told in indexed(store)] == [3]
    check(again)


def test_new_rows_go_to_every_collection_of_the_model_and_old_ones_leave_all(store, worker):
    with store.write() as connection:
        args = ("millrace", "fake/1", "other", collection_rows.BUILDING, 1.0)
        building = collection_rows.add(connection, *args)
        other = collection_rows.add(connection, "millrace", "other/1", "c", collection_rows.BUILDING, 2.0)
    worker.apply(*numbered(document(1)))
    worker.work()
    assert len(worker.vectors.rows(collection(store))) == len(worker.vectors.rows(building)) == 1
    assert worker.vectors.rows(other) == {}
    worker.apply(*numbered(deletion(1), start=1))
    worker.work()
    assert worker.vectors.rows(collection(store)) == worker.vectors.rows(building) == {}
    assert [(told.revision, told.removed) for told in indexed(store)] == [(3, 0), (4, 1), (5, 1)]


def test_another_model_does_not_use_the_vectors_of_this_one(store, worker):
    worker.apply(*numbered(document(1)))
    worker.work()
    with store.write() as connection:
        collection_rows.add(connection, "millrace", "fake/2", "test/200", collection_rows.BUILDING, 1.0)
    newer = Worker(store, worker.clock, worker.vectors, FakeEmbedder("fake/2"))
    newer.apply(*numbered(document(2), start=1))
    newer.work()
    assert newer.embedder.asked == ["One sentence about pumps."]
    assert {row["model"] for row in rows(store, vectors)} == {"fake/1", "fake/2"}


def test_vectors_are_kept_to_the_last_bit(store, worker):
    worker.apply(*numbered(document(1, LONG)))
    worker.work()
    kept = {row["vector"] for row in rows(store, vectors)}
    there = worker.vectors.rows(collection(store)).values()
    assert kept == {row.vector.astype("<f4").tobytes() for row in there}
    assert all(isinstance(row, VectorRow) and np.isclose(np.linalg.norm(row.vector), 1.0) for row in there)
