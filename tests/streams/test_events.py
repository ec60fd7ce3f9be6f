from datetime import UTC, datetime

import pytest

from infra.outbox import Cause
from schemas.reviews import Review
from streams.events import TRACE_BYTES, event_headers, include, oldest_causes, read_events
from tests.streams.fakes import REVIEWS, START_S, raw, review


def test_what_can_be_read_is_an_event_and_what_cannot_delays_nobody():
    records = [raw(4, review(1)), raw(5, b"{"), raw(6), raw(7, review(2, rating=7)), raw(8, review(3))]
    events, rejections = read_events(records, Review)
    assert [(event.cause.offset, event.record.review_id) for event in events] == [(4, "r1"), (8, "r3")]
    assert [(one.raw.offset, one.problem.reason, one.problem.field) for one in rejections] == [
        (5, "not_json", None),
        (6, "not_json", None),
        (7, "invalid_field", "rating"),
    ]


def test_an_event_knows_its_place_and_kafkas_time():
    ((event,), _) = read_events([raw(4, review(1), partition=3)], Review)
    assert event.cause == Cause(REVIEWS, 3, 4)
    assert event.at == datetime.fromtimestamp(START_S + 4, UTC)


@pytest.mark.parametrize("timestamp", [-1, -(10**15), 253_402_300_800_000, 2**62])
def test_a_kafka_timestamp_that_no_calendar_has_is_a_dead_letter_and_no_crash(timestamp):
    events, rejections = read_events([raw(4, review(1), timestamp=timestamp), raw(5, review(2))], Review)
    assert [event.cause.offset for event in events] == [5]
    assert [one.problem.reason for one in rejections] == ["date_out_of_range"]


def test_a_trace_is_passed_on_and_nothing_else_is():
    headers = (("traceparent", b"00-1-2-01"), ("tracestate", b"a=b"), ("other", b"x"))
    ((event,), _) = read_events([raw(4, review(1), headers=headers)], Review)
    assert event.trace == {"traceparent": b"00-1-2-01", "tracestate": b"a=b"}
    made = event_headers("points:p@1", "points", "digest", event.at, event.trace)
    assert made["traceparent"] == b"00-1-2-01"
    assert made["ce_type"] == b"millrace.points.v1"


@pytest.mark.parametrize("value", [None, b"", b"x" * (TRACE_BYTES + 1)], ids=["null", "empty", "huge"])
def test_a_trace_header_that_is_none_or_huge_is_not_passed_on(value):
    ((event,), _) = read_events([raw(4, review(1), headers=(("traceparent", value),))], Review)
    assert event.trace == {}


def test_sources_tell_up_to_where_each_partition_is_included():
    sources = include({}, Cause(REVIEWS, 3, 10), 500)
    sources = include(sources, Cause(REVIEWS, 4, 20), 21)
    assert include(sources, Cause(REVIEWS, 3, 600), 700) == {"reviews": {"3": 700, "4": 21}}


def test_of_several_causes_the_oldest_of_each_partition_counts():
    causes = [Cause(REVIEWS, 0, 9), Cause(REVIEWS, 1, 3), Cause(REVIEWS, 0, 7), Cause(REVIEWS, 1, 8)]
    assert oldest_causes(causes) == [Cause(REVIEWS, 0, 7), Cause(REVIEWS, 1, 3)]
