"""What every record shares: identifiers, times, and one way to read them.

Errors:
    Unreadable
    └── raised by ``decode`` with a reason code, the field that is wrong and what to do
"""

import re
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

TEXT_LIMIT = 20_000
"""Characters of text one record may carry; longer is a dead letter ``text_too_long``."""

QUOTE_LIMIT = 240
"""Characters of a quote shown as evidence."""

Identifier = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")]
"""A producer's own id: 1 to 200 characters, none of them a control character."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with a zone."""

Label = Annotated[str, Meta(max_length=200)]
"""A short word a producer chose: a language, a category."""

Revision = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Grows with every change; what a 64-bit column holds."""

Op = Literal["upsert", "delete"]
Sources = dict[str, dict[str, int]]
"""``{"reviews": {"3": 1042}}``: includes every event of partition 3 below offset 1042."""

R = TypeVar("R", bound=msgspec.Struct)

_FIELD = re.compile(r" - at `\$\.?([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")


class Unreadable(ValueError):
    """A value that is not the record its topic promises.

    Args:
        reason: Stable code: ``not_json``, ``invalid_field``, ``missing_field``, ``text_too_long``,
            ``date_out_of_range``, ``unsupported_format``, ``duplicate_request``, ``not_yet_supported``,
            ``expression_failed``.
        error: One sentence that says what is wrong and what to send instead.
        field: Path of the field, when there is one.
    """

    def __init__(self, reason: str, error: str, field: str | None = None) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error
        self.field = field


def decode(payload: bytes, record: type[R]) -> R:
    """Read one record, ignoring fields we do not know.

    Raises:
        Unreadable: If the bytes are no JSON, or a field breaks its contract.

    Example:
        >>> from schemas.reviews import Review
        >>> decode(b'{"review_id": "r", "product_id": "", "text": "hi"}', Review)
        Traceback (most recent call last):
        ...
        schemas.records.Unreadable: product_id: Expected `str` of length >= 1
    """
    try:
        return msgspec.json.decode(payload, type=record)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, Unreadable):  # raised by the record itself
            raise error.__cause__ from None
        raise _explain(str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("not_json", f"The value is no JSON object in UTF-8: {error}") from error


def check_text(text: str | None, op: Op) -> None:
    """Hold a record's text to its limits.

    Raises:
        Unreadable: If it is too long, or missing where it is needed.
    """
    if text is None and op == "upsert":
        raise Unreadable("missing_field", "text: required, but missing (only op = delete goes without)", "text")
    if text is not None and len(text) > TEXT_LIMIT:
        what = f"text: {len(text):,} characters, at most {TEXT_LIMIT:,} are read; split it"
        raise Unreadable("text_too_long", what, "text")


def _explain(message: str) -> Unreadable:
    where = _FIELD.search(message)
    path = where.group(1) if where else ""
    missing = _MISSING.search(message)
    if missing:
        field = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return Unreadable("missing_field", f"{field}: required, but missing", field)
    what = _FIELD.sub("", message)
    if "matching regex" in what:
        what = "holds a control character; remove it"
    return Unreadable("invalid_field", f"{path}: {what}" if path else what, path or None)
