"""What a plain walk finds, and what tiles tell: the same, within the errors stated."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.features import (
    Count,
    DecayedRate,
    Distinct,
    Events,
    FeatureTable,
    First,
    Last,
    Max,
    Mean,
    Min,
    Quantile,
    Ratio,
    Sum,
)
from processors.features.reading import read_features
from processors.features.recompute import agrees, recompute
from processors.features.tiles import add, new_state, prune

NOW = 1_700_000_000_000_000
SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
TABLE = FeatureTable(
    "all_kinds",
    "customer",
    Events("sale"),
    {
        "count": Count(),
        "sum": Sum("x"),
        "mean": Mean("x"),
        "min": Min("x"),
        "max": Max("x", default=-1.0),
        "first": First("y"),
        "last": Last("y"),
        "distinct": Distinct("y"),
        "p95": Quantile("x", q=0.95, error=0.02),
        "rate": DecayedRate(half_life="10m"),
        "weight": DecayedRate("x", half_life="1h", per="1m"),
        "ratio": Ratio(top=Sum("x"), bottom=Count(), default=0.5),
    },
    windows=("1m", "1h", "7d", "all"),
)
SHAPE = TABLE.shape
BY_NAME = {one.name: one for one in SHAPE.features}


def event(at, name, x, y):
    fields = {"x": None if x is None else x + 0.0, "y": y}
    return (at, name), [
        (1.0 if use.shape.kind == "decayed_rate" else True) if use.of is None else fields[use.of] for use in TABLE.uses
    ]


def state_of(events):
    state = new_state(SHAPE)
    for moment, values in events:
        add(SHAPE, state, moment, values, moment[0])
    return state


AGO = st.one_of(st.integers(0, 120), st.integers(0, 7_200), st.integers(0, 20 * 86_400)).map(lambda s: s * SECOND)
X = st.one_of(
    st.none(),
    st.sampled_from([0.1, 0.2, -0.0, 1e16, -1e16]),
    st.floats(-1e6, 1e6).filter(lambda x: not 0 < abs(x) < 1e-50),
)
Y = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "1", "True"]), st.sampled_from([0.5, 1.0])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(AGO, X, Y), max_size=40), st.integers(0, 3 * DAY))
def test_tiles_tell_what_a_walk_finds(told, later):
    events = [event(NOW - ago, f"e{number}", x, y) for number, (ago, x, y) in enumerate(told)]
    state, at = state_of(events), NOW + later
    read, walked = read_features(SHAPE, state, at), recompute(SHAPE, events, at)
    assert {
        name: (read[name], walked[name]) for name in read if not agrees(SHAPE, BY_NAME[name], read[name], walked[name])
    } == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400).map(lambda days: days * DAY), X, Y), max_size=40))
def test_what_was_put_into_the_base_of_all_time_is_still_told(told):
    ends = [(300 * DAY, 1.5, "old"), (0, 2.5, "new")]
    events = [event(NOW - ago, f"e{number}", x, y) for number, (ago, x, y) in enumerate([*told, *ends])]
    state = state_of(events)
    prune(SHAPE, state)
    assert any(state.bases)
    read, walked = read_features(SHAPE, state, NOW), recompute(SHAPE, events, NOW)
    assert [name for name in read if not agrees(SHAPE, BY_NAME[name], read[name], walked[name])] == []


def test_a_walk_leaves_out_what_happened_later():
    events = [event(NOW - 5 * SECOND, "a", 3.0, "p"), event(NOW + SECOND, "b", 4.0, "q")]
    assert recompute(SHAPE, events, NOW)["sum"] == 3.0
    assert recompute(SHAPE, events, NOW + SECOND)["last"] == "q"


def test_a_window_begins_at_its_hop_and_has_its_begin():
    begin = (NOW - HOUR) // 60_000_000 * 60_000_000
    events = [event(begin, "in", 1.0, None), event(begin - 1, "out", 2.0, None)]
    assert recompute(SHAPE, events, NOW)["sum_1h"] == 1.0


def test_without_events_there_are_defaults():
    walked = recompute(SHAPE, [], NOW)
    assert (walked["count"], walked["sum"], walked["mean"], walked["max"], walked["ratio"]) == (0, 0.0, None, -1.0, 0.5)
    assert walked == read_features(SHAPE, new_state(SHAPE), NOW)


@pytest.mark.parametrize(
    ("feature", "kept", "true", "same"),
    [
        ("count", 3, 3, True),
        ("count", 3, 4, False),
        ("count", 1, True, False),
        ("sum", 0.1 + 0.2, 0.3, False),
        ("sum", 0.0, -0.0, False),
        ("last", "a", "a", True),
        ("last", None, "a", False),
        ("p95", 98.1, 100.0, True),
        ("p95", 97.9, 100.0, False),
        ("p95", None, 100.0, False),
        ("distinct", 511, 512, False),
        ("distinct", 2_000, 2_100, True),
        ("distinct", 1_500, 2_100, False),
        ("rate", 1.0 + 1e-12, 1.0, True),
        ("rate", 1.0 + 1e-6, 1.0, False),
    ],
)
def test_values_agree_to_the_bit_or_within_the_error_of_their_kind(feature, kept, true, same):
    assert agrees(SHAPE, BY_NAME[feature], kept, true) is same


def test_a_sketch_of_many_values_agrees():
    chance = random.Random(5)
    events = [
        event(NOW - number * SECOND, f"e{number}", chance.lognormvariate(3, 1), number) for number in range(3_000)
    ]
    read, walked = read_features(SHAPE, state_of(events), NOW), recompute(SHAPE, events, NOW)
    assert walked["distinct"] == 3_000 != read["distinct"]
    assert all(agrees(SHAPE, BY_NAME[name], read[name], walked[name]) for name in read)
