from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.batching.packing import Length, pack, padded

LENGTHS = st.builds(Length, prompt=st.integers(1, 60), said=st.integers(1, 30))


def worth(lengths: list[Length], batch_cost_tokens: int) -> tuple[Fraction, int]:
    """Tokens for what the batch costs, then its size."""
    return Fraction(sum(each.tokens for each in lengths), batch_cost_tokens + padded(lengths)), len(lengths)


def brute_force(lengths: list[Length], batch_tokens: int, batch_cost_tokens: int) -> tuple[Fraction, int]:
    """Try every subset with the first in it."""
    first, *others = lengths
    subsets = [[first, *chosen] for size in range(len(others) + 1) for chosen in combinations(others, size)]
    fitting = [subset for subset in subsets if len(subset) == 1 or padded(subset) <= batch_tokens]
    return max(worth(subset, batch_cost_tokens) for subset in fitting)


@given(st.lists(LENGTHS, min_size=1, max_size=8), st.integers(1, 400), st.integers(1, 300))
def test_no_subset_has_more_tokens_for_its_cost(lengths, batch_tokens, batch_cost_tokens):
    chosen = pack(lengths, batch_tokens, batch_cost_tokens)
    assert chosen == sorted(set(chosen))
    assert chosen[0] == 0
    taken = [lengths[place] for place in chosen]
    assert len(taken) == 1 or padded(taken) <= batch_tokens
    assert worth(taken, batch_cost_tokens) == brute_force(lengths, batch_tokens, batch_cost_tokens)


@given(st.lists(LENGTHS, max_size=20))
def test_a_batch_costs_at_least_its_tokens(lengths):
    assert padded(lengths) >= sum(each.tokens for each in lengths)


def test_equal_requests_fill_the_budget_to_the_last_token():
    assert pack([Length(8, 2)] * 50, 100, 1) == list(range(10))


def test_a_request_larger_than_the_budget_goes_alone():
    assert pack([Length(900, 100), Length(1, 1)], 100, 50) == [0]


@pytest.mark.parametrize(("batch_cost_tokens", "together"), [(10, [0, 1]), (10_000, [0, 1, 2])])
def test_a_long_request_is_welcome_only_where_batches_cost_more_than_padding(batch_cost_tokens, together):
    assert pack([Length(10, 10), Length(10, 10), Length(300, 10)], 2_000, batch_cost_tokens) == together


def test_nothing_gives_nothing():
    assert pack([], 100, 50) == []
