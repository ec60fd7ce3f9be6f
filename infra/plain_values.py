"""Values of databases and files as JSON says them."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from schemas.features import FeatureValue


class NotPlain(ValueError):
    """A value JSON cannot say."""


def plain(value: Any) -> FeatureValue:
    """Say a value in JSON: times as RFC 3339 in UTC, decimals as numbers, lists and objects as JSON texts.

    A time without zone is taken for UTC; what is no finite number is nothing.

    Raises:
        NotPlain: If it cannot be said, as bytes.

    Example:
        >>> plain(Decimal("12.50")), plain(date(2026, 1, 31)), plain(datetime(2026, 1, 31, 12)), plain({"a": [1]})
        (12.5, '2026-01-31', '2026-01-31T12:00:00.000000Z', '{"a":[1]}')
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    for kind, say in _SAYINGS:
        if isinstance(value, kind):
            return say(value)
    raise NotPlain(f"{type(value).__name__} is no number, text, time or truth value")


def told_time(value: datetime) -> str:
    """Write a time as RFC 3339 with microseconds, in UTC."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _decimal(value: Decimal) -> FeatureValue:
    return plain(int(value) if value.is_finite() and value == value.to_integral_value() else float(value))


def _nested(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPlain(f"{type(value).__name__} cannot be written as JSON: {error}") from error


_SAYINGS: tuple[tuple[type | tuple[type, ...], Callable[[Any], FeatureValue]], ...] = (
    (datetime, told_time),
    ((date, time), lambda value: str(value.isoformat())),
    (timedelta, timedelta.total_seconds),
    (Decimal, _decimal),
    (UUID, str),
    ((list, tuple, dict), _nested),
)
