"""Rows as of moments equal a plain walk over the log, whatever is kept in memory."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.kept_store import KeptStore
from processors.features import Count, Events, FeatureLookup, FeatureSpec, FeatureTable, Max, Sum
from processors.features.recompute import agrees, recompute
from processors.features.serving.ports import Lookup
from streams.features.module import FeatureModule
from streams.features.training_past import NotStanding, PastReader
from tests.streams.feature_shelf import DAY, NOW, Shelf

TABLE = FeatureTable(
    "spending", "customer", Events("sale"), {"n": Count(), "spent": Sum("price"), "top": Max("price")},
    windows=("1h", "7d", "all"),
)  # fmt: skip
SPEC = FeatureSpec("spec", [FeatureLookup(TABLE, "customer")])
MODULE = FeatureModule({"spending": TABLE}, {}, {"spec": SPEC})
NOW_US = int(NOW * 1e6)


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path, TABLE)
    yield shelf
    shelf.close()


@pytest.fixture
def filled(shelf):
    """Some corrected, some deleted, of two customers."""
    for number in range(12):
        shelf.put(f"e{number}", number * 7_211, price=float(number), entity={"customer": f"c{number % 2}"})
    shelf.put("e3", 90, price=99.0, entity={"customer": "c1"}, revision=1)
    shelf.take("e4")
    return shelf


def standing(customer):
    found = [(number, number * 7_211, float(number)) for number in range(12) if number not in (3, 4)]
    found.append((3, 90, 99.0))
    return [
        ((int((NOW - ago) * 1e6), f"e{number}"), (True, price, price))
        for number, ago, price in found
        if f"c{number % 2}" == customer
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.tuples(st.sampled_from(["c0", "c1", "c2"]), st.integers(0, 100_000)), max_size=12),
    keep=st.sampled_from([0, 1, 7, 1_000]),
)
def test_rows_as_of_moments_equal_a_walk_over_the_log(filled, asked, keep):
    store = KeptStore(filled.place)
    with store.transaction() as connection:
        reader = PastReader(connection, MODULE, SPEC, now_us=NOW_US, as_known=False, keep=keep)
        for key, ago in asked:
            at_us = NOW_US - ago * 1_000_000
            (found,) = reader.read([Lookup("spending", key)], at_us)
            before = [one for one in standing(key) if one[0][0] <= at_us]
            assert found.missing == (not before)
            if before:
                true = recompute(TABLE.shape, before, at_us)
                assert all(
                    agrees(TABLE.shape, one, found.values[one.name], true[one.name]) for one in TABLE.shape.features
                )
    store.close()


def test_a_log_that_lacks_nothing_is_complete_from_the_beginning(shelf):
    shelf.put("e1", 400 * DAY, price=1.0)
    store = KeptStore(shelf.place)
    with store.transaction() as connection:
        reader = PastReader(connection, MODULE, SPEC, now_us=NOW_US, as_known=False)
        assert reader.complete_from_us == 0
    shelf.put("e1", 400 * DAY, price=2.0, revision=1)
    with store.transaction() as connection:
        reader = PastReader(connection, MODULE, SPEC, now_us=NOW_US, as_known=False)
        assert NOW_US - 90 * DAY * 1_000_000 <= reader.complete_from_us < NOW_US
    store.close()


def test_a_table_that_stands_otherwise_than_in_the_module_is_refused(shelf):
    other = FeatureTable("spending", "customer", Events("sale"), {"n": Count()})
    spec = FeatureSpec("spec", [FeatureLookup(other, "customer")])
    store = KeptStore(shelf.place)
    with store.transaction() as connection, pytest.raises(NotStanding, match="your module has"):
        PastReader(
            connection, FeatureModule({"spending": other}, {}, {"spec": spec}), spec, now_us=NOW_US, as_known=False
        )
    store.close()
