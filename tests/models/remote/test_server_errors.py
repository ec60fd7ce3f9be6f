import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.remote.server_errors import ServerError, read_error, told_safely

KEY = "sk-proj-0123456789"
NAMES = st.sampled_from(["error", "code", "message", "detail", "type"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(KEY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)


@given(st.integers(300, 599), JSON)
def test_whatever_an_endpoint_reports_is_one_short_line_without_the_key(status, report):
    error = read_error(status, json.dumps(report).encode(), None, KEY).failure.error
    assert KEY not in error
    assert len(error.splitlines()) == 1 and len(error) < 400


@given(st.integers(300, 599), st.binary())
def test_whatever_bytes_come_the_failure_has_the_status(status, body):
    assert read_error(status, body, None, KEY).failure.error.startswith(f"HTTP {status}")


@given(st.integers(300, 599), JSON)
def test_what_would_fail_for_ever_is_not_tried_again(status, report):
    failure = read_error(status, json.dumps(report).encode(), 1.0, None).failure
    assert not (failure.lasting and (failure.retryable or failure.endpoint))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "the words"}}',
        b'{"error": "the words"}',
        b'{"detail": "the words"}',
        b'{"message": "the words"}',
        b'"the words"',
        b'{"detail": [{"msg": "the words"}]}',
    ],
)
def test_the_words_are_found_in_every_known_shape(body):
    assert "the words" in read_error(400, body, None, None).message


def test_what_an_endpoint_says_of_a_wrong_key_is_not_repeated():
    assert "abcd" not in ServerError(401, message="Incorrect API key: abcd**wxyz").failure.error


@pytest.mark.parametrize("text", ["Bearer abcdefgh", "key sk-abcd-efgh_1", "gsk_12345678", "hf_abcdefgh"])
def test_what_looks_like_a_key_is_masked(text):
    assert told_safely(text, None).endswith("[key]")


def test_the_key_is_masked_whatever_it_looks_like():
    assert told_safely("no 0f3a9c77 here", "0f3a9c77") == "no [key] here"


def test_an_unknown_name_of_a_safety_field_is_no_filter():
    assert not ServerError(400, "", "safety_identifier is not supported").failure.lasting
