from dataclasses import replace

import pytest
from msgspec.json import decode, encode

from infra import ledger
from infra.fences import Moved
from infra.leases import Leased
from infra.outbox import Cause
from infra.rows.summary_rows import load_summaries, put_summary
from models.ports import WriteFailure, Written
from processors.texts.ledger import canonical_input, ledger_key
from schemas.points import FORGOTTEN_LIMIT, Points
from schemas.summaries import Summary
from schemas.tables import summaries
from streams.calling.asks import call_key
from streams.summarize import REFRESH, WRITING
from streams.summary_records import Wanted, make_row, show, wanted_of
from streams.work import Failed
from streams.writing import GONE
from tests.processors.readings import band, point, reading
from tests.streams.fakes import (
    POINTS,
    START_S,
    SUMMARIES,
    FakeWriter,
    after_forgetting,
    chain_of,
    make_writing,
    points_of,
    wanted_from,
)

READING = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
LESS = reading(positive=band(5, [point("Battery lasts long", 3, 5)]))
NEW = reading(positive=band(5, [point("Zipper is smooth", 3, 5)]))


@pytest.fixture
async def writer():
    return FakeWriter()


@pytest.fixture
async def writing(store, writer):
    points = points_of(READING)
    with store.write() as connection:
        put_summary(
            connection, make_row(show(points, {}, None, START_S), 1, encode(points), None, wanted_from(points)), 0
        )
    return make_writing(store, writer, FakeWriter(engine="fallback"))


def leased(reason: str = "first text") -> Leased:
    return Leased(WRITING, "p", 1, reason, 1, (Cause(POINTS, 0, 0),), "token")


def test_the_work_it_does_is_the_work_that_is_recorded(writing):
    assert writing.kind == WRITING


async def test_a_call_is_named_by_everything_that_decides_its_output(writing, writer):
    (job,) = writing.prepare([leased()])
    (first,) = await writing.call([job])
    assert [one.reading for one in writer.asked] == [READING]
    assert first.entry.ledger_key == ledger_key("fake", "m1", "v1", "{}", canonical_input(READING))
    for name in ("engine", "model", "prompt_version", "parameters"):
        standing = getattr(writer, name)
        setattr(writer, name, "other")
        (answer,) = await writing.call(writing.prepare([leased()]))
        assert answer.entry.ledger_key != first.entry.ledger_key
        setattr(writer, name, standing)


async def test_results_come_back_in_the_order_of_the_work(writing, writer, store):
    writer.answers = [WriteFailure("429", True, 7.0), Written("second")]
    other = points_of(reading(negative=band(9, [point("Zipper breaks", 7, 9)])), product_id="q")
    with store.write() as connection:
        put_summary(connection, make_row(show(other, {}, None, START_S), 1, encode(other), None, wanted_from(other)), 0)
    jobs = writing.prepare([leased(), Leased(WRITING, "q", 1, REFRESH, 1, (), "token")])
    failed, answer = await writing.call(jobs)
    assert failed == Failed("429", 7.0)
    assert (answer.product_id, answer.entry.output) == ("q", "second")
    assert answer.entry.ledger_key == call_key(writer, canonical_input(jobs[1].wanted.reading))
    counters = writing._counters
    assert (counters.writer_calls, counters.writer_failures, counters.refreshes) == (2, 1, 1)


async def test_a_fallback_that_fails_too_leaves_the_work_to_be_tried_again(writing, writer):
    writer.answers = [WriteFailure("refused", False)]
    writing._chain.last.answers = [WriteFailure("also refused", False)]
    assert await writing.call(writing.prepare([leased()])) == [Failed("also refused", None)]


async def test_what_the_ledger_has_is_not_paid_again_and_cannot_be_mislabelled(writing, writer, store):
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    with store.write() as connection:
        writing.settle(connection, answer)
    (again,) = writing.prepare([leased()])
    (repeat,) = await writing.call([again])
    assert repeat.entry == replace(answer.entry, subject="p")
    assert (writer.calls, writing._counters.ledger_hits) == (1, 1)
    with pytest.raises(Moved), store.write() as connection:
        writing.settle(connection, replace(answer, text=replace(answer.text, entry=replace(answer.entry, output="x"))))
    with store.read() as connection:
        assert ledger.find(connection, [repeat.entry.ledger_key]) == {repeat.entry.ledger_key: repeat.entry}


async def test_a_text_is_put_over_the_points_that_stand_and_keeps_what_it_was_written_from(writing, store):
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    change, output = writing.decide(job, answer)
    with store.write() as connection:
        change.write(connection)
        row = load_summaries(connection, ["p"])["p"]
    assert (row.revision, row.points_revision, row.text_points, row.text_forgotten) == (2, 1, encode(READING), 0)
    assert (output.topic, output.key, output.value) == (SUMMARIES, b"p", row.record)
    with pytest.raises(Moved), store.write() as connection:
        change.write(connection)


def show_points(store, points: Points, wanted: Wanted | None = None) -> None:
    """Let newer points stand, as the stream does; their text is wanted, unless another is said to be."""
    told = None if points.op == "delete" else wanted or wanted_from(points)
    with store.write() as connection:
        row = load_summaries(connection, [points.product_id]).get(points.product_id)
        before = None if row is None else decode(row.record, type=Summary)
        new = make_row(show(points, {}, before, START_S), points.revision, encode(points), None, told)
        put_summary(connection, new, 0 if row is None else row.revision)


def stands(store, writing, job) -> bool:
    with store.write() as connection:
        return writing.stands(connection, job)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (after_forgetting(READING, 2), True),
        (after_forgetting(READING, 2, "r9"), True),
        (after_forgetting(READING, 2, "r0"), False),
        (after_forgetting(READING, 2, "r9", "r0", "r9"), False),
        (after_forgetting(READING, 2, *["r9"] * (FORGOTTEN_LIMIT + 1)), False),
        (after_forgetting(READING, 2, op="delete"), False),
    ],
)
async def test_a_call_stands_unless_it_may_cite_what_was_forgotten_since(writing, store, now, expected):
    (job,) = writing.prepare([leased()])
    assert stands(store, writing, job)
    show_points(store, now)
    assert stands(store, writing, job) is expected
    if expected:
        assert stands(store, writing, writing.prepare([leased()])[0])


async def test_a_call_for_a_row_that_is_gone_does_not_stand(writing, store):
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    with store.write() as connection:
        connection.execute(summaries.delete())
    assert not stands(store, writing, job)
    assert writing.decide(job, answer) is None
    with store.write() as connection:
        writing.settle(connection, answer)
        assert ledger.find(connection, [answer.entry.ledger_key]) == {}


@pytest.mark.parametrize("gone", ["ended", "removed"])
async def test_for_a_product_without_reviews_nobody_is_asked(writing, writer, store, gone):
    if gone == "ended":
        show_points(store, after_forgetting(reading(), 2, "r0", op="delete"))
    else:
        with store.write() as connection:
            connection.execute(summaries.delete())
    jobs = writing.prepare([leased()])
    assert await writing.call(jobs) == [Failed(GONE, None)]
    assert (writer.calls, writing._counters.writer_calls) == (0, 0)
    assert not stands(store, writing, jobs[0])


async def test_of_several_texts_only_those_of_products_with_reviews_are_asked_for(writing, writer, store):
    show_points(store, after_forgetting(reading(), 1, "r0", op="delete", product_id="q"))
    failed, answer = await writing.call(writing.prepare([replace(leased(), key="q"), leased()]))
    assert (failed, answer.entry.output, len(writer.asked)) == (Failed(GONE, None), "text 1", 1)


@pytest.mark.parametrize("forgotten", ["r9", "r0"])
async def test_no_answer_to_a_reading_that_counted_what_is_gone_is_kept(writing, store, forgotten):
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    show_points(store, after_forgetting(READING, 2, forgotten))
    with store.write() as connection:
        writing.settle(connection, answer)
        assert ledger.find(connection, [answer.entry.ledger_key]) == {}
    (answer,) = await writing.call(writing.prepare([leased()]))
    with store.write() as connection:
        writing.settle(connection, answer)
        assert ledger.find(connection, [answer.entry.ledger_key])[answer.entry.ledger_key].subject == "p"


async def test_an_answer_that_was_paid_for_another_product_is_kept_for_the_one_it_is_used_for(writing, store):
    show_points(store, points_of(READING, product_id="twin"))
    (theirs,) = await writing.call(writing.prepare([leased()]))
    with store.write() as connection:
        ledger.settle(connection, replace(theirs.entry, subject="twin"))
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    with store.write() as connection:
        ledger.forget(connection, ["twin"])
        writing.settle(connection, answer)
        assert ledger.find(connection, [answer.entry.ledger_key])[answer.entry.ledger_key].subject == "p"


async def test_a_text_without_the_character_that_postgres_refuses_is_kept(writing, writer, store):
    writer.answers = [Written("a\x00b")]
    (answer,) = await writing.call(writing.prepare([leased()]))
    assert answer.entry.output == "ab"


async def test_a_text_is_written_from_what_is_wanted_whatever_stands_and_says_whose_points_it_is_about(
    writing, writer, store
):
    show_points(store, points_of(LESS, 2), wanted=wanted_from(points_of(READING), shown_revision=1))
    (job,) = writing.prepare([leased()])
    change, output = writing.decide(job, (await writing.call([job]))[0])
    assert [one.reading for one in writer.asked] == [READING]
    shown = decode(output.value, type=Summary)
    assert (shown.text_revision, shown.bands) == (1, LESS.bands)
    assert (change.row.text_points, change.row.wanted) == (encode(READING), None)


@pytest.mark.parametrize("during_call", [False, True])
async def test_what_came_to_be_wanted_since_the_lease_is_still_wanted_after_it(writing, store, during_call):
    newer = points_of(NEW, 2)
    if not during_call:  # between the lease and the look at what to write from
        show_points(store, newer)
    (job,) = writing.prepare([leased()])
    if during_call:
        show_points(store, newer)
    change, _ = writing.decide(job, (await writing.call([job]))[0])
    assert wanted_of(change.row) == wanted_from(newer)


REJECTED = WriteFailure("rejected twice", retryable=False, lasting=True)


async def test_a_failure_for_ever_is_written_down_with_the_text_and_not_paid_again(writing, writer, store):
    writer.answers = [REJECTED]
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    change, output = writing.decide(job, answer)
    with store.write() as connection:
        writing.settle(connection, answer)
        change.write(connection)
    stamp = decode(output.value, type=Summary).writer
    assert (stamp.engine, stamp.instead_of, stamp.because) == ("fallback", "fake:m1", "rejected twice")
    again = make_writing(store, writer, FakeWriter(engine="fallback"))
    (repeat,) = await again.call([job])
    assert (repeat.entry.output, repeat.text.because, writer.calls) == ("text 1", "rejected twice", 1)
    assert (writing._counters.writer_stand_ins, again._counters.ledger_hits) == (1, 2)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_failure_for_ever_is_kept_though_the_text_must_wait_unless_what_it_read_is_gone(
    store, writer, forgotten
):
    second = FakeWriter(WriteFailure("503", True), engine="second")
    writer.answers = [REJECTED]
    last = FakeWriter(engine="last")
    show_points(store, points_of(READING))
    writing = make_writing(store, writer, last, chain=chain_of(writer, last, second))
    jobs = writing.prepare([leased()])
    if forgotten:
        show_points(store, after_forgetting(READING, 2, "r9"))
    assert await writing.call(jobs) == [Failed("503", None)]
    key = call_key(writer, canonical_input(READING))
    with store.read() as connection:
        kept = ledger.find(connection, [key])
    assert [(entry.failure, entry.subject) for entry in kept.values()] == (
        [] if forgotten else [("rejected twice", "p")]
    )


async def test_a_text_in_the_ledger_wins_over_our_failure_and_ours_over_a_failure_there(writing, writer, store):
    (job,) = writing.prepare([leased()])
    (answer,) = await writing.call([job])
    failed = replace(answer.entry, output="", failure="rejected twice", subject="p")
    with store.write() as connection:
        ledger.settle(connection, failed)
    with store.write() as connection:
        writing.settle(connection, writing.paid(answer))
        kept = ledger.find(connection, [failed.ledger_key])[failed.ledger_key]
        assert (kept.output, kept.failure) == ("text 1", None)
    stood_in = replace(answer, text=replace(answer.text, failures=(failed,)))
    with store.write() as connection:
        writing.settle(connection, stood_in)
        assert ledger.find(connection, [failed.ledger_key])[failed.ledger_key] == kept
