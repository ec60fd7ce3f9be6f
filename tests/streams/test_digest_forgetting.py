"""Deletions, edits and tombstones: at rest nothing is left of what was forgotten, whatever happened on the way."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from infra import leases, outbox
from infra.database import Store, Waits, open_store
from infra.outbox import Cause
from infra.places import StorePlace
from infra.rows import product_rows
from infra.watermarks import make_due, read_watermarks
from schemas import tables
from schemas.points import FORGOTTEN_LIMIT, Forgotten, Points
from streams import rebuilding
from streams.crashing import POINTS as CRASH_POINTS
from streams.summarize import reading_of
from tests.processors.fake_encoder import INVENTED, encode
from tests.streams.digest_worker import (
    ONE,
    QUIET_S,
    UNREAD_S,
    ZERO,
    Worker,
    folded,
    ids,
    letters,
    loaded,
    pending,
    points,
    prepare,
    queued,
    readings,
    refolded,
    rows,
)
from tests.streams.fakes import POINTS, START_S, Clock, CrashAt, Killed, Raw, raw, review


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def worker(store, clock):
    return Worker(prepare(store), clock)


def delete(number: int, product_id: str = "p", revision: int = 0) -> dict:
    return {"review_id": f"r{number}", "product_id": product_id, "op": "delete", "revision": revision}


def marked(number: int, product_id: str = "p", revision: int = 0, rating: int | None = 2) -> dict:
    """A review that says something no other review and no other revision of it says."""
    text = f"The {INVENTED[number % 5]} {mark(product_id, number, revision)} is rather awful and it caught fire."
    return review(number, product_id, text, revision=revision, rating=rating)


def mark(product_id: str, number: int, revision: int) -> str:
    return f"xq{product_id}{'abcdefghijklmnopqrstuvwxyz'[number]}{'abcdefghijkl'[revision]}vex"


def everything(store: Store) -> bytes:
    """All the bytes of all tables."""
    with store.read() as connection:
        names = sa.inspect(connection).get_table_names()
        found = [connection.execute(sa.text(f'SELECT * FROM "{name}"')).all() for name in names]
    return repr(found).encode()


def tombs(store: Store) -> list[tuple[str, int]]:
    with store.read() as connection:
        columns = tables.tombstones.c.review_id, tables.tombstones.c.revision
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns))]


def forgotten(store: Store, product_id: str = "p") -> Forgotten:
    with store.read() as connection:
        row = product_rows.read_product(connection, product_id)
    return msgspec.json.decode(row.forgotten, type=Forgotten)


def numbered(*values: object, partition: int = 0, start: int = 0) -> list[Raw]:
    return [raw(offset, value, partition=partition) for offset, value in enumerate(values, start)]


def test_a_deletion_takes_counts_and_evidence_away_at_once_and_the_product_is_folded_anew_later(store, worker, clock):
    worker.apply(*numbered(*(marked(n) for n in range(4))))
    assert mark("p", 1, 0) in points(store)[-1].flags[2].quote
    worker.apply(*numbered(delete(1), start=4))
    read = points(store)[-1]
    assert (read.review_count, read.bands.negative.review_count, read.flag_counts.safety) == (3, 3, 3)
    assert mark("p", 1, 0).encode() not in msgspec.json.encode(read)
    assert (read.forgotten, read.op) == (Forgotten(count=1, newest=["r1"]), "upsert")
    assert (ids(store), tombs(store), pending(store)) == (["r0", "r2", "r3"], [("r1", 0)], 1)
    clock.now += QUIET_S
    worker.rebuild()
    assert (worker.counters.rebuilds, pending(store)) == (1, 0)
    assert reading_of(points(store)[-1]) == folded(store)["p"]
    assert mark("p", 1, 0).encode() not in everything(store)


@pytest.mark.parametrize(("revision", "left"), [(4, ["r1"]), (5, []), (6, [])])
def test_a_deletion_counts_from_the_revision_that_stands(store, worker, revision, left):
    worker.apply(*numbered(marked(1, revision=5), delete(1, revision=revision)))
    assert (ids(store), letters(store)) == (left, [])


@pytest.mark.parametrize(("revision", "text"), [(4, 5), (5, 5), (6, 6)])
def test_an_edit_counts_when_it_is_newer(store, worker, revision, text):
    worker.apply(*numbered(marked(1, revision=5), marked(1, revision=revision, rating=5)))
    (row,) = rows(store)
    assert (row[3], mark("p", 1, text).encode() in row[4]) == (text, True)
    assert readings(store, "p")["p"].bands.positive.review_count == (1 if text == 6 else 0)


def test_an_edit_keeps_its_place_in_the_order_of_arrival(store, worker, clock):
    worker.apply(*numbered(*(marked(n) for n in range(3)), marked(0, revision=1)))
    assert [(row[1], row[2]) for row in rows(store)] == [("r0", 0), ("r1", 1), ("r2", 2)]
    worker.rest(clock)
    assert readings(store, "p") == folded(store)


def test_a_newer_revision_that_says_the_same_forgets_nothing(store, worker):
    worker.apply(*numbered(marked(1), marked(2)))
    before = points(store)
    worker.apply(*numbered(marked(1) | {"revision": 7}, start=2))
    assert (points(store), forgotten(store).count, rows(store)[0][3]) == (before, 0, 7)
    worker.apply(*numbered(marked(1) | {"revision": 6, "rating": 5}, start=3))
    assert rows(store)[0][3] == 7


def test_an_older_upsert_never_comes_back_after_a_deletion_and_a_newer_one_does_as_a_new_arrival(store, worker):
    worker.apply(*numbered(delete(1, revision=3), marked(1, revision=2), marked(1, revision=3), marked(2)))
    assert (ids(store), tombs(store)) == (["r2"], [("r1", 3)])
    worker.apply(*numbered(marked(1, revision=4), start=4))
    assert ([(row[1], row[2]) for row in rows(store)], tombs(store)) == ([("r2", 0), ("r1", 1)], [])


def test_a_product_without_reviews_is_published_as_deleted_and_may_come_back(store, worker, clock):
    worker.apply(*numbered(marked(1), marked(2)))
    worker.apply(*numbered(delete(1), delete(2), start=2))
    gone = points(store)[-1]
    assert (gone.op, gone.review_count, gone.revision, gone.flags) == ("delete", 0, 2, [])
    assert pending(store) == 0
    assert mark("p", 1, 0).encode() not in everything(store)
    worker.apply(*numbered(marked(3), marked(4), start=4))
    back = points(store)[-1]
    assert (back.op, back.review_count, back.revision, back.forgotten.count) == ("upsert", 2, 3, 2)
    assert reading_of(back) == folded(store)["p"]


def test_what_waits_unpublished_does_not_leave_with_words_that_were_forgotten(store, worker):
    worker.apply(*numbered(marked(1), marked(2)))
    worker.apply(*numbered(delete(1), start=2))
    assert [one.cause.offset for one in queued(store, POINTS)] == [0, 2]
    assert [one.review_count for one in points(store)] == [1, 1]
    assert mark("p", 1, 0).encode() not in everything(store)


def test_a_deletion_of_the_newest_review_moves_the_last_30_days_back(store, worker):
    dates = ["2024-01-01", "2024-02-20", "2024-02-21", "2024-05-01"]
    reviews = [marked(n) | {"created_at": f"{date}T00:00:00Z"} for n, date in enumerate(dates)]
    worker.apply(*numbered(*reviews))
    assert points(store)[-1].metrics.last_30_days == 1
    worker.apply(*numbered(delete(3), start=4))
    assert points(store)[-1].metrics.last_30_days == 2


def test_an_event_that_changes_nothing_waits_for_the_unread_original_of_another_partition(store, worker):
    worker.apply(*numbered(review(1)))
    worker.apply(*numbered(review(1), partition=1))
    with store.read() as connection:
        held = connection.execute(sa.select(tables.timer_inputs.c.partition).order_by("partition")).scalars().all()
    assert held == [0, 1]


def test_deletions_during_a_rebuild_are_subtracted_from_the_shadow_and_queue_one_more(
    store, worker, clock, monkeypatch
):
    monkeypatch.setattr(rebuilding, "TAIL", 2)
    monkeypatch.setattr(rebuilding, "SLICE", 3)
    worker.apply(*numbered(*(marked(n) for n in range(12)), delete(0)))
    clock.now += QUIET_S
    (leased,) = worker.rebuilds._lease()
    (job,) = worker.rebuilding.prepare([leased])
    shadow = worker.rebuilding._open("p")
    worker.rebuilding._fold(shadow, 6)
    worker.apply(*numbered(delete(2), marked(3, revision=1, rating=5), delete(9), marked(13), start=13))
    assert (shadow.product.review_count, shadow.forgotten) == (5, 4)
    worker.rebuilds._conclude(leased, job, shadow)
    assert worker.counters.rebuilds == 1
    assert readings(store, "p")["p"].metrics == folded(store)["p"].metrics
    with store.read() as connection:
        assert leases.depth(connection) == 1
    worker.rest(clock)
    assert worker.counters.rebuilds == 2
    assert readings(store, "p") == folded(store)


def test_a_rebuild_starts_over_when_another_worker_forgot_something(store, second_store, worker, clock):
    other = Worker(second_store, clock)
    worker.apply(*numbered(*(marked(n) for n in range(5)), delete(0)))
    clock.now += QUIET_S
    (leased,) = worker.rebuilds._lease()
    shadow = worker.rebuilding._open("p")
    worker.rebuilding._fold(shadow, 2)
    other.apply(*numbered(delete(1), partition=1))
    worker.rebuilds._conclude(leased, worker.rebuilding.prepare([leased])[0], shadow)
    assert worker.counters.rebuilds == 0
    worker.rest(clock)
    assert readings(store, "p") == folded(store)
    assert ids(store) == ["r2", "r3", "r4"]


def test_a_hot_product_never_keeps_a_rebuild_from_ending(store, worker, clock, monkeypatch):
    monkeypatch.setattr(rebuilding, "TAIL", 2)
    monkeypatch.setattr(rebuilding, "SLICE", 2)
    worker.apply(*numbered(*(marked(n) for n in range(20)), delete(0)))
    clock.now += QUIET_S
    arrivals = iter(range(20, 26))
    fold = worker.rebuilding._fold

    def fold_while_others_arrive(shadow, limit):
        folded_now = fold(shadow, limit)
        for number in [n for n in [next(arrivals, None)] if n is not None]:
            worker.apply(*numbered(marked(number), delete(number - 15), start=21 + 2 * (number - 20)))
        return folded_now

    monkeypatch.setattr(worker.rebuilding, "_fold", fold_while_others_arrive)
    asyncio.run(worker.rebuilds._work(worker.rebuilds._lease()))
    assert worker.counters.rebuilds == 1
    worker.rest(clock)
    assert readings(store, "p") == folded(store)


def test_a_rebuild_that_lost_the_race_decides_again(store, second_store, worker, clock, monkeypatch):
    other = Worker(second_store, clock)
    worker.apply(*numbered(*(marked(n) for n in range(5)), delete(0)))
    clock.now += QUIET_S
    decide, late = worker.rebuilding.decide, iter([True])

    def decide_too_early(job, outcome):
        decided = decide(job, outcome)
        if next(late, False):
            other.apply(*numbered(marked(7), partition=1))
        return decided

    monkeypatch.setattr(worker.rebuilding, "decide", decide_too_early)
    worker.rest(clock)
    assert readings(store, "p") == folded(store)
    assert readings(store, "p")["p"].metrics.review_count == 5


def test_only_the_newest_forgotten_reviews_are_named(store, worker):
    count = FORGOTTEN_LIMIT + 3
    worker.apply(*numbered(review(99), *(one for n in range(count) for one in (review(n), delete(n)))))
    told = points(store)[-1].forgotten
    assert (told.count, len(told.newest), told.newest[-1]) == (count, FORGOTTEN_LIMIT, f"r{count - 1}")


def test_a_rebuild_holds_the_watermark_of_the_deletion_until_it_is_done(store, worker, clock):
    worker.apply(*numbered(*(marked(n) for n in range(4))))
    worker.apply(*numbered(delete(0), start=4))
    with store.write() as connection:
        outbox.remove(connection, [one.seq for one in queued(store, POINTS)])
        mark_before = read_watermarks(connection)[ZERO]
        assert make_due(connection, {ZERO: 5}, clock()) == 1
    assert (mark_before.offset, mark_before.held_by) == (4, "work")
    worker.rebuild()
    assert [one.cause for one in queued(store, POINTS)] == [Cause(*ZERO, 4)]


# Random histories. A step is a run of one partition's records, a pause, and perhaps a crash on the way.
change = st.one_of(
    st.builds(marked, st.integers(0, 6), st.sampled_from("pq"), st.integers(0, 3), st.sampled_from([1, 2, 5, None])),
    st.builds(delete, st.integers(0, 6), st.sampled_from("pq"), st.integers(0, 3)),
    st.just(b"{}"),
)
step = st.tuples(
    st.integers(0, 1),  # partition
    st.lists(change, min_size=1, max_size=6),
    st.sampled_from([0.0, QUIET_S, UNREAD_S]),
    st.sampled_from([None, None, *[name for name in CRASH_POINTS if "publish" not in name]]),
)


@dataclass
class Model:
    """What must stand: one record after the other, with nothing of ours but the words of the contract."""

    kept: dict[tuple[str, str], tuple[int, dict]] = field(default_factory=dict)  # (arrival, record)
    gone: dict[tuple[str, str], int] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    arrivals: int = 0

    def take(self, record: object) -> None:
        if not isinstance(record, dict):
            return
        key, revision = (record["product_id"], record["review_id"]), record["revision"]
        arrival, standing = self.kept.get(key, (None, {"revision": self.gone.get(key, -1)}))
        if record.get("op") == "delete":
            if revision > standing["revision"] or (arrival is not None and revision == standing["revision"]):
                self.kept.pop(key, None)
                self.gone[key] = revision
        elif revision > standing["revision"]:
            self.gone.pop(key, None)
            self.said.add(record["text"].split()[2])
            self.kept[key] = (self.arrivals if arrival is None else arrival, record)
            self.arrivals += arrival is None

    @property
    def standing(self) -> list[tuple[str, str, int, str]]:
        found = sorted((key[0], arrival, record) for key, (arrival, record) in self.kept.items())
        return [(product, one["review_id"], one["revision"], one["text"]) for product, _, one in found]

    @property
    def unsaid(self) -> Iterator[str]:
        return iter(self.said - {record["text"].split()[2] for _, record in self.kept.values()})


def attempt(worker: Worker, crash: CrashAt, clock: Clock, action) -> Worker:
    """Do something; when the process dies on the way, another one does it again."""
    try:
        action(worker)
        return worker
    except Killed:
        again = Worker(worker.store, clock, crash=crash)
        action(again)
        return again


def live(store: Store, clock: Clock, history: Sequence[tuple], model: Model) -> Worker:
    offsets, crash = [0, 0], CrashAt(None)
    worker = Worker(prepare(store), clock, 1, crash=crash)
    for partition, values, pause_s, dies_at in history:
        records = numbered(*values, partition=partition, start=offsets[partition])
        offsets[partition] += len(records)
        crash.name = dies_at
        worker = attempt(worker, crash, clock, lambda one, records=records: one.apply(*records))
        for value in values:
            model.take(value)
        shown = {one.product_id: msgspec.json.encode(one) for one in points(store)}
        assert not [word for word in model.unsaid if any(word.encode() in value for value in shown.values())]
        clock.now += pause_s
        worker = attempt(worker, crash, clock, Worker.ring)
        worker = attempt(worker, crash, clock, Worker.rebuild)
    crash.name = None
    worker.rest(clock)
    return worker


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(st.lists(step, max_size=12), st.integers(1, 4))
def test_at_rest_everything_is_as_if_the_forgotten_had_never_been_seen(history, slice_size):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(rebuilding, "SLICE", slice_size)
        patched.setattr(rebuilding, "TAIL", slice_size)
        store = open_store(StorePlace("digest", Path(folder)), Waits())
        clock, model = Clock(START_S), Model()
        worker = live(store, clock, history, model)
        kept = [(row[0], row[1], row[3], msgspec.json.decode(row[4])["text"]) for row in rows(store)]
        assert kept == model.standing
        assert readings(store, "p", "q") == folded(store)
        expected = refolded(store)
        for product_id, product in loaded(store, "p", "q").items():
            if product_id in expected:
                expected[product_id].mark_read()
                same = expected[product_id].dump()
                assert product.dump() == same
        newest: dict[str, Points] = {one.product_id: one for one in points(store)}
        assert {key: reading_of(one) for key, one in newest.items() if one.op == "upsert"} == folded(store)
        assert {key for key, one in newest.items() if one.op == "delete"}.isdisjoint(expected)
        left = everything(store)
        assert not [word for word in model.unsaid if word.encode() in left]
        assert pending(store) == 0
        worker.store.close()


def test_what_is_read_does_not_depend_on_whether_the_state_was_kept_in_memory(store, worker, clock):
    worker.apply(*numbered(*(marked(n) for n in range(8)), delete(3), marked(4, revision=1)))
    assert loaded(store, "p")["p"].dump() == worker.products.load(["p"])["p"].product.dump()
    assert loaded(store, "p")["p"].read(encode) == reading_of(points(store)[-1])
    assert ONE != ZERO
