"""Feature tables that cannot work are refused where they are written, and others are worked out."""

import inspect
from pathlib import Path

import pytest

from processors.features import (
    Count,
    DecayedRate,
    Distinct,
    Events,
    FeatureTable,
    Last,
    Mean,
    Quantile,
    Ratio,
    Reviews,
    Sum,
)
from processors.features.definitions.faults import WrongDefinition
from processors.features.definitions.windows import DAY_US

HERE = Path(__file__).name


def sales(**changed):
    given = {"primary_key": "customer", "source": Events("sale"), "aggregations": {"sales": Count()}} | changed
    return FeatureTable("sales", **given)


def lines_of(function):
    lines, first = inspect.getsourcelines(function)
    return range(first, first + len(lines))


def refusal(make):
    with pytest.raises(WrongDefinition) as caught:
        make()
    return caught.value


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FeatureTable("Sales", "customer", Events(), {"sales": Count()}), "'Sales' is no name"),
        (lambda: sales(primary_key=""), "no primary key"),
        (lambda: sales(source="events"), "is no source"),
        (lambda: sales(aggregations={}), "no aggregations"),
        (lambda: sales(aggregations={"sales": Count}), "is no aggregation"),
        (lambda: sales(aggregations={"Sales": Count()}), "'Sales' is no name"),
        (lambda: sales(windows=()), "has no windows"),
        (lambda: sales(windows="1h"), "has no windows"),
        (lambda: sales(windows=("1y",)), "no span of time"),
        (lambda: sales(windows=("30s",)), "not between 1m and 90d"),
        (lambda: sales(windows=("91d",)), "not between 1m and 90d"),
        (lambda: sales(windows=("1h", "1h")), "two features are called"),
        (lambda: sales(aggregations={"a": Count(windows=("1h",)), "a_1h": Count()}), "two features are called 'a_1h'"),
        (lambda: sales(where="x"), "where is no function"),
        (lambda: sales(keep_days=0), "not between 1 and 400"),
        (lambda: sales(windows=("30d",), keep_days=7), "less than its longest window"),
        (lambda: Sum(), "does not say of what"),
        (lambda: Sum(3), "neither a field's name nor a function"),
        (lambda: Count(where=True), "is no function"),
        (lambda: Quantile("x", q=95), "not between 0 and 1"),
        (lambda: Quantile("x", error=0.5), "not between .001 and .2"),
        (lambda: DecayedRate(half_life="1y"), "no span of time"),
        (lambda: DecayedRate(half_life="31d"), "not between 1s and 30d"),
        (lambda: DecayedRate(windows=("1h",)), "no windows"),
        (lambda: Ratio(top=Count(), bottom=Last("x")), "bottom is no Count, Sum or Mean"),
        (lambda: Ratio(top=Count(windows=("1h",)), bottom=Count()), "windows of its own"),
        (lambda: Events(3), "types are names"),
    ],
)
def test_a_wrong_definition_names_its_file_line_fault_and_remedy(make, said):
    fault = refusal(make)
    assert said in fault.what
    assert fault.place.file.endswith(HERE)
    assert any(fault.place.line in lines_of(one) for one in (make, sales))
    assert fault.remedy.endswith(".")
    assert str(fault).startswith(str(fault.place))


def test_features_are_called_by_their_windows():
    names = [
        one.name
        for one in sales(
            aggregations={"n": Count(), "last": Last("x", windows=("all",))}, windows=("1h", "all")
        ).shape.features
    ]
    assert names == ["n_1h", "n", "last"]


def test_equal_aggregations_share_a_cell_and_equal_windows_their_tiles():
    table = sales(
        aggregations={"spent": Sum("price"), "share": Ratio(top=Sum("price"), bottom=Count()), "sales": Count()},
        windows=("1h", "2h"),
    )
    assert [one.kind for one in table.shape.cells] == ["sum", "count"]
    assert [level.hop_us for level in table.shape.levels] == [60_000_000]


def test_all_time_and_ninety_days_share_tiles_that_are_never_let_go():
    (level,) = sales(windows=("90d", "all")).shape.levels
    assert (level.hop_us, level.reach_us) == (DAY_US, None)


def test_events_can_be_corrected_for_as_long_as_the_longest_window_at_least():
    assert sales(windows=("1h",)).shape.keep_us == 7 * DAY_US
    assert sales(windows=("30d",)).shape.keep_us == 30 * DAY_US
    assert sales(windows=("all",)).shape.keep_us == 90 * DAY_US
    assert sales(windows=("1h",), keep_days=2).shape.keep_us == 2 * DAY_US


PRICES = {"DE": 1.19}


def vat(row):
    return row["price"] * PRICES["DE"]


def test_the_version_follows_what_functions_do_and_nothing_else():
    first = sales(aggregations={"spent": Sum(lambda row: row["price"] * 2)})
    same = sales(aggregations={"spent": Sum(lambda r: r["price"] * 2)}, description="other words")  # a comment
    other = sales(aggregations={"spent": Sum(lambda row: row["price"] * 3)})
    assert first.version == same.version != other.version
    assert sales(where=lambda row: row["a"]).version != sales().version
    assert sales(source=Events("sold")).version != sales().version
    assert sales(primary_key="shop").version != sales().version


def test_the_version_follows_what_a_function_reaches(monkeypatch):
    before = sales(aggregations={"spent": Sum(vat)}).version
    monkeypatch.setitem(PRICES, "DE", 1.07)
    assert sales(aggregations={"spent": Sum(vat)}).version != before


def test_reviews_are_a_source():
    table = FeatureTable(
        "products", "product_id", Reviews(), {"rating": Mean("rating"), "authors": Distinct("author_id")}
    )
    assert table.primary_key == ("product_id",)
