"""The kinds of record a person can send: their key, their id, and how a row of a file becomes one."""

import hashlib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.documents import Document
from schemas.events import Event
from schemas.feedback import Feedback
from schemas.records import Unreadable, decode
from schemas.requests import Request
from schemas.reviews import Review

Row = Mapping[str, Any]
"""Field to value: JSON values, or text throughout when it comes from csv."""

MILLISECONDS_FROM = 1e11
"""A unix time above this (the year 5138) is in milliseconds."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record.

    Args:
        topic: Logical topic, and what people call the kind.
        singular: The word in CloudEvents' type.
        record: What a value must be.
        identity: The field that is made up when a row has none.
        key: The Kafka key.
        event_id: Names this version of this record among all.
        happened: The field with its time, if the kind has one.
    """

    topic: str
    singular: str
    record: type[msgspec.Struct]
    identity: str
    key: Callable[[Any], str]
    event_id: Callable[[Any], str]
    happened: str | None

    def headers(self, record: Any, trace: bytes) -> list[tuple[str, bytes]]:
        """Make the CloudEvents 1.0 headers of a record that is produced.

        Args:
            record: Of this kind.
            trace: Its ``traceparent``.
        """
        happened = getattr(record, self.happened) if self.happened else None
        at = happened or datetime.now(UTC)  # without one, a reader's SDK says when it reads
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.event_id(record).encode()),
            ("ce_type", b"millrace.%s.v1" % self.singular.encode()),
            ("ce_source", b"/millrace/produce"),
            ("ce_time", at.isoformat().encode()),
            ("content-type", b"application/json"),
            ("traceparent", trace),
        ]


KINDS: Mapping[str, Kind] = {
    kind.topic: kind
    for kind in (
        Kind(
            "reviews",
            "review",
            Review,
            "review_id",
            lambda one: one.product_id,
            lambda one: f"{one.product_id}/{one.review_id}@{one.revision}",
            "created_at",
        ),
        Kind(
            "documents",
            "document",
            Document,
            "document_id",
            lambda one: one.document_id,
            lambda one: f"{one.tenant or ''}/{one.document_id}@{one.revision}",
            "changed_at",
        ),
        Kind(
            "events",
            "event",
            Event,
            "event_id",
            lambda one: next(iter(one.entity.values())),
            lambda one: f"{one.event_id}@{one.revision}",
            "occurred_at",
        ),
        Kind(
            "requests", "request", Request, "request_id", lambda one: one.request_id, lambda one: one.request_id, None
        ),
        Kind(
            "feedback",
            "feedback",
            Feedback,
            "feedback_id",
            lambda one: one.target_id,
            lambda one: one.feedback_id,
            "given_at",
        ),
    )
}


class Shaper:
    """Turns rows into records of one kind.

    Args:
        kind: Which.
        columns: Field to the column it is read from, where their names differ.

    Example:
        >>> shaper = Shaper(KINDS["reviews"], {"author_id": "user"})
        >>> row = {"product_id": 17, "user": "u", "text": "Fine.", "rating": "5.0", "created_at": 1340409600}
        >>> review = shaper.record(row, lambda: "r1")
        >>> review.rating, review.created_at.isoformat(), review.author_id, review.review_id
        (5, '2012-06-23T00:00:00+00:00', 'u', 'r1')
    """

    def __init__(self, kind: Kind, columns: Mapping[str, str]) -> None:
        self._kind = kind
        self._readers = [
            (field.encode_name, columns.get(field.encode_name, field.encode_name), _reader(field.type))
            for field in msgspec.structs.fields(kind.record)
        ]

    @property
    def fields(self) -> list[str]:
        """Names of the kind's fields."""
        return [field for field, _, _ in self._readers]

    def record(self, row: Row, made_up_id: Callable[[], str]) -> Any:
        """Make the record of a row; empty cells are missing fields.

        Args:
            row: What the file says.
            made_up_id: Called when the row has no id.

        Raises:
            Unreadable: If the row is no such record.
        """
        values = {}
        for field, column, read in self._readers:
            value = row.get(column)
            if value is not None and (value != "" or field == "text"):  # an empty cell is no value, an empty text is
                values[field] = read(value)
        if self._kind.identity not in values:
            values[self._kind.identity] = made_up_id()
        try:
            encoded = msgspec.json.encode(values)
        except (UnicodeEncodeError, RecursionError, ValueError) as error:
            raise Unreadable("not_json", f"the row cannot be written as UTF-8: {error}") from error
        return decode(encoded, self._kind.record)


def made_up(content: str, number: int) -> str:
    """Name a row that has no id: the same row of the same content is always called the same.

    Args:
        content: A hash of the whole file.
        number: The row's, from 1.
    """
    return hashlib.sha256(f"{content}:{number}".encode()).hexdigest()[:32]


def _reader(annotation: Any) -> Callable[[Any], Any]:
    kinds = _plain_types(annotation)
    if datetime in kinds:
        return _read_time
    if int in kinds:
        return _read_number
    if dict in kinds or list in kinds:
        return _read_nested
    return _read_text


def _plain_types(annotation: Any) -> set[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Annotated, typing.Union, types.UnionType):
        inner = typing.get_args(annotation)
        return set().union(*(_plain_types(one) for one in (inner[:1] if origin is typing.Annotated else inner)))
    return {origin or annotation}


def _read_text(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else value  # ids are numbers in many a file


def _read_number(value: Any) -> Any:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else value


def _read_time(value: Any) -> Any:
    seconds = _number(value)
    if seconds is not None:
        seconds = seconds / 1000 if abs(seconds) > MILLISECONDS_FROM else seconds
        try:
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        except (OverflowError, OSError, ValueError):
            return value
    try:
        told = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).isoformat()


def _read_nested(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except msgspec.MsgspecError:
            return value
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN
