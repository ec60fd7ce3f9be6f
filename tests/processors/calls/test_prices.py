import pytest

from processors.calls.prices import Prices, WrongPrices


def test_reading_and_saying_have_their_own_prices():
    prices = Prices.parse("small=0.15/0.60,org/large:free = 1/2")
    assert prices.cost("small", 1_000_000, 0) == 0.15
    assert prices.cost("small", 0, 500_000) == 0.3
    assert prices.cost("org/large:free", 3_000_000, 1_000_000) == 5.0


def test_a_model_without_a_price_costs_nothing():
    prices = Prices.parse("small=0.15/0.60, free=0/0")
    assert (prices.cost("other", 10**9, 10**9), prices.priced("other"), prices.priced("free")) == (0.0, False, False)
    assert Prices.parse(None) == Prices.parse(" , ") == Prices()


@pytest.mark.parametrize("name", ["small#polite", "small@ab12", "small@ab12#polite@cd34"])
def test_an_adapter_and_a_hash_cost_what_their_model_does_unless_told_otherwise(name):
    assert Prices.parse("small=1/2").cost(name, 1_000_000, 0) == 1.0
    assert Prices.parse(f"small=1/2, {name}=5/5").cost(name, 1_000_000, 0) == 5.0


@pytest.mark.parametrize("told", ["small", "small=1", "small=1/x", "=1/2", "small=-1/2", "small=nan/1", "a=1/inf"])
def test_what_is_no_price_is_named_with_how_to_write_one(told):
    with pytest.raises(WrongPrices, match=r"is no price; write MODEL=0\.15/0\.60"):
        Prices.parse(f"good=1/2, {told}")
