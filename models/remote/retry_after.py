"""How long an endpoint wants to be left alone."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 600.0
"""No endpoint is believed that wants more: a clock of its own may be wrong by years."""


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds in ``Retry-After``, as a number or until a date; None if it says nothing one can read.

    Args:
        headers: Of the answer; names are looked up as given, so case is the mapping's matter.
        now: What a date is compared with.

    Example:
        >>> now = datetime(2026, 1, 1, tzinfo=UTC)
        >>> retry_after_s({"retry-after": "20"}, now), retry_after_s({"retry-after": "1e9"}, now)
        (20.0, 600.0)
        >>> retry_after_s({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, now)
        30.0
        >>> retry_after_s({"retry-after": "soon"}, now), retry_after_s({}, now)
        (None, None)
    """
    milliseconds = _number(headers.get("retry-after-ms"))  # OpenAI's own, finer
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return _bounded(seconds)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return _bounded((aware - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
