import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from infra import outbox, timers
from infra.database import Store, Waits, open_store
from infra.outbox import Cause
from infra.places import StorePlace
from infra.watermarks import read_watermarks
from streams.digest import READING
from streams.summarize import reading_of
from tests.processors import fake_encoder
from tests.processors.fake_encoder import INVENTED
from tests.streams.digest_worker import (
    ONE,
    QUIET_S,
    ZERO,
    Worker,
    folded,
    ids,
    letters,
    points,
    prepare,
    queued,
    readings,
    rows,
)
from tests.streams.fakes import POINTS, START_S, Clock, Raw, raw, review


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def worker(store, clock):
    return Worker(prepare(store), clock)


def varied(number: int) -> dict:
    """A review that no other is like."""
    word = INVENTED[number % len(INVENTED)]
    return review(number, text=f"The {word} of number {number} is rather good.", rating=1 + number % 5)


def marks(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        found = read_watermarks(connection)
    return found[ZERO].offset, found[ONE].offset


def test_a_review_is_kept_and_its_points_wait_until_the_product_is_quiet(store, worker, clock):
    worker.apply(raw(0, review(1)))
    assert (ids(store), points(store), marks(store)) == (["r1"], [], (0, 0))
    clock.now += QUIET_S - 0.1
    worker.ring()
    assert points(store) == []
    clock.now += 0.1
    worker.ring()
    (read,) = points(store)
    assert (read.product_id, read.revision, read.review_count, read.op) == ("p", 1, 1, "upsert")
    assert read.sources == {"reviews": {"0": 1}}
    assert reading_of(read) == readings(store, "p")["p"]


def test_points_of_a_busy_product_are_read_at_the_latest_after_the_unread_time(store, worker, clock):
    worker.apply(*(raw(n, review(n)) for n in range(100)))
    for step in range(15):  # too few to be a fifth more, too often to be quiet
        worker.apply(raw(100 + step, review(100 + step)))
        clock.now += 2
        assert len(points(store)) == 1
        worker.ring()
    assert [one.review_count for one in points(store)] == [100, 115]


def test_points_are_read_at_once_when_a_band_grew_by_a_fifth(store, worker):
    worker.apply(raw(0, review(1)), raw(1, review(2)))
    (read,) = points(store)
    assert (read.review_count, read.bands.negative.review_count) == (2, 2)
    (waiting,) = queued(store, POINTS)
    assert (waiting.output.key, waiting.cause) == (b"p", Cause(*ZERO, 0))
    assert waiting.output.headers["ce_id"] == b"points:p@1"
    assert waiting.output.headers["ce_type"] == b"millrace.points.v1"
    with store.read() as connection:
        assert timers.depth(connection) == 0


def test_the_trace_of_the_newest_review_goes_on_with_the_points(store, worker):
    headers = (("traceparent", b"00-aa-bb-01"),)
    worker.apply(raw(0, review(1)), raw(1, review(2), headers=headers))
    assert queued(store, POINTS)[0].output.headers["traceparent"] == b"00-aa-bb-01"


def test_a_review_that_comes_again_changes_nothing_in_the_run_in_a_later_run_or_from_another_partition(store, worker):
    worker.apply(raw(0, review(1)), raw(1, review(1, text="Another text for it.")))
    before = readings(store, "p")
    worker.apply(raw(2, review(1)))
    worker.apply(raw(0, review(1), partition=1))
    assert (ids(store), readings(store, "p"), letters(store)) == (["r1"], before, [])


def test_the_same_review_id_of_another_product_is_another_review(store, worker):
    worker.apply(raw(0, review(1)), raw(1, review(1, "q")))
    assert [(row[0], row[1], row[2]) for row in rows(store)] == [("p", "r1", 0), ("q", "r1", 0)]


@pytest.mark.parametrize(
    "created_at",
    ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2024-06-02T00:00:01Z", "9999-12-31T23:59:59-14:00"],
)
def test_a_date_before_1970_or_a_day_ahead_of_its_record_is_a_dead_letter(store, worker, created_at):
    worker.apply(raw(0, review(1, created_at=created_at)), raw(1, review(2)))
    assert letters(store) == [(0, 0, "date_out_of_range", "created_at")]
    assert ids(store) == ["r2"]


@pytest.mark.parametrize("created_at", ["1970-01-01T00:00:00Z", "2024-06-02T00:00:00Z", "2024-06-02T14:00:00+14:00"])
def test_a_date_within_the_limits_is_the_reviews_own(store, worker, created_at):
    worker.apply(raw(0, review(1, created_at=created_at)))
    assert (letters(store), rows(store)[0][5]) == ([], datetime.fromisoformat(created_at).timestamp())


def test_the_last_timestamp_that_kafka_may_bring_is_survived(store, worker):
    latest = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)
    worker.apply(
        raw(0, review(1, created_at="9998-01-01T00:00:00Z"), timestamp=latest), raw(1, review(2), timestamp=latest)
    )
    assert (letters(store), ids(store)) == ([], ["r1", "r2"])


def test_a_missing_date_is_kafkas_time_and_never_the_clock(store, worker, clock):
    clock.now += 1_000_000
    worker.apply(raw(0, review(1), timestamp=int(START_S * 1000) + 1500))
    assert rows(store)[0][5] == START_S + 1.5


@pytest.mark.parametrize("text", ["", "👍👍👍", "ok", "Is it waterproof?", "a\x00b", "まあまあです。"])
def test_a_review_without_a_claim_counts_all_the_same(store, worker, text):
    worker.apply(raw(0, review(1, text=text)))
    assert readings(store, "p")["p"].metrics.review_count == 1


def test_a_run_of_nothing_but_unreadable_records_passes(store, worker):
    worker.apply(raw(0, b"{"), raw(1))
    assert (len(letters(store)), marks(store)) == (2, (0, 0))


def test_revisions_go_on_after_a_restart(store, worker, clock):
    for start in (0, 2, 4):
        Worker(store, clock).apply(raw(start, review(start)), raw(start + 1, review(start + 1)))
    assert [(one.revision, one.review_count) for one in points(store)] == [(1, 2), (2, 4), (3, 6)]
    assert points(store)[2].sources == {"reviews": {"0": 6}}


def test_points_owed_to_several_partitions_are_queued_for_each_so_that_every_watermark_waits(store, worker, clock):
    worker.apply(raw(0, review(1)), raw(1, review(9, "q")))
    clock.now += 1
    worker.apply(raw(0, review(2), partition=1))
    found = queued(store, POINTS)
    assert [(one.output.key, one.cause) for one in found] == [(b"p", Cause(*ZERO, 0)), (b"p", Cause(*ONE, 0))]
    assert found[0].output == found[1].output
    assert points(store)[0].sources == {"reviews": {"0": 2, "1": 1}}
    assert marks(store) == (0, 0)
    with store.write() as connection:
        outbox.remove(connection, [found[1].seq])
    assert marks(store) == (0, 1)
    with store.write() as connection:
        outbox.remove(connection, [found[0].seq])
    assert marks(store) == (1, 1)  # the review of q still waits to be read


def test_every_event_holds_its_watermark_until_points_that_contain_it_are_published(store, worker, clock):
    worker.apply(*(raw(n, review(n, f"p{n}")) for n in range(3)))
    clock.now += QUIET_S
    worker.ring()
    for offset, waiting in enumerate(queued(store, POINTS)):
        assert marks(store)[0] == offset
        with store.write() as connection:
            outbox.remove(connection, [waiting.seq])
    assert marks(store)[0] == 3


def test_a_timer_of_a_product_that_was_read_meanwhile_makes_nothing_new(store, worker, clock):
    worker.apply(raw(0, review(1)))
    due = timers.Timer(READING, "p", clock.now + QUIET_S, (Cause(*ZERO, 0),))
    worker.apply(raw(1, review(2)))
    decision = worker.handler.ring([due])
    assert (decision.outputs, decision.products) == ([], [])


def test_two_workers_on_one_store_count_every_review_once(store, second_store, clock):
    first, second = Worker(prepare(store), clock), Worker(second_store, clock)
    for step in range(6):
        worker = (first, second)[step % 2]
        other = varied(step - 1) if step else varied(50)
        worker.apply(*(raw(step // 2 * 2 + n, one, partition=step % 2) for n, one in enumerate((varied(step), other))))
        clock.now += QUIET_S * (step % 3)
        (second, first)[step % 2].ring()
    assert sorted(ids(store)) == sorted(["r50", *(f"r{n}" for n in range(6))])
    assert [row[2] for row in rows(store)] == list(range(7))
    assert first.applier._progress.counters.moved + second.applier._progress.counters.moved > 0
    assert readings(store, "p") == folded(store)
    revisions = [one.revision for one in points(store)]
    assert revisions == sorted(revisions)


def test_a_decision_that_came_too_late_leaves_no_trace_in_memory(store, second_store, clock):
    ours, theirs = Worker(prepare(store), clock), Worker(second_store, clock)
    ours.apply(raw(0, varied(1)))
    theirs.apply(raw(0, varied(2), partition=1))
    ours.apply(raw(1, varied(3)))
    assert readings(store, "p") == folded(store)
    assert ours.products._cache["p"].product.read(fake_encoder.encode) == folded(store)["p"]
    assert ids(store) == ["r1", "r2", "r3"]


# What stands at rest, whatever the runs were: texts of invented words, so that clusters form.
ASPECTS = INVENTED[:6]
record = st.one_of(
    st.builds(
        lambda number, product, aspect, word, rating: review(
            number,
            product,
            f"The {aspect} of it is {word}. Its {word} {aspect} surprised everyone here.",
            rating=rating,
        ),
        st.integers(0, 12),
        st.sampled_from("pq"),
        st.sampled_from(ASPECTS),
        st.sampled_from(["great", "awful", "dangerous", "overpriced", "fine"]),
        st.sampled_from([1, 2, 3, 4, 5, None]),
    ),
    st.builds(lambda number, revision: review(number, revision=revision), st.integers(0, 12), st.integers(0, 2)),
    st.builds(lambda number: {"review_id": f"r{number}", "product_id": "p", "op": "delete"}, st.integers(0, 12)),
    st.sampled_from([b"\xff", b"{}", None]),
)
history = st.lists(st.tuples(st.integers(0, 1), record), max_size=18)
cuts = st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 40)), min_size=1, max_size=12)


def records_of(events: Sequence[tuple[int, object]]) -> list[Raw]:
    offsets = [0, 0]
    records = []
    for number, (partition, value) in enumerate(events):
        at = int((START_S + number) * 1000)
        records.append(raw(offsets[partition], value, partition=partition, timestamp=at))
        offsets[partition] += 1
    return records


def at_rest(records: Sequence[Raw], plan: Sequence[tuple[int, bool, int]], cached_products: int) -> tuple:
    """Apply a history in runs as planned: (size, restart after it, seconds until the next), over and over."""
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(open_store(StorePlace("digest", Path(folder)), Waits()))
        clock = Clock()
        worker = Worker(store, clock, cached_products)
        taken, step = 0, 0
        while taken < len(records):
            size, restart, pause_s = plan[step % len(plan)]
            partition = records[taken].partition
            group = records[taken : taken + size]
            ours = next((n for n, one in enumerate(group) if one.partition != partition), len(group))
            worker.apply(*group[:ours])
            if restart:
                worker = Worker(store, clock, cached_products)
            clock.now += pause_s
            worker.ring()
            taken, step = taken + ours, step + 1
        worker.rest(clock)
        newest = {one.product_id: reading_of(one) for one in points(store)}
        newest = {product_id: reading for product_id, reading in newest.items() if reading.metrics.review_count}
        assert newest == folded(store)
        assert readings(store, "p", "q") == folded(store)
        with store.read() as connection:
            assert timers.depth(connection) == 0
        kept = [row[:6] for row in rows(store)]  # a trace tells of the state it was folded into
        result = kept, newest, letters(store)
        store.close()
        return result


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(history, cuts, st.sampled_from([1, 100]))
def test_runs_restarts_readings_and_memory_never_change_what_stands_at_rest(events, plan, cached_products):
    records = records_of(events)
    assert at_rest(records, plan, cached_products) == at_rest(records, [(1, True, 0)], 100)
