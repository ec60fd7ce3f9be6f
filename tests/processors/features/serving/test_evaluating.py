"""Specs evaluated for many records: in as few reads as can be, each record on its own."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.features import Count, Events, FeatureFunction, FeatureLookup, FeatureSpec, FeatureTable, Last
from processors.features.serving.calling import CallsHere
from processors.features.serving.evaluating import Evaluated, evaluate
from processors.features.serving.ports import Failed, Found, Lookup
from processors.features.serving.saying import say
from tests.processors.features.memory import Memory

SALES = FeatureTable("sales", "customer", Events("sale"), {"sales": Count(), "shop": Last("shop")})
VISITS = FeatureTable("visits", ("customer", "shop"), Events("visit"), {"visits": Count(), "note": Last("note")})
SHOPS = FeatureTable("shops", "shop", Events("opened"), {"city": Last("city", default="nowhere")})
NOW_US = 1_772_452_800_000_000


def share(sales: int, visits: int) -> float:
    return sales / visits


def hours(request_time: datetime, opened: datetime | None = None) -> float | None:
    return None if opened is None else (request_time - opened).total_seconds() / 3600


SPEC = FeatureSpec(
    "customers",
    [
        FeatureFunction(share, "share"),
        FeatureLookup(VISITS, ("customer", "shop"), ["visits"]),
        FeatureLookup(SALES, "customer"),
        FeatureLookup(SHOPS, "shop", defaults={"city": "Atlantis"}),
    ],
    says=["{customer} came {visits} times, last {visits.age} ago.", "From {city}."],
)


@pytest.fixture
def memory():
    memory = Memory(SALES, VISITS, SHOPS)
    memory.put("sale", "2026-03-01T10:00:00Z", {"customer": "c1"}, shop="s1")
    memory.put("sale", "2026-03-01T11:00:00Z", {"customer": "c1"}, shop="s1")
    memory.put("sale", "2026-03-01T11:00:00Z", {"customer": "c2"}, shop="s2")
    for hour in (8, 9, 10, 11):
        memory.put("visit", f"2026-03-02T{hour:02}:00:00Z", {"customer": "c1", "shop": "s1"})
    memory.put("opened", "2026-01-01T09:00:00Z", {"shop": "s1"}, city="Bonn")
    return memory


def run(memory, records, spec=SPEC, **moments):
    return evaluate(spec, records, memory, CallsHere([spec]), **{"now_us": NOW_US, **moments})


def test_every_record_is_answered_in_its_place(memory):
    found = run(memory, [{"customer": "c1"}, {"customer": "c2"}, {"customer": "c1", "more": 1}])
    assert found[0].outputs == {"share": 0.5, "visits": 4, "sales": 2, "shop": "s1", "city": "Bonn"}
    assert isinstance(found[1], Failed)
    assert found[2].outputs == found[0].outputs


def test_all_rows_of_a_stage_are_read_in_one_go_and_each_row_once(memory):
    run(memory, [{"customer": "c1"}, {"customer": "c2"}, {"customer": "c1"}])
    assert memory.reads == [
        [Lookup("sales", "c1"), Lookup("sales", "c2")],
        [Lookup("visits", "c1|s1"), Lookup("shops", "s1"), Lookup("visits", "c2|s2"), Lookup("shops", "s2")],
    ]


def test_a_function_that_fails_costs_its_record_alone_and_says_why(memory):
    found = run(memory, [{"customer": "c2"}, {"customer": "c1"}])
    told = "function share: ZeroDivisionError: division by zero"
    assert found[0] == Failed("function_failed", "A function failed", told)
    assert found[1].outputs["share"] == 0.5


def test_a_record_that_failed_is_looked_up_no_further(memory):
    run(memory, [{"customer": 1.5}])
    assert memory.reads == []


@pytest.mark.parametrize(
    ("record", "kind", "said"),
    [
        ({}, "missing_input", "customer: missing; customers needs customer"),
        ({"customer": True}, "invalid_input", "customer: bool is no key; send a text or a whole number"),
        ({"customer": 1.5}, "invalid_input", "customer: float is no key; send a text or a whole number"),
        ({"customer": ["c1"]}, "invalid_input", "customer: list is no key; send a text or a whole number"),
        ({"customer": "c1", "request_time": 3}, "invalid_input", "request_time: the moment of the request is not sent"),
    ],
)
def test_records_that_cannot_be_used_say_which_field(memory, record, kind, said):
    failed = run(memory, [record])[0]
    assert (failed.kind, said in failed.detail) == (kind, True)


def test_a_key_that_is_nothing_is_missing_and_has_defaults(memory):
    spec = FeatureSpec("one", [FeatureLookup(SALES, "customer"), FeatureLookup(SHOPS, "shop")])
    for key in (None, "", "nobody"):
        found = run(memory, [{"customer": key}], spec)[0]
        assert found.outputs == {"sales": 0, "shop": None, "city": "nowhere"}
        assert found.missing("sales")
        assert found.missing("city")
        assert found.sources["sales"][0].key == (key or None)


def test_whole_numbers_are_keys_however_json_wrote_them(memory):
    memory.put("sale", "2026-03-01T10:00:00Z", {"customer": "7"}, shop="s1")
    spec = FeatureSpec("one", [FeatureLookup(SALES, "customer", ["sales"])])
    assert [one.outputs["sales"] for one in run(memory, [{"customer": 7}, {"customer": 7.0}], spec)] == [1, 1]


def test_the_defaults_of_a_lookup_stand_where_a_row_or_a_value_is_missing(memory):
    memory.put("opened", "2026-01-01T09:00:00Z", {"shop": "s3"})
    spec = FeatureSpec("one", [FeatureLookup(SHOPS, "shop", defaults={"city": None})])
    assert run(memory, [{"shop": "s9"}], spec)[0].outputs == {"city": None}
    memory.put("visit", "2026-03-01T09:00:00Z", {"customer": "c1", "shop": "s1"})
    noted = FeatureSpec("two", [FeatureLookup(VISITS, ("a", "b"), ["note"], defaults={"note": "-"})])
    assert run(memory, [{"a": "c1", "b": "s1"}], noted)[0].outputs == {"note": "-"}


def test_a_function_gets_the_moment_it_is_evaluated_for(memory):
    spec = FeatureSpec("one", [FeatureFunction(hours, "hours")])
    opened = datetime.fromtimestamp(NOW_US / 1e6 - 7200, UTC).isoformat()
    assert run(memory, [{"opened": opened}, {}, {"opened": None}], spec)[0].outputs == {"hours": 2}
    assert [one.outputs["hours"] for one in run(memory, [{"opened": opened}], spec, at_us=NOW_US - 3_600_000_000)] == [
        1
    ]


def test_values_tell_the_rows_they_rest_on_and_the_oldest_of_their_times(memory):
    found = run(memory, [{"customer": "c1"}])[0]
    assert [(one.table, one.key, one.version) for one in found.sources["share"]] == [
        ("sales", "c1", SALES.version),
        ("visits", "c1|s1", VISITS.version),
    ]
    assert found.as_of_us("share") == found.as_of_us("sales")
    assert found.as_of_us("sales") < found.as_of_us("visits")
    assert found.as_of_us("customer") is None


def test_sentences_are_said_where_all_their_values_are_known(memory):
    found = run(memory, [{"customer": "c1"}])[0]
    assert say(SPEC, found, NOW_US) == ["c1 came 4 times, last 1 hour ago.", "From Bonn."]
    gone = Evaluated(found.record, found.values | {"city": None}, found.outputs, found.sources)
    assert say(SPEC, gone, NOW_US) == ["c1 came 4 times, last 1 hour ago."]


def test_a_value_in_a_sentence_breaks_no_line(memory):
    memory.put("opened", "2026-01-02T09:00:00Z", {"shop": "s1"}, city="Bonn\n\n am  Rhein")
    assert "From Bonn am Rhein." in say(SPEC, run(memory, [{"customer": "c1"}])[0], NOW_US)


class Older:
    """A reader of a version that lacks a feature, and of a copy without rows."""

    def __init__(self, values):
        self.values = values

    def read(self, requests, at_us):
        return [Found(self.values, None, True, "v1") for _ in requests]


def test_a_feature_that_is_not_built_yet_fails_the_record_and_an_empty_copy_has_defaults():
    spec = FeatureSpec("one", [FeatureLookup("copy", "key", ["city"], defaults={"city": "x"})])
    assert run(Older({"other": 1}), [{"key": "k"}], spec)[0].kind == "feature_missing"
    assert run(Older({}), [{"key": "k"}], spec)[0].outputs == {"city": "x"}


@given(st.lists(st.sampled_from(["c1", "c2", "c3", None, 1.5]), max_size=6))
def test_records_together_are_answered_as_each_alone(keys):
    memory = Memory(SALES, VISITS, SHOPS)
    memory.put("sale", "2026-03-01T10:00:00Z", {"customer": "c1"}, shop="s1")
    memory.put("visit", "2026-03-02T10:00:00Z", {"customer": "c1", "shop": "s1"})
    records = [{"customer": key} for key in keys]
    assert run(memory, records) == [run(memory, [record])[0] for record in records]
