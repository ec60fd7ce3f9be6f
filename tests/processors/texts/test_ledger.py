import itertools

from hypothesis import given
from hypothesis import strategies as st

from processors.texts.ledger import canonical_input, ledger_key
from tests.processors.readings import band, point, reading


@given(st.tuples(*[st.text(max_size=3)] * 5), st.tuples(*[st.text(max_size=3)] * 5))
def test_keys_are_equal_only_for_equal_calls(one, other):
    assert (ledger_key(*one) == ledger_key(*other)) == (one == other)


def test_no_part_runs_into_the_next():
    keys = [ledger_key(*parts) for parts in itertools.product(["", "a", '"', ",", "\\"], repeat=5)]
    assert len(set(keys)) == len(keys)


def test_a_key_never_changes_between_versions():
    key = ledger_key("extractive", "m", "1", "", "{}")
    assert key == "ce5ae5f2adb6f814ebfe4258159a022a13b9e3a8127f6e0e668bbdabfee23dd2"


def test_equal_readings_are_one_input_and_a_changed_count_is_another():
    first = canonical_input(reading(band(3, [point("It fits", 2)])))
    assert first == canonical_input(reading(band(3, [point("It fits", 2)])))
    assert first != canonical_input(reading(band(3, [point("It fits", 3)])))
