from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.remote.retry_after import MAX_RETRY_AFTER_S, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("99999", MAX_RETRY_AFTER_S),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 14:01:00 +0200", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Mar 2126 12:00:00 GMT", MAX_RETRY_AFTER_S),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
    ],
)
def test_seconds_and_dates_are_read_and_bounded(text, seconds):
    assert retry_after_s({"retry-after": text}, NOW) == seconds


def test_milliseconds_are_finer():
    assert retry_after_s({"retry-after": "1", "retry-after-ms": "250"}, NOW) == 0.25


@given(st.text())
def test_no_header_breaks_the_reading(text):
    seconds = retry_after_s({"retry-after": text}, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S
