import msgspec
import pytest
import sqlalchemy as sa

from infra import fences, ledger, outbox
from infra.headers import unpack
from infra.ledger import Entry
from infra.outbox import Cause
from infra.rows.summary_rows import SummaryRow, load_summaries, put_summary
from infra.watermarks import read_watermarks
from schemas.points import FORGOTTEN_LIMIT, Points, Reading
from schemas.summaries import Summary, WriterStamp
from schemas.tables import ledger as ledger_table
from schemas.tables import outbox as outbox_table
from schemas.tables import summaries, work, work_inputs
from streams.events import read_events
from streams.summarize import FORGOTTEN, REFRESH, Pace, SummarizeHandler
from streams.summary_records import TextBasis, make_row, reading_of, retext, wanted_of
from tests.processors.readings import band, point, reading
from tests.streams.fakes import (
    POINTS,
    START_S,
    SUMMARIES,
    Clock,
    after_forgetting,
    applier,
    points_of,
    quoted,
    raw,
    run,
)

HERE = (POINTS, 0)
DEBOUNCE_S, QUIET_S, DEADLINE_S = 2.0, 5.0, 30.0
SMALL = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
SMALL_AGAIN = reading(positive=band(7, [point("Battery lasts long", 3, 7)]))
LARGE = reading(positive=band(20, [point("Straps are soft", 9, 20), point("Colour stays bright", 8, 20)]))
LARGER = reading(positive=band(21, [point("Straps are soft", 9, 21), point("Colour stays bright", 8, 21)]))
OTHER = reading(positive=band(20, [point("Zipper is smooth", 9, 20), point("Hem holds well", 8, 20)]))
STAMP = WriterStamp(engine="e", model="m", prompt_version="v", ledger_key="k")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(store, clock):
    """Make a worker's applier, for a writer that is cheap or is not."""
    with store.write() as connection:
        fences.create(connection, HERE, 0, "cluster", "topic")

    def applied(*, refreshes: bool = False):
        pace = Pace(DEBOUNCE_S, QUIET_S, DEADLINE_S, refreshes)
        return applier(SummarizeHandler(store, topic=SUMMARIES, pace=pace, now=clock), store)

    return applied


def records(*points: Points, start: int = 0, **changed):
    return run(*(raw(start + n, one, topic=POINTS, **changed) for n, one in enumerate(points)))


def shown(store) -> list[tuple[Summary, Cause]]:
    with store.read() as connection:
        found = outbox.oldest(connection, [HERE], 100)
    return [(msgspec.json.decode(one.output.value, type=Summary), one.cause) for one in found]


def tasks(store) -> list[tuple]:
    columns = (work.c.key, work.c.revision, work.c.reason, work.c.not_before, work.c.deadline)
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns))]


def write_text(store, written_from: Reading, text: str = "A text.", forgotten: int = 0) -> None:
    """Give the product a text, as the work service would, and clear its work."""
    with store.write() as connection:
        row = load_summaries(connection, ["p"])["p"]
        summary = retext(msgspec.json.decode(row.record, type=Summary), text, STAMP, None, START_S)
        basis = TextBasis(written_from, forgotten)
        put_summary(connection, make_row(summary, row.points_revision, row.points, basis), row.revision)
        for table in (work, work_inputs, outbox_table):
            connection.execute(table.delete())


def test_points_are_shown_at_once_beside_no_text_and_the_first_text_is_due_now(store, make):
    make().apply(records(points_of(SMALL)))
    ((summary, cause),) = shown(store)
    assert (summary.product_id, summary.revision, summary.text, summary.text_revision) == ("p", 1, None, None)
    assert (summary.bands, summary.metrics, summary.writer) == (SMALL.bands, SMALL.metrics, None)
    assert summary.sources == {"reviews": {"0": 1}, "points": {"0": 1}}
    assert cause == Cause(*HERE, 0)
    assert tasks(store) == [("p", 1, "first text", START_S, START_S + DEADLINE_S)]


def test_with_a_cheap_writer_the_first_summary_waits_for_its_text_and_holds_its_watermark(store, make):
    make(refreshes=True).apply(records(points_of(SMALL)))
    assert shown(store) == []
    assert len(tasks(store)) == 1
    with store.read() as connection:
        assert read_watermarks(connection)[HERE].offset == 0


def test_of_several_points_in_one_run_the_newest_revision_is_shown_and_owed_to_the_oldest_offset(store, make):
    make().apply(records(points_of(SMALL, 2), points_of(LARGE, 4), points_of(SMALL_AGAIN, 3)))
    ((summary, cause),) = shown(store)
    assert (reading_of(points_of(LARGE)).bands, cause) == (summary.bands, Cause(*HERE, 0))
    assert tasks(store)[0][1] == 4


def test_points_that_are_not_newer_than_what_stands_change_nothing(store, make):
    it = make()
    it.apply(records(points_of(LARGE, 4)))
    it.apply(records(points_of(SMALL, 3), points_of(SMALL, 4), start=1))
    assert len(shown(store)) == 1
    with store.read() as connection:
        assert load_summaries(connection, ["p"])["p"].points_revision == 4


def test_an_immaterial_change_is_shown_beside_the_standing_text_and_writes_nothing(store, make):
    it = make()
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(SMALL_AGAIN, 2), start=1))
    ((summary, _),) = shown(store)
    assert (summary.revision, summary.text, summary.text_revision, summary.writer) == (3, "A text.", 2, STAMP)
    assert summary.metrics.review_count == 7
    assert tasks(store) == []


def test_a_material_change_is_written_after_a_pause(store, make, clock):
    it = make()
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    clock.now += 100
    it.apply(records(points_of(LARGE, 2), start=1))
    assert tasks(store) == [("p", 2, "new points", clock.now + DEBOUNCE_S, clock.now + DEADLINE_S)]
    clock.now += DEADLINE_S - 1
    it.apply(records(points_of(LARGE, 3), start=2))  # the text that is wanted already fits it
    assert tasks(store)[0][1] == 2
    it.apply(records(points_of(OTHER, 4), start=3))
    assert tasks(store)[0][1:] == (4, "new points", clock.now + 1, clock.now + 1)


def test_a_cheap_text_is_refreshed_when_the_product_falls_quiet(store, make, clock):
    it = make(refreshes=True)
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(SMALL_AGAIN, 2), start=1))
    assert tasks(store) == [("p", 2, REFRESH, clock.now + QUIET_S, clock.now + DEADLINE_S)]


def test_a_cheap_text_of_the_same_reading_is_not_refreshed(store, make):
    it = make(refreshes=True)
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(SMALL, 2), start=1))
    assert tasks(store) == []
    assert len(shown(store)) == 1


def test_a_cheap_text_that_is_wanted_for_a_material_change_stays_wanted_for_it_when_less_comes(store, make, clock):
    it = make(refreshes=True)
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(LARGE, 2), start=1))
    it.apply(records(points_of(LARGER, 3), start=2))
    assert tasks(store) == [("p", 3, "new points", clock.now + DEBOUNCE_S, clock.now + DEADLINE_S)]


def test_points_that_say_nothing_new_before_the_first_cheap_text_are_shown_and_hold_nothing_back(store, make):
    it = make(refreshes=True)
    it.apply(records(points_of(SMALL)))
    it.apply(records(points_of(SMALL, 2), start=1))
    ((summary, cause),) = shown(store)
    assert (summary.text, cause) == (None, Cause(*HERE, 1))
    assert tasks(store)[0][1] == 1


def test_of_several_points_in_one_run_each_is_held_to_what_was_wanted_before_it(store, make):
    make().apply(records(points_of(SMALL), points_of(LARGE, 2), points_of(LARGER, 3)))
    wanted = wanted_of(standing(store))
    assert (wanted.reading, wanted.points_revision, wanted.shown_revision) == (LARGE, 2, 1)
    assert tasks(store)[0][1:3] == (2, "new points")


def test_a_text_that_is_wanted_and_cites_a_forgotten_review_gives_way_to_what_stands(store, make):
    it = make()
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(quoted("r1", "r2"), 2), start=1))
    it.apply(records(after_forgetting(quoted("r2"), 3, "r1"), start=2))
    row = standing(store)
    assert (wanted_of(row).reading, wanted_of(row).forgotten) == (quoted("r2"), 1)
    assert b'"r1"' not in row.wanted
    assert (shown(store)[-1][0].text, tasks(store)[0][1:3]) == ("A text.", (3, FORGOTTEN))


def test_a_row_changed_by_another_worker_is_read_again(store, second_store, make, clock):
    it = make()
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(LARGE, 2), start=1))
    revisions = [summary.revision for summary, _ in shown(store)]
    assert revisions == [3]


def test_points_that_no_column_can_hold_become_dead_letters(store, make):
    fields = msgspec.to_builtins(points_of(SMALL))
    it = make()
    it.apply(run(raw(0, fields | {"revision": 2**63}, topic=POINTS), raw(1, fields | {"bands": {}}, topic=POINTS)))
    assert it._progress.counters.dead_letters == 2


@pytest.mark.parametrize("refreshes", [False, True])
def test_the_trace_of_the_points_goes_on_with_the_summary(store, make, refreshes):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(LARGE, 2), start=1, headers=(("traceparent", b"00-a-b-01"),)))
    with store.read() as connection:
        (one,) = outbox.oldest(connection, [HERE], 10)
    assert one.output.headers["traceparent"] == b"00-a-b-01"
    assert one.output.headers["ce_id"] == b"summary:p@3"


def standing(store) -> SummaryRow:
    with store.read() as connection:
        return load_summaries(connection, ["p"])["p"]


def pay(store, *subjects: str) -> None:
    with store.write() as connection:
        for subject in subjects:
            ledger.settle(connection, Entry(f"key of {subject}", "e", "m", "v", "a text", 1, 1, 1.0, START_S, subject))


def paid(store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.scalars(sa.select(ledger_table.c.subject)))


@pytest.mark.parametrize("refreshes", [False, True])
def test_a_text_that_cites_a_forgotten_review_is_withdrawn_and_written_again_at_once(store, make, clock, refreshes):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(quoted("r1", "r2"))))
    write_text(store, quoted("r1", "r2"))
    clock.now += 100
    it.apply(records(after_forgetting(quoted("r2"), 2, "r1"), start=1))
    ((summary, cause),) = shown(store)
    assert (summary.text, summary.text_revision, summary.writer, summary.op) == (None, None, None, "upsert")
    assert (summary.revision, summary.bands, cause) == (3, quoted("r2").bands, Cause(*HERE, 1))
    row = standing(store)
    assert (row.text_points, row.text_forgotten) == (None, None)
    assert not [value for value in (row.points, row.record) if b"r1" in value.replace(b'"newest":["r1"]', b"")]
    assert tasks(store) == [("p", 2, FORGOTTEN, clock.now, clock.now + DEADLINE_S)]


@pytest.mark.parametrize(("refreshes", "reasons"), [(False, []), (True, [REFRESH])])
def test_a_text_that_does_not_cite_what_is_gone_stands_until_it_is_refreshed(store, make, refreshes, reasons):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(quoted("r1"))))
    write_text(store, quoted("r1"))
    it.apply(records(after_forgetting(quoted("r1", of=5), 2, "r9"), start=1))
    ((summary, _),) = shown(store)
    assert (summary.text, summary.text_revision, summary.metrics.review_count) == ("A text.", 2, 5)
    assert standing(store).text_points == msgspec.json.encode(quoted("r1"))
    assert [reason for _, _, reason, _, _ in tasks(store)] == reasons


def test_a_text_that_was_written_after_a_review_was_edited_may_cite_it(store, make):
    it = make()
    it.apply(records(after_forgetting(quoted("r1"), 1, "r1")))
    write_text(store, quoted("r1"), forgotten=1)
    it.apply(records(after_forgetting(quoted("r1"), 2, "r1", "r9"), start=1))
    assert shown(store)[-1][0].text == "A text."
    it.apply(records(after_forgetting(quoted("r1"), 3, "r1", "r9", "r1"), start=2))
    assert shown(store)[-1][0].text is None


@pytest.mark.parametrize("count", [FORGOTTEN_LIMIT + 1, 0])
def test_a_text_is_withdrawn_when_what_it_cites_may_be_gone(store, make, count):
    it = make()
    it.apply(records(points_of(quoted("r1"))))
    write_text(store, quoted("r1"), forgotten=0 if count else 1)
    gone = [f"other{number}" for number in range(count)]
    it.apply(records(after_forgetting(quoted("r1"), 2, *gone), start=1))
    assert shown(store)[-1][0].text is None
    assert [reason for _, _, reason, _, _ in tasks(store)] == [FORGOTTEN]


def test_a_text_of_an_earlier_release_was_written_before_anything_was_forgotten(store, make):
    it = make()
    it.apply(records(points_of(quoted("r1", "r2"))))
    write_text(store, quoted("r1", "r2"))
    fields = msgspec.to_builtins(points_of(quoted("r1", "r2")))
    del fields["forgotten"]
    with store.write() as connection:
        connection.execute(summaries.update().values(text_forgotten=None, points=msgspec.json.encode(fields)))
    it.apply(records(after_forgetting(quoted("r1", "r2"), 2, "r9"), start=1))
    assert shown(store)[-1][0].text == "A text."
    it.apply(records(after_forgetting(quoted("r2"), 3, "r9", "r1"), start=2))
    assert shown(store)[-1][0].text is None


def test_what_was_paid_for_a_product_that_forgets_is_forgotten_and_for_others_kept(store, make):
    it = make()
    it.apply(records(points_of(SMALL), points_of(SMALL, product_id="q")))
    pay(store, "p", "q")
    it.apply(records(points_of(LARGE, 2), points_of(LARGE, 2, product_id="q"), start=2))
    assert paid(store) == ["p", "q"]
    it.apply(records(after_forgetting(SMALL, 3, "r1"), start=4))
    assert paid(store) == ["q"]


@pytest.mark.parametrize("refreshes", [False, True])
def test_what_waits_to_be_published_holds_nothing_that_is_gone(store, make, refreshes):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(SMALL)))
    write_text(store, SMALL)
    it.apply(records(points_of(quoted("r1", "r2"), 2), points_of(SMALL, product_id="q"), start=1))
    it.apply(records(after_forgetting(quoted("r2"), 3, "r1"), start=3))
    of_p = [(summary, cause) for summary, cause in shown(store) if summary.product_id == "p"]
    assert [cause.offset for _, cause in of_p] == [1, 3]
    assert of_p[0][0] == of_p[1][0]
    assert of_p[0][0].bands == quoted("r2").bands


def test_with_a_cheap_writer_what_forgets_is_published_at_once_even_without_a_text(store, make):
    it = make(refreshes=True)
    it.apply(records(points_of(quoted("r1"))))
    it.apply(records(after_forgetting(quoted("r2"), 2, "r1"), start=1))
    ((summary, _),) = shown(store)
    assert (summary.text, summary.bands) == (None, quoted("r2").bands)


@pytest.mark.parametrize("refreshes", [False, True])
def test_a_product_without_reviews_is_published_as_deleted_and_nothing_of_it_is_worked_on(store, make, refreshes):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(quoted("r1"))))
    write_text(store, quoted("r1"))
    pay(store, "p")
    it.apply(records(points_of(LARGE, 2), start=1))
    it.apply(records(after_forgetting(reading(), 3, "r1", op="delete"), start=2))
    summary, _ = shown(store)[-1]
    assert (summary.op, summary.text, summary.writer, summary.revision) == ("delete", None, None, 4)
    assert (summary.bands, summary.metrics.review_count) == (reading().bands, 0)
    assert (tasks(store), paid(store)) == ([], [])
    row = standing(store)
    assert (row.text_points, row.text_forgotten, row.review_count, row.points_revision) == (None, None, 0, 3)


def test_a_product_that_was_never_shown_may_end_and_is_published_as_deleted(store, make):
    make(refreshes=True).apply(records(after_forgetting(SMALL, 7, "r1", op="delete")))
    ((summary, _),) = shown(store)
    assert (summary.op, summary.revision, summary.bands) == ("delete", 1, SMALL.bands)
    assert (tasks(store), standing(store).review_count) == ([], 0)


def test_the_end_of_a_product_is_owed_to_every_partition_whose_work_it_cancels(store, make):
    with store.write() as connection:
        fences.create(connection, (POINTS, 1), 0, "cluster", "topic")
    it = make(refreshes=True)
    it.apply(run(raw(0, points_of(quoted("r1")), topic=POINTS, partition=1)))
    it.apply(records(after_forgetting(reading(), 2, "r1", op="delete")))
    with store.read() as connection:
        waiting = outbox.oldest(connection, [HERE, (POINTS, 1)], 10)
    assert {one.cause for one in waiting} == {Cause(*HERE, 0), Cause(POINTS, 1, 0)}
    assert len(waiting) == 2
    assert len({one.output.value for one in waiting}) == 1


@pytest.mark.parametrize("refreshes", [False, True])
def test_a_product_that_comes_back_is_shown_like_a_new_one_with_growing_revisions(store, make, clock, refreshes):
    it = make(refreshes=refreshes)
    it.apply(records(points_of(quoted("r1"))))
    write_text(store, quoted("r1"))
    it.apply(records(after_forgetting(reading(), 2, "r1", op="delete"), start=1))
    it.apply(records(after_forgetting(quoted("r5"), 3, "r1"), start=2))
    last, _ = shown(store)[-1]
    assert (last.op, last.revision) == (("delete", 3) if refreshes else ("upsert", 4))  # a cheap text is waited for
    assert standing(store).revision == 4
    assert tasks(store) == [("p", 3, "first text", clock.now, clock.now + DEADLINE_S)]


def test_work_carries_the_trace_of_the_points_it_is_for(store, make):
    it = make(refreshes=True)
    it.apply(records(points_of(SMALL), headers=(("traceparent", b"00-a-b-01"), ("other", b"x"))))
    with store.read() as connection:
        (row,) = connection.execute(sa.select(work.c.trace))
    assert unpack(row.trace) == {"traceparent": b"00-a-b-01"}


def test_points_that_contradict_themselves_become_dead_letters_that_name_the_field(store, make):
    sound = points_of(SMALL, 2)
    hostile = points_of(reading(positive=band(0, [point("Battery lasts long", 3, 6)])), 3)
    it = make()
    decision = it._handler.decide(read_events(records(sound, hostile).records, Points)[0], 2)
    (rejection,) = decision.rejections
    assert rejection.problem.field == "bands.positive.points[0].review_count"
    assert rejection.problem.error == "bands.positive.points[0].review_count: 3 is not between 1 and 0"
    it.apply(records(sound, hostile))
    assert it._progress.counters.dead_letters == 1
    assert standing(store).points_revision == 2
