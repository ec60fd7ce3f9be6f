import pytest

from infra.kafka.probe import Probe
from streams.holes import HoleError, Holes, Lost
from tests.streams.fakes import Log

HERE = ("millrace.reviews.v1", 0)


def judge(log: Log, fence: int, *offsets: int) -> Lost | None:
    return Holes(log).judge(HERE, fence, offsets)


def test_a_run_that_follows_the_fence_without_a_jump_is_not_looked_into():
    log = Log(start=99)
    assert judge(log, 5, 5, 6, 7) is None
    assert log.probes == []


@pytest.mark.parametrize("offsets", [(7, 8), (5, 8), (6, 7, 9)], ids=["before", "inside", "both"])
def test_a_jump_over_markers_or_compacted_records_is_legal(offsets):
    log = Log(*offsets)
    assert judge(log, 5, *offsets) is None
    assert log.probes == [(5, offsets[-1] + 1)]


@pytest.mark.parametrize("offsets", [(7, 8), (5, 8)], ids=["before", "inside"])
def test_a_jump_over_records_that_others_can_read_is_our_own_mistake(offsets):
    with pytest.raises(HoleError, match=r"waits for 5, the run starts at \d, skipped \[(5, 6|6, 7)\]"):
        judge(Log(5, 6, 7, 8), 5, *offsets)


def test_records_that_nobody_else_sees_are_a_mistake_too():
    with pytest.raises(HoleError):
        judge(Log(8), 5, 7, 8)


def test_what_the_broker_deleted_before_it_was_read_is_lost():
    assert judge(Log(9, 10, start=9), 5, 9, 10) == Lost(5, 9)


def test_a_marker_after_the_deleted_range_is_not_counted_as_lost():
    assert judge(Log(11, start=9), 5, 11) == Lost(5, 9)


def test_a_range_deleted_between_two_fetches_is_lost_and_what_was_fetched_is_not():
    assert judge(Log(9, start=9), 5, 5, 6, 9) == Lost(7, 9)


def test_records_deleted_after_they_were_fetched_are_not_lost():
    assert judge(Log(8, 10, start=8), 5, 5, 6, 7, 8, 10) is None


def test_a_reader_that_did_not_get_through_in_time_proves_nothing():
    with pytest.raises(HoleError, match="got no further than 7"):
        Holes(lambda *_: Probe(0, [6], 7)).judge(HERE, 5, [6, 8])
