from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Unreadable
from streams.cli.sending.kinds import KINDS, Shaper, made_up


def review(row, columns=None):
    return Shaper(KINDS["reviews"], columns or {}).record(
        {"product_id": "p", "review_id": "r", "text": "t", **row}, str
    )


@pytest.mark.parametrize(
    "value", [1340409600, "1340409600", 1340409600.0, 1340409600000, "2012-06-23", "2012-06-23T02:00:00+02:00"]
)
def test_dates_come_as_unix_numbers_or_iso_and_mean_utc_without_a_zone(value):
    assert review({"created_at": value}).created_at == datetime(2012, 6, 23, tzinfo=UTC)


@pytest.mark.parametrize("value", [5, "5", "5.0", 5.0, "5e0"])
def test_whole_numbers_may_be_written_in_many_ways(value):
    assert review({"rating": value}).rating == 5


@pytest.mark.parametrize("value", [7, 0, 4.5, "4.5", "five", "nan", "inf", True, [5], "1e999"])
def test_what_is_no_rating_is_refused_by_name(value):
    with pytest.raises(Unreadable) as refused:
        review({"rating": value})
    assert (refused.value.reason, refused.value.field) == ("invalid_field", "rating")


def test_an_empty_cell_is_no_value_but_an_empty_text_is_one():
    found = review({"rating": "", "title": "", "text": ""})
    assert (found.rating, found.title, found.text) == (None, None, "")


def test_ids_may_be_numbers():
    assert review({"product_id": 9007199254740993}).product_id == "9007199254740993"


def test_a_mapped_field_is_read_from_its_column_only():
    found = review({"rating": 1, "stars": 4}, {"rating": "stars"})
    assert found.rating == 4


def test_a_missing_id_is_made_once_and_only_when_missing():
    shaper = Shaper(KINDS["reviews"], {})
    assert shaper.record({"product_id": "p", "text": "t"}, lambda: made_up("abc", 7)).review_id == made_up("abc", 7)
    given = {"product_id": "p", "review_id": "own", "text": "t"}
    assert shaper.record(given, lambda: pytest.fail("nobody asked")).review_id == "own"


@given(st.text(), st.integers(1), st.text(), st.integers(1))
def test_made_up_ids_are_the_same_only_for_the_same_row(content, number, other, another):
    assert (made_up(content, number) == made_up(other, another)) == ((content, number) == (other, another))


def test_cells_of_csv_may_hold_json():
    row = {"event_id": "e", "type": "sale", "entity": '{"user": "u1"}', "values": '{"price": 3.5}', "occurred_at": "0"}
    event = Shaper(KINDS["events"], {}).record(row, str)
    assert event.entity == {"user": "u1"}
    assert KINDS["events"].key(event) == "u1"


@given(
    st.dictionaries(
        st.sampled_from(["product_id", "text", "rating", "created_at", "op", "revision"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2),
    )
)
def test_any_row_becomes_a_record_or_a_told_reject(row):
    try:
        found = Shaper(KINDS["reviews"], {}).record(row, lambda: "id")
    except Unreadable as problem:
        assert problem.reason
        assert problem.error
    else:
        assert found.product_id
