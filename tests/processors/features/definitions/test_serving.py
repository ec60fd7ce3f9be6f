"""Feature specs: what they make of a module's definitions, and what they refuse, with the line that says it."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.features import (
    Count,
    Events,
    FeatureFunction,
    FeatureLookup,
    FeatureSpec,
    FeatureTable,
    Last,
    WrongDefinition,
)
from processors.features.examples import orders
from processors.features.examples.orders import order_status

SALES = FeatureTable(
    "sales", "customer", Events("sale"), {"sales": Count(), "city": Last("city")}, windows=("1h", "all")
)
PAIRS = FeatureTable("pairs", ("customer", "shop"), Events("sale"), {"visits": Count()})


def plain(price: float) -> float:
    return price


def other(plain: float, factor: int = 2) -> float:
    return plain * factor


def untyped(price) -> float:
    return price


def listed(prices: list[float]) -> float:
    return sum(prices)


def spread(*prices: float) -> float:
    return sum(prices)


def unknown_type(price: "Nowhere") -> float:  # noqa: F821
    return price


async def later(price: float) -> float:
    return price


def function_of(names, output):
    """Make a function feature with these inputs."""
    namespace = {}
    told = ", ".join(f"a{place}: float" for place in range(len(names)))
    exec(f"def made({told}) -> float: return 0.0", namespace)
    return FeatureFunction(namespace["made"], output, {f"a{place}": name for place, name in enumerate(names)})


def test_what_nobody_makes_is_an_input_and_the_moment_of_the_request_is_none():
    def hours(city: str, request_time: datetime, shop: str) -> float:
        return 0.0

    spec = FeatureSpec("one", [FeatureFunction(hours, "hours"), FeatureLookup(SALES, "customer_id")])
    assert spec.inputs == ("shop", "customer_id")
    assert spec.outputs == ("hours", "sales_1h", "sales", "city_1h", "city")


def test_an_input_with_a_default_is_not_required_unless_somebody_else_needs_it():
    assert FeatureSpec("one", [FeatureFunction(plain, "plain"), FeatureFunction(other, "other")]).required == ("price",)
    needed = [FeatureFunction(other, "other"), FeatureFunction(plain, "again", {"price": "factor"})]
    assert FeatureSpec("two", needed).required == ("plain", "factor")


def test_an_excluded_output_is_made_and_not_served():
    spec = FeatureSpec("one", [FeatureFunction(other, "end"), FeatureFunction(plain, "plain")], exclude=["plain"])
    assert spec.outputs == ("end",)
    assert set(spec.makers) == {"plain", "end"}


def test_a_lookup_by_a_looked_up_key_waits_for_it():
    first = FeatureLookup(SALES, "customer", ["city"])
    second = FeatureLookup(PAIRS, ("city", "shop"))
    spec = FeatureSpec("one", [second, first])
    assert [stage.lookups for stage in spec.stages] == [(first,), (second,)]
    assert spec.inputs == ("shop", "customer")


def test_the_age_of_a_function_s_output_is_that_of_the_rows_it_rests_on():
    lookup = FeatureLookup(SALES, "customer", ["city"])
    spec = FeatureSpec("one", [FeatureFunction(plain, "end", {"price": "city"}), lookup])
    assert spec.looked_up == {(lookup,): ("city", "end")}


def test_sentences_may_tell_inputs_outputs_and_ages():
    spec = FeatureSpec(
        "one", [FeatureLookup(SALES, "customer")], says=["{customer} bought {sales}, {sales.age} ago {{}}"]
    )
    assert spec.sentences[0].names == ("customer", "sales")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FeatureLookup(None, "customer"), "table=None is no feature table"),
        (lambda: FeatureLookup("sales", "customer"), "does not say which features"),
        (lambda: FeatureLookup(SALES, ()), "has no lookup_key"),
        (lambda: FeatureLookup(SALES, 7), "has no lookup_key"),
        (lambda: FeatureLookup(SALES, "a", rename=["sales"]), "rename=['sales'] is no mapping"),
        (lambda: FeatureLookup(SALES, "a", defaults={"sales": [1]}), "defaults: sales is no text"),
        (lambda: FeatureLookup(SALES, "request_time"), "request_time is no key"),
        (lambda: FeatureLookup(SALES, ("a", "b")), "lookup_key has 2 parts, the primary key 1: customer"),
        (lambda: FeatureLookup(SALES, "a", ["salez"]), "features: there is no 'salez'. It has sales_1h, sales,"),
        (lambda: FeatureLookup(SALES, "a", "sales"), "features='sales' is no list"),
        (lambda: FeatureLookup(SALES, "a", ["sales", "sales"]), "names 'sales' twice"),
        (lambda: FeatureLookup(SALES, "a", ["sales"], rename={"city": "x"}), "rename: there is no 'city'"),
        (lambda: FeatureLookup(SALES, "a", ["sales"], defaults={"city": "x"}), "defaults: there is no 'city'"),
        (lambda: FeatureLookup(SALES, "a", rename={"sales": "city"}), "two features get one name"),
        (lambda: FeatureLookup(SALES, "a", rename={"sales": "My Sales"}), "'My Sales' is no name"),
        (lambda: FeatureLookup(SALES, "a\nb"), "is no name. Use the name of a field"),
        (lambda: FeatureFunction("plain", "x"), "is no function"),
        (lambda: FeatureFunction(untyped, "x"), "argument 'price' has no type"),
        (lambda: FeatureFunction(listed, "x"), "argument 'prices' has the type list"),
        (lambda: FeatureFunction(spread, "x"), "argument 'prices' has no name of its own"),
        (lambda: FeatureFunction(unknown_type, "x"), "its arguments cannot be read (name 'Nowhere' is not defined)"),
        (lambda: FeatureFunction(later, "x"), "is asynchronous or a generator"),
        (lambda: FeatureFunction(plain, "x", {"prize": "y"}), "has no argument 'prize'. Its arguments: price."),
        (lambda: FeatureFunction(plain, "The X"), "'The X' is no name"),
        (lambda: FeatureSpec("The Spec", [FeatureFunction(plain, "x")]), "feature spec: 'The Spec' is no name"),
        (lambda: FeatureSpec("one", []), "has no list of features"),
        (lambda: FeatureSpec("one", FeatureFunction(plain, "x")), "has no list of features"),
        (lambda: FeatureSpec("one", [plain]), "is no feature. Use"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], exclude="x"), "exclude is one text"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], exclude=["y"]), "exclude: there is no 'y'"),
        (
            lambda: FeatureSpec("one", [FeatureFunction(plain, "x")] * 2),
            "'x' is made twice, by function",
        ),
        (
            lambda: FeatureSpec("one", [FeatureFunction(plain, "sales"), FeatureLookup(SALES, "a")]),
            "'sales' is made twice, by function 'plain' and by lookup of 'sales'",
        ),
        (
            lambda: FeatureSpec("one", [FeatureFunction(plain, "request_time")]),
            "makes 'request_time', which every spec",
        ),
        (
            lambda: FeatureSpec("one", [FeatureFunction(plain, "price")]),
            "a cycle: function 'plain' needs function 'plain'",
        ),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{y}"]), "says: there is no 'y'"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{x.age}"]), "it rests on no lookup"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{x:.2f}"]), "{x} has a format"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{x!r}"]), "{x} has a format"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{x.as_of}"]), "{x.as_of} is no value"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{x"]), "cannot be read"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=[7]), "cannot be read"),
        (lambda: FeatureSpec("one", [FeatureFunction(plain, "x")], says=["{}"]), "{} is no value"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line_and_a_remedy(make, said):
    with pytest.raises(WrongDefinition) as caught:
        make()
    assert said in f"{caught.value.what}. {caught.value.remedy}"
    assert (caught.value.place.file, caught.value.place.line) == (__file__, make.__code__.co_firstlineno)


def test_a_lookup_by_name_is_held_to_the_table_once_it_is_known():
    spec = FeatureSpec("one", [FeatureLookup("sales", "customer", ["sales", "city"])])
    spec.check_tables([SALES, PAIRS])
    for tables, said in (
        ([PAIRS], "there is no such table in the module"),
        ([FeatureTable("sales", ("a", "b"), Events(), {"sales": Count(), "city": Count()})], "the primary key 2: a, b"),
        ([FeatureTable("sales", "a", Events(), {"sales": Count()})], "features: there is no 'city'"),
    ):
        with pytest.raises(WrongDefinition, match="lookup of 'sales'") as caught:
            spec.check_tables(tables)
        assert said in caught.value.what
        assert caught.value.place.file == __file__


def test_the_examples_say_where_they_were_written():
    assert order_status.place.file == orders.__file__


@st.composite
def graphs(draw):
    """Draw features whose inputs are earlier ones or what records bring, shuffled."""
    size = draw(st.integers(1, 12))
    names = [f"x{place}" for place in range(size)]
    inputs = [
        draw(st.lists(st.sampled_from([*names[:place], "i1", "i2"]), max_size=4, unique=True)) for place in range(size)
    ]
    return draw(st.permutations(list(zip(names, inputs, strict=True))))


@given(graphs())
def test_the_order_respects_every_edge_and_holds_every_feature_once(graph):
    spec = FeatureSpec("one", [function_of(inputs, name) for name, inputs in graph])
    stages = [[one.output_name for one in stage.functions] for stage in spec.stages]
    assert sorted(name for stage in stages for name in stage) == sorted(name for name, _ in graph)
    place = {name: number for number, stage in enumerate(stages) for name in stage}
    for name, inputs in graph:
        assert all(place.get(one, -1) < place[name] for one in inputs)
    assert set(spec.inputs) == {one for _, inputs in graph for one in inputs} & {"i1", "i2"}


@given(graphs(), st.data())
def test_an_edge_back_to_what_needs_it_is_a_cycle(graph, data):
    makers = dict(graph)
    last = data.draw(st.sampled_from(sorted(makers)))
    above = {last}
    while more := {one for name in above for one in makers[name] if one in makers} - above:
        above |= more
    first = data.draw(st.sampled_from(sorted(above)))  # last needs first, in the end
    changed = [(name, [*inputs, last] if name == first else inputs) for name, inputs in graph]
    with pytest.raises(WrongDefinition, match="a cycle"):
        FeatureSpec("one", [function_of(list(dict.fromkeys(inputs)), name) for name, inputs in changed])
