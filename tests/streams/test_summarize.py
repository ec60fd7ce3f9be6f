import msgspec
import pytest
import sqlalchemy as sa

from infra import fences, outbox
from infra.outbox import Cause
from infra.summary_rows import load_summaries
from infra.watermarks import read_watermarks
from schemas.points import Points, Reading
from schemas.summaries import Summary, WriterStamp
from schemas.tables import work
from streams.summarize import REFRESH, Pace, SummarizeHandler, reading_of, retext
from tests.processors.readings import band, point, reading
from tests.streams.fakes import POINTS, START_S, SUMMARIES, Clock, applier, points_of, raw, run

HERE = (POINTS, 0)
DEBOUNCE_S, QUIET_S, DEADLINE_S = 2.0, 5.0, 30.0
SMALL = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
SMALL_AGAIN = reading(positive=band(7, [point("Battery lasts long", 3, 7)]))
LARGE = reading(positive=band(20, [point("Straps are soft", 9, 20), point("Colour stays bright", 8, 20)]))
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


def write_text(store, written_from: Reading, text: str = "A text.") -> None:
    """Give the product a text, as the work service would, and clear its work."""
    with store.write() as connection:
        row = load_summaries(connection, ["p"])["p"]
        summary = retext(msgspec.json.decode(row.record, type=Summary), text, STAMP, None, START_S)
        values = {"record": msgspec.json.encode(summary), "text_points": msgspec.json.encode(written_from)}
        connection.exec_driver_sql("DELETE FROM work")
        connection.exec_driver_sql("DELETE FROM work_inputs")
        connection.exec_driver_sql("DELETE FROM outbox")
        connection.exec_driver_sql(
            "UPDATE summaries SET revision = ?, record = ?, text_points = ?",
            (summary.revision, values["record"], values["text_points"]),
        )


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
    it.apply(records(points_of(LARGE, 3), start=2))
    assert tasks(store)[0][1:] == (3, "new points", clock.now + 1, clock.now + 1)


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
