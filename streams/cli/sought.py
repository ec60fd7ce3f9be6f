"""A review whose traces are looked for, and how it is recognised in whatever bytes."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from processors.language.wording import Run, Wording
from schemas.dead_letters import DeadLetter


class _Version(msgspec.Struct):
    """What a record says of itself, however wrong the rest of it is."""

    product_id: Any = None
    review_id: Any = None
    text: Any = None
    op: Any = None


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of the review.

    Args:
        text: Its text, if it can be read.
        bare: Whether it holds ids only: a deletion.
    """

    text: str | None
    bare: bool


@dataclass(frozen=True)
class Sought:
    """A review whose traces are looked for.

    Args:
        product_id: Its product.
        review_id: Its own id.
        wording: The words of its versions, as far as they are known.

    Example:
        >>> sought = Sought("card", "r1", Wording(["The card died after a week."]))
        >>> sought.named_in(b'{"evidence":[{"review_id":"r1","quote":"..."}]}')
        True
        >>> sought.named_in(b'{"forgotten":{"count":1,"newest":["r1"]}}')
        False
    """

    product_id: str
    review_id: str
    wording: Wording = field(default_factory=lambda: Wording([]))

    @property
    def key(self) -> bytes:
        """Of its product's records."""
        return self.product_id.encode()

    def worded(self, wording: Wording) -> "Sought":
        """Look for other words."""
        return replace(self, wording=wording)

    def named_in(self, value: bytes) -> bool:
        """Tell whether JSON, broken or not, has something of a review of this id."""
        return self._named.search(value) is not None

    def copied_in(self, value: bytes, key: bytes | None) -> Copy | None:
        """Read a record as a version of the review; None when it is of another one."""
        try:
            told = msgspec.json.decode(value, type=_Version)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Copy(None, bare=False) if self._is_of_product(value, key) and self.named_in(value) else None
        if (told.product_id, told.review_id) != (self.product_id, self.review_id):
            return None
        text = told.text if isinstance(told.text, str) else None
        return Copy(text, bare=told.op == "delete" and not text)

    def lettered_in(self, value: bytes) -> bool:
        """Tell whether a dead letter carries it."""
        try:
            letter = msgspec.json.decode(value, type=DeadLetter)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        payload, key = base64.b64decode(letter.payload_base64 or ""), base64.b64decode(letter.key_base64 or "")
        if self._is_of_product(payload, key) and self.named_in(payload):
            copy = self.copied_in(payload, key)
            return copy is None or not copy.bare
        return bool(self.said_in(payload))

    def said_in(self, value: object) -> frozenset[Run]:
        """Return its words that something says: a text, or what JSON or MessagePack has inside."""
        return frozenset(run for text in _texts(value) for run in self.wording.found_in(text))

    @cached_property
    def _named(self) -> re.Pattern[bytes]:
        return re.compile(rb'"review_id"\s*:\s*' + re.escape(msgspec.json.encode(self.review_id)))

    def _is_of_product(self, value: bytes, key: bytes | None) -> bool:
        return key == self.key or msgspec.json.encode(self.product_id) in value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield from _texts(_decoded(value))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(name)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _decoded(value: bytes) -> object:
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            return decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return value.decode(errors="replace")
