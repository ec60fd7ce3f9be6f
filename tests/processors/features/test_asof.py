"""Features as of moments in the past equal a plain walk over the events of before, and nothing leaks back."""

import msgspec
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
from processors.features import asof as asof_module
from processors.features.asof import PastEvent, Walk, features_as_of, settled_before
from processors.features.reading import read_features
from processors.features.recompute import agrees, recompute
from processors.features.tiles import KeyState, add, new_state, prune

DAY = 86_400_000_000
NOW = 1_700_000_000_000_000
TABLE = FeatureTable(
    "all_kinds",
    "customer",
    Events("sale"),
    {
        "count": Count(),
        "sum": Sum("x"),
        "mean": Mean("x"),
        "min": Min("x"),
        "max": Max("x"),
        "first": First("x"),
        "last": Last("x"),
        "distinct": Distinct("x"),
        "median": Quantile("x", q=0.5),
        "rate": DecayedRate(half_life="10m"),
        "ratio": Ratio(top=Sum("x"), bottom=Count()),
    },
    windows=("1m", "1h", "7d", "all"),
)
SHAPE = TABLE.shape
WINDOWED = FeatureTable("windowed", "customer", Events("sale"), {"count": Count(), "max": Max("x")}, windows=("1m",))

OFFSETS = st.one_of(
    st.integers(-120, 0).map(lambda s: s * 1_000_000),
    st.integers(-30 * 24, 0).map(lambda h: h * 3_600_000_000),
    st.integers(-7200, 0).map(lambda s: s * 1_000_000 + 333),
    st.integers(-3, 3),
)
X = st.one_of(
    st.none(), st.sampled_from([0.1, 0.2, 1e16, -7.5, 0.0]), st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-50)
)
EVENTS = st.lists(st.tuples(OFFSETS, X, st.integers(0, 2 * DAY)), max_size=30)
MOMENTS = st.lists(OFFSETS, min_size=1, max_size=8)


def values_of(table, x):
    return tuple(x if use.of is not None else 1.0 if use.shape.kind == "decayed_rate" else True for use in table.uses)


def past(events, table=TABLE):
    return [
        PastEvent((NOW + offset, f"e{number}"), values_of(table, x), NOW + offset + late)
        for number, (offset, x, late) in enumerate(events)
    ]


def assert_equals_walk(told, events, at):
    true = recompute(SHAPE, [(one.moment, one.values) for one in events], at)
    wrong = [
        (one.name, told.values[one.name], true[one.name])
        for one in SHAPE.features
        if not agrees(SHAPE, one, told.values[one.name], true[one.name])
    ]
    assert not wrong


@settings(max_examples=150, deadline=None)
@given(EVENTS, MOMENTS, st.booleans(), st.booleans())
def test_features_as_of_a_moment_equal_a_walk_over_the_events_of_before(events, moments, as_known, in_order):
    every = past(events)
    asked = [NOW + offset for offset in (sorted(moments) if in_order else moments)]
    for at, told in zip(asked, features_as_of(SHAPE, every, asked, as_known=as_known), strict=True):
        mine = [one for one in every if one.moment[0] <= at and (not as_known or one.sent_us <= at)]
        assert told.as_of_us == max((one.moment[0] for one in mine), default=None)
        if mine:
            assert_equals_walk(told, mine, at)
        else:
            assert told.values == SHAPE.defaults


@settings(max_examples=150, deadline=None)
@given(EVENTS, EVENTS, MOMENTS, st.booleans())
def test_what_happens_later_changes_nothing_told_before(events, others, moments, as_known):
    asked = sorted(NOW + offset for offset in moments)
    later = [
        PastEvent((asked[-1] + 1 + number, f"later{number}"), one.values, one.sent_us)
        for number, one in enumerate(past(others))
    ]
    without = list(features_as_of(SHAPE, past(events), asked, as_known=as_known))
    assert list(features_as_of(SHAPE, [*later, *past(events)], asked, as_known=as_known)) == without


@settings(max_examples=100, deadline=None)
@given(EVENTS, MOMENTS)
def test_it_is_what_the_row_online_would_have_told_at_that_moment(events, moments):
    every = past(events)
    for offset in moments:
        at = NOW + offset
        state = new_state(SHAPE)
        mine = [one for one in every if one.moment[0] <= at]
        for one in mine:
            add(SHAPE, state, one.moment, one.values, one.moment[0])
            prune(SHAPE, state)
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=KeyState)
        told = Walk(SHAPE, every).at(at)
        if mine:
            assert msgspec.json.encode(told.values) == msgspec.json.encode(read_features(SHAPE, state, at))


@settings(max_examples=100, deadline=None)
@given(EVENTS, MOMENTS, st.integers(0, 20))
def test_forgotten_events_are_told_from_what_the_row_keeps_of_all_time(events, moments, days):
    every = past(events)
    state = new_state(SHAPE)
    for one in every:
        add(SHAPE, state, one.moment, one.values, one.moment[0])
    cut = (NOW // DAY - days) * DAY
    settled = settled_before(SHAPE, state, cut)
    walk = Walk(SHAPE, [one for one in every if one.moment[0] >= cut - 8 * DAY], settled=settled)
    for at in [NOW + offset for offset in moments]:
        if at >= cut and any(one.moment[0] <= at for one in every):
            assert_equals_walk(walk.at(at), [one for one in every if one.moment[0] <= at], at)


def test_an_event_at_the_very_moment_counts_and_one_after_it_does_not():
    at = NOW // 60_000_000 * 60_000_000
    events = past([(at - NOW, 1.0, 0), (at - NOW + 1, 2.0, 0)])
    told = Walk(SHAPE, events).at(at)
    assert (told.values["count_1m"], told.values["last"], told.as_of_us) == (1, 1.0, at)


def test_a_window_ends_where_it_ends_online():
    at = NOW // 1_000_000 * 1_000_000
    shape = WINDOWED.shape
    edge, before = past([(at - 60_000_000 - NOW, 1.0, 0), (at - 60_000_001 - NOW, 9.0, 0)], WINDOWED)
    assert Walk(shape, [edge, before]).at(at).values == {"count_1m": 1, "max_1m": 1.0}


def test_what_was_late_is_known_only_once_it_was_sent():
    late = past([(-100, 1.0, 60_000_000)])
    asked = [NOW, NOW - 100 + 60_000_000]
    assert [one.values["count"] for one in features_as_of(SHAPE, late, asked)] == [1, 1]
    assert [one.as_of_us for one in features_as_of(SHAPE, late, asked, as_known=True)] == [None, NOW - 100]


def test_of_many_events_tiles_are_let_go_on_the_way(monkeypatch):
    every = past([(-second * 1_000_000, 1.0, 0) for second in range(2_000)], WINDOWED)
    walk = Walk(WINDOWED.shape, every)
    walk.at(NOW)
    assert len(walk._state.tiles[0]) <= 61 + asof_module.PRUNE_EVERY
