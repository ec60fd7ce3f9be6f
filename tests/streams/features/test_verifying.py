"""Whatever a worker is sent, its rows are what a plain walk over the log says, and so is what everybody reads."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.database import Waits, open_store
from infra.kept_store import KeptStore
from infra.places import StorePlace
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
from processors.features.serving.ports import Lookup
from streams.features.past import StreamTables
from streams.features.reading import FeatureReader
from streams.features.standing import read_kept
from streams.features.verifying import verify_table
from tests.streams.fakes import START_S
from tests.streams.feature_world import Worker, begin, event, sent

KINDS = {
    "count": Count(), "sum": Sum("x"), "mean": Mean("x"), "min": Min("x"), "max": Max("x"), "first": First("y"),
    "last": Last("y"), "distinct": Distinct("y"), "median": Quantile("x"), "rate": DecayedRate(half_life="10m"),
    "ratio": Ratio(top=Sum("x"), bottom=Count()),
}  # fmt: skip
SALES = FeatureTable("sales", "customer", Events("sale"), KINDS, windows=("1m", "1h", "7d", "all"))
BIG = FeatureTable(
    "big", "customer", Events("sale"), KINDS, windows=("5m", "all"), where=lambda row: (row.get("x") or 0) > 3
)

STEP = st.fixed_dictionaries(
    {
        "name": st.integers(0, 9).map("e{}".format),
        "customer": st.sampled_from(["c", "d"]),
        "revision": st.integers(0, 4),
        "op": st.sampled_from(["upsert", "upsert", "upsert", "delete"]),
        "at_s": st.one_of(st.integers(-9, 9), st.integers(-7_200, 600), st.integers(-15 * 86_400, 0)),
        "x": st.sampled_from([0.1, 0.2, 1e16, -1e16, 3.5, 4, -0.0]),
        "y": st.sampled_from(["Halle", "Leipzig", True, 1, 1.5]),
    }
)


def record(step):
    step = dict(step)
    return event(step.pop("name"), step.pop("customer"), at_s=step.pop("at_s"), **step)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, max_size=25), st.integers(1, 6), st.integers(0, 2 * 86_400))
def test_rows_are_what_the_events_say_and_so_is_what_is_read_of_them(tmp_path_factory, steps, size, later_s):
    place = StorePlace("featurize", tmp_path_factory.mktemp("home"))
    store = open_store(place, Waits())
    begin(store)
    worker = Worker(store, [SALES, BIG])
    for start in range(0, len(steps), size):
        some = steps[start : start + size]
        worker.apply(*(sent(start + place, record(step)) for place, step in enumerate(some)))
        worker.keep()
    now = START_S + len(steps) + later_s
    told, mismatches = verified(place, now)
    assert mismatches == []
    assert {one.table for one in told} == {"sales", "big"}
    assert_read_alike(place, now)
    store.close()


def verified(place, now):
    kept, mismatches = KeptStore(place), []
    with kept.transaction() as connection:
        told = [
            verify_table(
                connection, table, StreamTables({"sales": SALES, "big": BIG}), int(now * 1e6), limit=None,
                show=lambda _: None, found=mismatches.append,
            )
            for table in read_kept(connection, {}).values()
        ]  # fmt: skip
    kept.close()
    return told, mismatches


def assert_read_alike(place, now):
    """With the module's functions and without: the same, where nothing happens later."""
    asked = [Lookup(table, key) for table in ("sales", "big") for key in ("c", "d")]
    readers = [
        FeatureReader(place, functions, lambda: now + 700) for functions in (None, StreamTables({"sales": SALES}))
    ]
    first, second = (reader.stand(asked) for reader in readers)
    assert msgspec.json.encode([one.values for one in first]) == msgspec.json.encode([one.values for one in second])
    assert not any(one.partial for one in first)
    for reader in readers:
        reader.close()
