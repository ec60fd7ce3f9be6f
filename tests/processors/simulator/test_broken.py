import pytest

from processors.simulator import Simulator, with_broken_lines
from processors.simulator.broken import _FAULTS
from schemas.records import Unreadable, decode
from schemas.reviews import Review

EARLIEST = "1970-01-01"


def unreadable(line):
    try:
        review = decode(line, Review)
    except Unreadable:
        return True
    return review.created_at.isoformat() < EARLIEST  # dates are held to their range where the record's time is known


def test_every_kind_of_broken_line_is_unreadable_on_each_of_many_reviews():
    for line in with_broken_lines(Simulator(1).reviews(50), 0.0, seed=1):
        assert not unreadable(line)
        assert all(unreadable(fault(line)) for fault in _FAULTS)


def test_broken_lines_come_on_top_and_change_no_review():
    plain = list(with_broken_lines(Simulator(1).reviews(600), 0.0, seed=1))
    lines = list(with_broken_lines(Simulator(1).reviews(600), 0.1, seed=1))
    assert [line for line in lines if not unreadable(line)] == plain
    assert 0.06 < (len(lines) - 600) / len(lines) < 0.14
    assert lines == list(with_broken_lines(Simulator(1).reviews(600), 0.1, seed=1))


def test_no_broken_line_holds_a_line_break():
    assert not any(b"\n" in line for line in with_broken_lines(Simulator(1).reviews(500), 0.5, seed=2))


def test_a_share_that_leaves_no_room_for_reviews_is_refused():
    with pytest.raises(ValueError, match="share"):
        list(with_broken_lines([], 1.0, seed=1))
