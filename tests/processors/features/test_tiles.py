"""Many changes of one key between two prunings: as a run of records brings them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.features import Count, Events, FeatureTable, Max, Quantile, Sum
from processors.features.reading import read_features
from processors.features.recompute import agrees, recompute
from processors.features.tiles import add, new_state, prune, remove, restore

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
SHAPE = FeatureTable(
    "sales",
    "customer",
    Events("sale"),
    {"n": Count(), "x": Sum("x"), "high": Max("x"), "median": Quantile("x")},
    windows=("1m", "1h", "all"),
).shape


OFFSETS = st.sampled_from([-9_000, -4_000, -3_590, -70, -59, -1, 0])
"""Few moments: events share tiles, and come after those that let them go. Seconds."""


def values(x):
    return [True, x, x, x]


def take(state, events, name):
    moment, old = events.pop(name)
    for span in remove(SHAPE, state, moment, old):
        inside = [
            one
            for one in events.values()
            if (span.begin_us is None or one[0][0] >= span.begin_us) and one[0][0] < span.end_us
        ]
        assert restore(SHAPE, state, span, inside)


def test_an_event_that_came_too_late_for_a_tile_that_is_still_there_takes_nothing_out_of_it():
    state = new_state(SHAPE)
    add(SHAPE, state, (NOW, "early"), values(1.0), NOW)
    add(SHAPE, state, (NOW + 7_200 * SECOND, "newest"), values(2.0), NOW + 7_200 * SECOND)
    add(SHAPE, state, (NOW, "late"), values(0.5), NOW + 7_200 * SECOND)  # left out: no window reaches so far back
    assert remove(SHAPE, state, (NOW, "late"), values(0.5)) == []
    prune(SHAPE, state)
    assert read_features(SHAPE, state, NOW + 7_200 * SECOND)["n"] == 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), OFFSETS, st.sampled_from([0.5, 1.0, 2.0, 300.0]), st.booleans()),
        max_size=30,
    )
)
def test_changes_without_a_pruning_between_them_come_to_what_a_walk_finds(steps):
    state, events = new_state(SHAPE), {}
    for number, offset, x, taken in steps:
        name = f"e{number}"
        if name in events:
            take(state, events, name)
        if not taken:
            events[name] = ((NOW + offset * SECOND, name), values(x))
            add(SHAPE, state, *events[name], NOW + offset * SECOND)
    prune(SHAPE, state)
    read, walked = read_features(SHAPE, state, NOW), recompute(SHAPE, events.values(), NOW)
    wrong = {one.name for one in SHAPE.features if not agrees(SHAPE, one, read[one.name], walked[one.name])}
    assert wrong == set()
