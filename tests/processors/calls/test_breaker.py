import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.calls.breaker import SOON, Breaker

OPEN_S = 30.0


def opened(failures: int = 3) -> Breaker:
    breaker = Breaker(failures, OPEN_S)
    assert [breaker.fail(0.0) for _ in range(failures)] == [False] * (failures - 1) + [True]
    return breaker


def test_only_failures_in_a_row_open_it():
    breaker = Breaker(3, OPEN_S)
    for _ in range(5):
        breaker.fail(0.0)
        breaker.fail(0.0)
        breaker.succeed()
    assert (breaker.admit(0.0), breaker.open_until) == (None, None)


def test_while_it_is_open_callers_are_told_how_long_to_wait():
    breaker = opened()
    assert (breaker.admit(10.0), breaker.admit(29.5)) == (20.0, 0.5)


def test_then_one_call_may_try_and_no_other():
    breaker = opened()
    soon = OPEN_S / SOON
    assert (breaker.admit(30.0), breaker.admit(30.0), breaker.admit(59.0)) == (None, soon, 1.0)
    assert breaker.admit(60.0) is None, "a try that never came back holds nobody up for ever"


def test_a_try_that_missed_the_endpoint_neither_closes_it_nor_uses_up_the_try():
    breaker = opened()
    breaker.admit(30.0)
    breaker.miss(31.0)
    assert breaker.open_until == 31.0, "still open"
    assert (breaker.admit(31.0), breaker.admit(31.0)) == (None, OPEN_S / SOON), "and the next may try, alone"


@pytest.mark.parametrize("failures", [0, 2, 3])
def test_a_miss_that_was_no_try_changes_nothing(failures):
    breaker = Breaker(3, OPEN_S)
    for _ in range(failures):
        breaker.fail(0.0)
    before = breaker.open_until
    breaker.miss(1.0)
    assert (breaker.open_until, breaker.fail(1.0)) == (before, failures == 2)


def test_a_try_that_goes_well_closes_it():
    breaker = opened()
    breaker.admit(30.0)
    breaker.succeed()
    assert [breaker.admit(30.0), breaker.fail(31.0), breaker.fail(31.0), breaker.admit(31.0)] == [
        None, False, False, None,
    ]  # fmt: skip


def test_a_try_that_fails_keeps_it_open_as_long_again_and_is_no_new_opening():
    breaker = opened()
    breaker.admit(30.0)
    assert breaker.fail(40.0) is False
    assert (breaker.admit(41.0), breaker.open_until) == (29.0, 70.0)


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "fail", "succeed"]), st.floats(0, 20)), max_size=60)


@given(st.integers(1, 4), STEPS)
def test_whatever_happens_an_open_circuit_lets_at_most_one_call_through_in_its_time(limit, steps):
    breaker, now, in_a_row, let = Breaker(limit, OPEN_S), 0.0, 0, []
    for step, passed in steps:
        now += passed
        if step == "ask":
            wait = breaker.admit(now)
            assert wait is None or 0 < wait <= OPEN_S + 1e-6  # sums of floats
            assert wait is None or in_a_row >= limit, "a closed circuit lets everybody through"
            if wait is None and in_a_row >= limit:
                assert all(now - before >= OPEN_S for before in let)
                let.append(now)
        elif step == "fail":
            breaker.fail(now)
            in_a_row += 1
        else:
            breaker.succeed()
            in_a_row, let = 0, []


@pytest.mark.parametrize("limit", [1, 5])
def test_it_opens_at_the_very_failure_that_is_set(limit):
    breaker = Breaker(limit, OPEN_S)
    told = [breaker.fail(0.0) for _ in range(limit)]
    assert told == [False] * (limit - 1) + [True]
