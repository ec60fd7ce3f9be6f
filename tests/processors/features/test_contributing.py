"""What a record adds to a table, and records a definition cannot be applied to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.features import Count, DecayedRate, Events, FeatureTable, Last, Sum
from processors.features.contributing import Unfit, contribution, join_key

ROW = {"type": "sale", "customer": "c1", "shop": "s|1", "price": 3}


def table(aggregations, **changed):
    return FeatureTable(
        "sales", **({"primary_key": "customer", "source": Events("sale")} | changed), aggregations=aggregations
    )


def test_other_types_filtered_records_and_records_without_key_add_nothing():
    one = table({"sales": Count()}, where=lambda row: row["price"] > 2)
    assert contribution(one, ROW) is not None
    assert contribution(one, ROW | {"type": "return"}) is None
    assert contribution(one, ROW | {"price": 1}) is None
    assert contribution(one, {"type": "sale", "price": 3}) is None


def test_a_missing_field_adds_nothing_to_its_cell_alone():
    found = contribution(table({"sales": Count(), "spent": Sum("amount"), "rate": DecayedRate()}), ROW)
    assert found.values == (True, None, 1.0)


def test_parts_of_a_key_are_joined_so_that_no_two_keys_meet():
    assert contribution(table({"n": Count()}, primary_key=("customer", "shop")), ROW).key == "c1|s\\|1"


@given(
    st.lists(st.text("a|\\", max_size=4), min_size=2, max_size=2),
    st.lists(st.text("a|\\", max_size=4), min_size=2, max_size=2),
)
def test_different_parts_make_different_keys(one, other):
    assert (join_key(one) == join_key(other)) == (one == other)


@pytest.mark.parametrize(
    ("aggregation", "value", "said"),
    [
        (Sum("price"), "3", "str is no number"),
        (Sum("price"), True, "bool is no number"),
        (Sum("price"), float("nan"), "too large or too small"),
        (Sum("price"), float("inf"), "too large or too small"),
        (Sum("price"), 1e-200, "too large or too small"),
        (Last("price"), "x" * 401, "at most 400"),
        (Last("price"), 2**63, "64 bits"),
        (Last("price"), [1], "list is no number, text or truth value"),
        (Sum(lambda row: row["price"] / 0), 1, "failed: ZeroDivisionError"),
        (Count(where=lambda row: row["gone"]), 1, "failed: KeyError: 'gone'"),
    ],
)
def test_what_cannot_be_added_names_table_and_field(aggregation, value, said):
    with pytest.raises(Unfit) as caught:
        contribution(table({"one": aggregation}), ROW | {"price": value})
    assert said in caught.value.what
    assert caught.value.field.startswith("sales.")


def test_there_is_one_zero():
    assert (
        str(contribution(table({"spent": Sum("price"), "last": Last("price")}), ROW | {"price": -0.0}).values)
        == "(0.0, 0.0)"
    )
