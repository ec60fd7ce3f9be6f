import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.calls.budgets import Budgets, Spent

NOTHING = Spent()
SPENT = st.builds(Spent, st.floats(0, 100), st.integers(0, 10_000))


@pytest.mark.parametrize(
    ("budgets", "day", "key", "told"),
    [
        (Budgets(cost_day=1.0), Spent(cost=1.0), NOTHING, "the budget of the day is spent (1.00 of 1.00)"),
        (Budgets(cost_day=1.0), Spent(cost=0.999), NOTHING, None),
        (Budgets(cost_key=0.5), Spent(9, 9), Spent(0.6), "the product's budget of the day is spent (0.60 of 0.50)"),
        (Budgets(cost_key=0.5), Spent(9, 9), Spent(0.4), None),
        (Budgets(tokens_day=5000), Spent(0, 5000), NOTHING, "the tokens of the day are spent (5,000 of 5,000)"),
        (Budgets(tokens_key=10), Spent(0, 99), Spent(0, 11), "the product's tokens of the day are spent (11 of 10)"),
        (Budgets(tokens_key=10), Spent(0, 99), Spent(0, 9), None),
        (Budgets(cost_day=0.0), NOTHING, NOTHING, "the budget of the day is spent (0.00 of 0.00)"),
        (Budgets(), Spent(1e9, 10**12), Spent(1e9, 10**12), None),
    ],
)
def test_a_call_is_refused_once_its_budget_is_spent_and_why_is_told(budgets, day, key, told):
    assert budgets.refusal(day, key, priced=True) == told
    assert budgets.limited is (budgets != Budgets())


@given(SPENT, SPENT)
def test_what_costs_nothing_keeps_to_limits_of_tokens_only(day, key):
    assert Budgets(cost_day=0.0, cost_key=0.0).refusal(day, key, priced=False) is None
    assert Budgets(tokens_day=0).refusal(day, key, priced=False) is not None


@given(SPENT, SPENT, SPENT)
def test_what_is_refused_stays_refused_when_more_is_spent(day, key, more):
    budgets = Budgets(cost_day=50, cost_key=20, tokens_day=5_000, tokens_key=2_000)
    if budgets.refusal(day, key, priced=True) is not None:
        assert budgets.refusal(day + more, key + more, priced=True) is not None
