import pytest
from msgspec.json import encode

from infra import ledger
from infra.fences import Moved
from infra.leases import Leased
from infra.ledger import Entry
from infra.outbox import Cause
from infra.summary_rows import load_summaries, put_summary
from models.ports import WriteFailure, Written
from processors.texts.ledger import canonical_input, ledger_key
from schemas.heartbeats import Counters
from streams.summarize import REFRESH, WRITING, make_row, show
from streams.work import Failed
from streams.writing import Writing
from tests.processors.readings import band, point, reading
from tests.streams.fakes import POINTS, START_S, SUMMARIES, Clock, FakeWriter, points_of

READING = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))


@pytest.fixture
async def writer():
    return FakeWriter()


@pytest.fixture
async def writing(store, writer):
    points = points_of(READING)
    with store.write() as connection:
        put_summary(connection, make_row(show(points, {}, None, START_S), 1, encode(points), None), 0)
    fallback = FakeWriter(engine="fallback")
    return Writing(store, writer, fallback, topic=SUMMARIES, counters=Counters(), now=Clock())


def leased(reason: str = "first text") -> Leased:
    return Leased(WRITING, "p", 1, reason, 1, (Cause(POINTS, 0, 0),))


def test_the_work_it_does_is_the_work_that_is_recorded(writing):
    assert writing.kind == WRITING


async def test_a_call_is_named_by_everything_that_decides_its_output(writing, writer):
    (job,) = writing.prepare([leased()])
    assert (job.request.reading, job.points_revision, job.shown_revision, job.paid) == (READING, 1, 1, None)
    assert job.ledger_key == ledger_key("fake", "m1", "v1", "{}", canonical_input(READING))
    for name in ("engine", "model", "prompt_version", "parameters"):
        standing = getattr(writer, name)
        setattr(writer, name, "other")
        assert writing.prepare([leased()])[0].ledger_key != job.ledger_key
        setattr(writer, name, standing)


async def test_results_come_back_in_the_order_of_the_work(writing, writer, store):
    writer.answers = [WriteFailure("429", True, 7.0), Written("second")]
    other = points_of(reading(negative=band(9, [point("Zipper breaks", 7, 9)])), product_id="q")
    with store.write() as connection:
        put_summary(connection, make_row(show(other, {}, None, START_S), 1, encode(other), None), 0)
    jobs = writing.prepare([leased(), Leased(WRITING, "q", 1, REFRESH, 1, ())])
    failed, entry = await writing.call(jobs)
    assert failed == Failed("429", 7.0)
    assert (entry.output, entry.ledger_key) == ("second", jobs[1].ledger_key)
    counters = writing._counters
    assert (counters.writer_calls, counters.writer_failures, counters.refreshes) == (2, 1, 1)


async def test_a_fallback_that_fails_too_leaves_the_work_to_be_tried_again(writing, writer):
    writer.answers = [WriteFailure("refused", False)]
    writing._fallback.answers = [WriteFailure("also refused", False)]
    assert await writing.call(writing.prepare([leased()])) == [Failed("also refused", None)]


async def test_what_the_ledger_has_is_not_paid_again_and_cannot_be_mislabelled(writing, writer, store):
    (job,) = writing.prepare([leased()])
    (entry,) = await writing.call([job])
    with store.write() as connection:
        writing.settle(connection, entry)
    (again,) = writing.prepare([leased()])
    assert await writing.call([again]) == [entry]
    assert (writer.calls, writing._counters.ledger_hits) == (1, 1)
    with pytest.raises(Moved), store.write() as connection:
        writing.settle(connection, Entry(**{name: getattr(entry, name) for name in Entry.__slots__} | {"output": "x"}))
    with store.read() as connection:
        assert ledger.find(connection, [entry.ledger_key]) == {entry.ledger_key: entry}


async def test_a_text_is_put_over_the_points_that_stand_and_keeps_what_it_was_written_from(writing, store):
    (job,) = writing.prepare([leased()])
    (entry,) = await writing.call([job])
    change, output = writing.decide(job, entry)
    with store.write() as connection:
        change.write(connection)
        row = load_summaries(connection, ["p"])["p"]
    assert (row.revision, row.points_revision, row.text_points) == (2, 1, encode(READING))
    assert (output.topic, output.key, output.value) == (SUMMARIES, b"p", row.record)
    with pytest.raises(Moved), store.write() as connection:
        change.write(connection)
