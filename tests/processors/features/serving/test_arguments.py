"""JSON values as functions ask for them, and what functions may return."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.features.definitions.functions import Parameter
from processors.features.serving.arguments import Unsuitable, argument
from processors.features.serving.results import NoResult, json_value

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def given_as(kind, value, nullable=False):
    return argument(Parameter("x", "field", kind, nullable, False), value)


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (str, "a", "a"),
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (float, 0.5, 0.5),
        (bool, False, False),
        (datetime, "2026-01-31T12:00:00Z", NOON),
        (datetime, "2026-01-31T13:00:00+01:00", NOON),
        (datetime, NOON, NOON),
    ],
)
def test_values_become_what_is_asked_for(kind, value, got):
    converted = given_as(kind, value)
    assert (converted, type(converted)) == (got, kind)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (str, 3, "field: 3 is a whole number, where a text is needed"),
        (int, "3", 'field: "3" is a text, where a whole number is needed'),
        (int, 3.5, "field: 3.5 is a number, where a whole number is needed"),
        (int, True, "field: True is true or false, where a whole number is needed"),
        (int, 2**64, "where a whole number is needed"),
        (float, True, "field: True is true or false, where a number is needed"),
        (float, [1], "field: [1] is a list, where a number is needed"),
        (float, 10**400, "where a number is needed"),
        (bool, 1, "field: 1 is a whole number, where true or false is needed"),
        (datetime, "2026-01-31T12:00:00", "where a time with its zone, as 2026-01-31T12:00:00Z, is needed"),
        (datetime, "noon", "where a time with its zone"),
        (datetime, 1769860800, "field: 1769860800 is a whole number, where a time is needed"),
        (datetime, "0001-01-01T00:00:00+14:00", "where a time with its zone"),
        (str, "\ud800", "where a text is needed"),
        (float, None, "field: nothing, where a number is needed"),
    ],
)
def test_other_values_are_refused_with_what_is_needed(kind, value, said):
    with pytest.raises(Unsuitable) as caught:
        given_as(kind, value)
    assert said in str(caught.value)


def test_nothing_is_given_to_what_may_be_none():
    assert given_as(float, None, nullable=True) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_what_json_can_say_comes_back_as_it_was(value):
    assert msgspec.json.decode(msgspec.json.encode(json_value(value))) == value


def test_subclasses_become_what_they_are_made_of():
    class Text(str):
        pass

    class Number(float):
        pass

    result = json_value({Text("a"): [Number(1.5), (Text("b"),)]})
    assert result == {"a": [1.5, ["b"]]}
    assert {type(one) for one in (*result, result["a"][0], result["a"][1][0])} == {str, float}


DEEP = []
for _ in range(40):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan is no JSON value"),
        ([1, {"a": float("inf")}], "inf is no JSON value"),
        (object(), "object is no JSON value"),
        ({1, 2}, "set is no JSON value"),
        (NOON, "datetime is no JSON value"),
        (b"x", "bytes is no JSON value"),
        ({1: 2}, "1 is no name of a field"),
        (2**63, "more than 64 bits"),
        ("\udfff", "no Unicode"),
        (DEEP, "more than 32 levels deep"),
    ],
)
def test_what_json_cannot_say_is_refused(value, said):
    with pytest.raises(NoResult, match=said):
        json_value(value)
