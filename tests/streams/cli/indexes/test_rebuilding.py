"""A rebuild beside workers that go on, with another model or another way to cut, killed at any moment: ends exact."""

from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import pytest

from infra.rows import collection_rows, placement_rows
from infra.rows.collection_rows import BUILDING, RETIRED, SERVING, CollectionMismatch
from infra.vectors.vector_store import VectorRow, VectorStoreUnreachable
from schemas.index_tables import collections, placements, vectors
from streams.cli.errors import CommandError
from streams.cli.indexes import filling, registry_mending
from streams.cli.indexes import rebuilding as index_rebuilding
from tests.streams.cli.indexes.index_stage import LONG, Stage, counts
from tests.streams.fakes import Killed
from tests.streams.index_worker import FakeEmbedder, Worker, check, collection, deletion, document, rows

NEW = "fake/2"

STRIDE = 5
"""Every so many steps are died at; 1 takes minutes."""


@pytest.fixture
def stage(place, store) -> Stage:
    built = Stage.build(place, store)
    built.fill()
    return built


def exact(stage: Stage, embedder: FakeEmbedder | None = None, chunking: str = "test/200") -> None:
    """One collection is left, and it is the one that the model of today makes of the documents of today."""
    name = collection(stage.store)
    assert stage.vectors.collections() == [name]
    states = [row["state"] for row in rows(stage.store, collections, "created_at", "name")]
    assert sorted(states) == [RETIRED] * (len(states) - 1) + [SERVING]
    assert {row["collection"] for row in rows(stage.store, placements)} <= {name}
    check(Worker(stage.store, stage.worker.clock, stage.vectors, embedder, chunking=chunking))


def checked_model(stage: Stage) -> str:
    """Which model's vectors serve."""
    (one,) = [row["model"] for row in rows(stage.store, collections) if row["state"] == SERVING]
    return one


def test_nothing_is_embedded_again_by_the_same_model(stage):
    before = collection(stage.store)
    stage.worker.embedder.asked.clear()
    rebuilt = stage.rebuild()
    assert stage.worker.embedder.asked == []
    assert (rebuilt.vectors, rebuilt.embedded, rebuilt.recut, rebuilt.words, rebuilt.dropped) == (5, 0, 0, 0, 1)
    assert (rebuilt.documents, rebuilt.collection) == (4, collection(stage.store))
    assert rebuilt.collection != before
    exact(stage)


def test_a_worker_of_the_same_model_goes_on_before_during_and_after(stage):
    with meanwhile(stage, "flush", lambda: stage.send(document(1, LONG + "\n\nMore.", revision=1), deletion(2, 1))):
        stage.rebuild()
    stage.send(document(6, "After."))
    stage.worker.rest()
    exact(stage)


def test_every_document_is_cut_anew_where_that_changed(stage):
    before = stage.ids()
    rebuilt = stage.rebuild(longest=100, chunking="test/100")
    assert rebuilt.recut == 1
    assert len(stage.ids()) > len(before)
    assert counts(stage.verify(longest=100)) == {}
    exact(stage, chunking="test/100")


def test_another_model_takes_over_and_its_workers_go_on(stage):
    other = FakeEmbedder(NEW)
    rebuilt = stage.rebuild(other)
    assert (rebuilt.embedded, rebuilt.vectors, rebuilt.recut) == (5, 5, 0)
    assert checked_model(stage) == NEW
    newer = Worker(stage.store, stage.worker.clock, stage.vectors, other)
    stage.send(document(6, "After."), worker=newer)
    newer.rest()
    assert {row["model"] for row in rows(stage.store, vectors)} == {"fake/1", NEW}
    stage.worker = newer
    there = stage.vectors.rows(collection(stage.store))
    assert np.array_equal(there[stage.ids("/d6.md")[0]].vector, other.vector("After."))
    assert counts(stage.verify()) == {}


def test_a_worker_of_the_old_model_stops_at_its_next_document_and_nothing_of_it_is_written(stage):
    stage.send(document(2, "On its way.", revision=1))
    stage.rebuild(FakeEmbedder(NEW))
    with pytest.raises(CollectionMismatch, match="millrace index rebuild"):
        stage.send(document(6, "Too late."))
    with pytest.raises(CollectionMismatch):
        stage.worker.work()
    assert stage.ids("/d6.md") == []
    assert counts(stage.verify()) == {"documents": (0, 0, 1)}  # its work waits for a worker of the new one


def test_a_worker_that_cuts_in_the_old_way_stops_too(stage):
    stage.rebuild(longest=100, chunking="test/100")
    with pytest.raises(CollectionMismatch, match="cut test/100; now it is fake/1, cut test/200"):
        stage.send(document(6, LONG))


@pytest.mark.parametrize("moment", ["prepare", "collections", "upsert", "flush", "row_ids", "embed"])
@pytest.mark.parametrize(("model", "longest"), [("fake/1", 200), (NEW, 200), (NEW, 100), ("fake/1", 100)])
def test_what_comes_while_it_is_built_is_in_it(stage, model, longest, moment):
    other, calls, before = FakeEmbedder(model), iter(range(3)), collection(stage.store)

    def write() -> None:
        number = next(calls, None)
        if number is None or collection(stage.store) != before:  # after the switch it stops, see above
            return
        news = [document(1, f"{LONG}\n\nNews {number}.", revision=1 + number, principals=["y"])]
        stage.send(*news, document(20 + number, LONG), deletion(2 + number, 9))
        stage.worker.rest() if number % 2 else stage.worker.work()

    with meanwhile(stage, moment, write, other, every=True):
        stage.rebuild(other, longest=longest, chunking=f"test/{longest}")
    newest = Worker(stage.store, stage.worker.clock, stage.vectors, other, chunking=f"test/{longest}")
    newest.rest()
    assert counts(stage.verify(longest=longest)) == {}
    exact(stage, other, f"test/{longest}")


def test_who_never_stops_writing_is_stopped_for_the_last_few(stage):
    other, offset = FakeEmbedder(NEW), iter(range(1, 1_000))

    def write() -> None:
        try:
            stage.send(document(1, f"{LONG}\n\nNews.", revision=next(offset)))
        except CollectionMismatch:
            stopped.append(True)

    stopped: list[bool] = []
    rebuilding = stage.rebuilding(other, longest=100, chunking="test/100")
    fill = rebuilding._fill

    def fill_and_write(name: str) -> None:
        fill(name)
        write()

    rebuilding._fill = fill_and_write
    rebuilding.run()
    assert (next(offset), stopped) == (index_rebuilding.PATIENCE + 3, [])
    assert counts(stage.verify(longest=100)) == {"documents": (0, 0, 1)}
    Worker(stage.store, stage.worker.clock, stage.vectors, other, chunking="test/100").rest()
    exact(stage, other, "test/100")


def test_documents_that_change_too_fast_are_told(stage, monkeypatch):
    monkeypatch.setattr(index_rebuilding, "FEW", 0)
    monkeypatch.setattr(index_rebuilding, "ROUNDS", 3)
    rebuilding, offset = stage.rebuilding(), iter(range(1, 100))
    rebuilding._registry.catch_up = lambda: stage.send(document(1, revision=next(offset)))
    with pytest.raises(CommandError, match="change faster"):
        rebuilding.run()
    stage.rebuild()
    stage.worker.rest()
    exact(stage)


def test_a_row_that_a_worker_removes_while_it_is_on_its_way_does_not_stay(stage):
    before = stage.vectors.upsert

    def late(name, some):
        stage.vectors.upsert = before
        stage.send(deletion(1, 9), document(2, "New.", revision=9))
        stage.worker.rest()
        before(name, some)

    stage.vectors.upsert = late
    stage.rebuild()
    exact(stage)


@pytest.mark.parametrize(
    ("model", "longest", "before", "first"),
    [("fake/1", 200, True, 0), ("fake/1", 200, False, 2), (NEW, 100, True, 4), (NEW, 100, False, 6)],
)
def test_killed_at_any_step_and_run_again_it_ends_exact(place, store, monkeypatch, model, longest, before, first):
    monkeypatch.setattr(filling, "ROWS", 3)
    monkeypatch.setattr(registry_mending, "DOCUMENTS", 2)
    stage, other = Stage.build(place, store), FakeEmbedder(model)
    stage.fill()
    deaths = 0
    for step in range(first % STRIDE, 200, STRIDE):
        stage.execute("DELETE FROM chunk_words WHERE rowid = :id", id=stage.ids()[0])
        if killed(stage, step, other, longest, before):
            deaths += 1
            exact_again(stage, other, longest)
            continue
        break
    assert deaths > 15 // STRIDE
    exact_again(stage, other, longest)


def exact_again(stage: Stage, other: FakeEmbedder, longest: int) -> None:
    """Run it again; it must end, whatever it was killed in."""
    stage.rebuild(other, longest=longest, chunking=f"test/{longest}")
    Worker(stage.store, stage.worker.clock, stage.vectors, other, chunking=f"test/{longest}").rest()
    assert counts(stage.verify(longest=longest)) == {}
    exact(stage, other, f"test/{longest}")


def killed(stage: Stage, step: int, other: FakeEmbedder, longest: int, before: bool) -> bool:
    """Die at one of the calls that reach store, vector store or model; False when there are not so many."""
    rebuilding = stage.rebuilding(other, longest=longest, chunking=f"test/{longest}")
    left = iter(range(step, -1, -1))

    def dying(call: Callable) -> Callable:
        def wrapped(*arguments, **named):
            last = next(left, None) == 0
            if last and before:
                raise Killed
            result = call(*arguments, **named)
            if last:
                raise Killed
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuilding._writer, "change", dying(rebuilding._writer.change))
        for name in ("prepare", "upsert", "delete", "drop", "flush", "collections", "row_ids"):
            patch.setattr(stage.vectors, name, dying(getattr(stage.vectors, name)))
        patch.setattr(other, "embed", dying(other.embed))
        try:
            rebuilding.run()
        except Killed:
            return True
    return False


def test_what_was_built_for_another_model_is_dropped_first(stage):
    with pytest.raises(VectorStoreUnreachable):
        stage.vectors.fail(1, "flush")
        stage.rebuild(FakeEmbedder("abandoned/1"))
    abandoned = [row["name"] for row in rows(stage.store, collections) if row["state"] == BUILDING]
    assert set(abandoned) <= set(stage.vectors.collections())
    stage.rebuild()
    exact(stage)


def test_one_that_was_interrupted_goes_on_and_embeds_nothing_twice(stage):
    other = FakeEmbedder(NEW)
    stage.vectors.fail(1, "flush")
    with pytest.raises(VectorStoreUnreachable):
        stage.rebuild(other)
    (building,) = [row["name"] for row in rows(stage.store, collections) if row["state"] == BUILDING]
    other.asked.clear()
    rebuilt = stage.rebuild(other)
    assert (rebuilt.collection, other.asked, rebuilt.embedded) == (building, [], 0)
    exact(stage, other)


def test_rows_nobody_knows_in_what_was_being_built_go(stage):
    stage.vectors.fail(1, "flush")
    with pytest.raises(VectorStoreUnreachable):
        stage.rebuild()
    (building,) = [row["name"] for row in rows(stage.store, collections) if row["state"] == BUILDING]
    stage.vectors.smuggle(building, [VectorRow(7, "/gone", 1, (1,), (), stage.worker.embedder.vector("x"))])
    stage.vectors.delete(building, stage.ids()[:1])
    stage.rebuild()
    exact(stage)


def test_one_whose_collection_was_retired_by_another_ends_without_a_switch(stage):
    def retire() -> None:
        with stage.store.write() as connection:
            (building,) = collection_rows.list_collections(connection, (BUILDING,))
            collection_rows.retire(connection, building.name)

    before = collection(stage.store)
    with meanwhile(stage, "flush", retire), pytest.raises(CommandError, match="another rebuild took over"):
        stage.rebuild()
    assert collection(stage.store) == before
    stage.rebuild()
    exact(stage)


def test_searches_find_what_was_cut_anew_before_the_switch(stage):
    """With the same model, new rows go to the collection that serves, too."""
    seen: list[int] = []

    def look() -> None:
        with stage.store.read() as connection:
            seen.append(placement_rows.count_missing(connection, collection(stage.store)))

    with meanwhile(stage, "flush", look):
        stage.rebuild(longest=100, chunking="test/100")
    assert seen == [0]


def test_an_index_without_documents_can_be_rebuilt(place, store):
    stage = Stage.build(place, store)
    stage.execute("DELETE FROM collections")
    assert stage.rebuild().documents == 0
    exact(stage)


@contextmanager
def meanwhile(
    stage: Stage, moment: str, action: Callable[[], None], embedder: FakeEmbedder | None = None, *, every: bool = False
):
    """Let something happen just before a call of the vector store or the model, the first time or each time."""
    owner = embedder if moment == "embed" else stage.vectors
    call, running = getattr(owner, moment), []

    def wrapped(*arguments, **named):
        if not running:
            running.append(True)
            action()
            if every:
                running.clear()
        return call(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, moment, wrapped)
        yield
