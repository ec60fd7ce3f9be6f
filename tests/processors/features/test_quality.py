from processors.features import Count, Events, FeatureTable, Last
from processors.features.quality import Latencies, shares_of
from processors.features.tiles import add, new_state

SHAPE = FeatureTable("sales", "customer", Events(), {"n": Count(), "x": Last("x", default=7)}, windows=("1h",)).shape
NOW = 1_700_000_000_000_000


def happened(ago_s, x):
    state, at = new_state(SHAPE), NOW - int(ago_s * 1e6)
    add(SHAPE, state, (at, "a"), [True, x], at)
    return state


def test_what_was_written_long_ago_is_forgotten():
    latencies = Latencies(window_s=60)
    latencies.update([NOW - 5_000_000], written_us=NOW)
    latencies.update([NOW + 59_000_000], written_us=NOW + 60_000_000)
    assert latencies.quantiles([1.0], now_us=NOW + 60_000_000) == [5.0]
    assert latencies.quantiles([1.0], now_us=NOW + 60_000_001) == [1.0]
    assert latencies.quantiles([1.0], now_us=NOW + 121_000_000) is None


def test_only_so_many_of_the_newest_are_remembered():
    latencies = Latencies(limit=2)
    latencies.update([NOW - 9_000_000, NOW - 1_000_000, NOW - 2_000_000], written_us=NOW)
    assert latencies.quantiles([0.0, 1.0], now_us=NOW) == [1.0, 2.0]


def test_a_clock_that_runs_behind_makes_no_negative_time():
    latencies = Latencies()
    latencies.update([NOW + 1_000_000], written_us=NOW)
    assert latencies.quantiles([0.5], now_us=NOW) == [0.0]


def test_shares_count_keys_by_age_null_and_default():
    states = [happened(30, 1), happened(30, 7), happened(7_200, 1), new_state(SHAPE)]
    shares = shares_of(SHAPE, states, NOW)
    assert (shares.ages[60], shares.ages[600], shares.ages[86_400]) == (0.5, 0.5, 0.75)
    assert shares.nulls == {"n_1h": 0.0, "x_1h": 0.0}
    assert shares.defaults == {"n_1h": 0.5, "x_1h": 0.75}


def test_without_keys_nothing_is_told():
    shares = shares_of(SHAPE, [], NOW)
    assert (shares.ages, shares.nulls, shares.defaults) == ({}, {}, {})
