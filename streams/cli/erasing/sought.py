"""A record whose traces are looked for, and how it is recognised in whatever bytes."""

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import msgspec

from processors.language.wording import Run, Wording
from schemas.answers import Answer, Citation
from schemas.dead_letters import DeadLetter
from schemas.requests import Request


class _Version(msgspec.Struct):
    """What a record says of itself, however wrong the rest of it is."""

    product_id: Any = None
    review_id: Any = None
    document_id: Any = None
    tenant: Any = None
    title: Any = None
    text: Any = None
    op: Any = None


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of what is looked for.

    Args:
        text: Its title and text, if they can be read.
        bare: Whether it holds ids only: a deletion.
    """

    text: str | None
    bare: bool


@dataclass(frozen=True)
class Wanted(ABC):
    """What is looked for, of whatever kind; kinds say how theirs is named.

    Args:
        wording: The words of its versions, as far as they are known.
    """

    topic: ClassVar[str]
    """Logical name of the topic that carries its versions."""

    wording: Wording = field(default_factory=lambda: Wording([]), kw_only=True)

    @property
    @abstractmethod
    def key(self) -> bytes:
        """Of its versions' records."""

    @property
    @abstractmethod
    def name(self) -> tuple[str, str]:
        """The field that names it, and its value there."""

    @abstractmethod
    def is_version(self, told: _Version) -> bool:
        """Tell whether a record that says this of itself is a version of it."""

    @abstractmethod
    def is_near(self, value: bytes, key: bytes | None) -> bool:
        """Tell whether bytes that may be broken are of its surroundings: its product, its tenant."""

    @abstractmethod
    def is_cited(self, citation: Citation) -> bool:
        """Tell whether an answer's citation is of it."""

    @abstractmethod
    def is_beside(self, citation: Citation) -> bool:
        """Tell whether an answer's citation is of its surroundings."""

    @abstractmethod
    def is_asked(self, request: Request) -> bool:
        """Tell whether a request may be answered from it."""

    def worded(self, wording: Wording) -> Self:
        """Look for other words."""
        return replace(self, wording=wording)

    def named_in(self, value: bytes) -> bool:
        """Tell whether JSON, broken or not, has something under its id."""
        return self._named.search(value) is not None

    def cited_in(self, value: bytes) -> bool:
        """Tell whether an answer quotes it."""
        return any(map(self.is_cited, _citations(value)))

    def answered_in(self, value: bytes) -> frozenset[Run]:
        """Return its words that an answer says which was made where it may have been read."""
        return self.said_in(value) if any(map(self.is_beside, _citations(value))) else frozenset()

    def copied_in(self, value: bytes, key: bytes | None) -> Copy | None:
        """Read a record as a version of it; None when it is of another one."""
        try:
            told = msgspec.json.decode(value, type=_Version)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Copy(None, bare=False) if self.is_near(value, key) and self.named_in(value) else None
        if not self.is_version(told):
            return None
        text = "\n\n".join(part for part in (told.title, told.text) if part and isinstance(part, str))
        return Copy(text or None, bare=told.op == "delete" and not text)

    def lettered_in(self, value: bytes) -> bool:
        """Tell whether a dead letter carries it."""
        return self.letter_words(value) is not None

    def letter_words(self, value: bytes) -> frozenset[Run] | None:
        """Return the words by which alone a dead letter is recognised; None when it does not carry it."""
        try:
            letter = msgspec.json.decode(value, type=DeadLetter)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        payload, key = base64.b64decode(letter.payload_base64 or ""), base64.b64decode(letter.key_base64 or "")
        if self.is_near(payload, key) and self.named_in(payload):
            copy = self.copied_in(payload, key)
            held = self.is_quoted(payload) if copy is None else not copy.bare
            return frozenset() if held else None
        return self.said_in(payload) or None

    def is_quoted(self, payload: bytes) -> bool:
        """Tell whether what names it, and is no version of it, quotes it: a refused output."""
        return True

    def said_in(self, value: object) -> frozenset[Run]:
        """Return its words that something says: a text, or what JSON or MessagePack has inside."""
        return frozenset(run for text in _texts(value) for run in self.wording.found_in(text))

    @cached_property
    def _named(self) -> re.Pattern[bytes]:
        field_name, value = self.name
        return re.compile(rb'"%s"\s*:\s*' % field_name.encode() + re.escape(msgspec.json.encode(value)))


@dataclass(frozen=True)
class Sought(Wanted):
    """A review whose traces are looked for.

    Args:
        product_id: Its product.
        review_id: Its own id.
        wording: The words of its versions, as far as they are known.

    Example:
        >>> sought = Sought("card", "r1", wording=Wording(["The card died after a week."]))
        >>> sought.named_in(b'{"evidence":[{"review_id":"r1","quote":"..."}]}')
        True
        >>> sought.named_in(b'{"forgotten":{"count":1,"newest":["r1"]}}')
        False
    """

    topic = "reviews"

    product_id: str
    review_id: str

    @property
    def key(self) -> bytes:
        """Of its product's records."""
        return self.product_id.encode()

    @property
    def name(self) -> tuple[str, str]:
        """Its id; see ``Wanted``."""
        return "review_id", self.review_id

    def is_version(self, told: _Version) -> bool:
        """See ``Wanted``."""
        return (told.product_id, told.review_id) == (self.product_id, self.review_id)

    def is_near(self, value: bytes, key: bytes | None) -> bool:
        """Tell whether it is of the same product."""
        return key == self.key or msgspec.json.encode(self.product_id) in value

    def is_cited(self, citation: Citation) -> bool:
        """See ``Wanted``."""
        here = (citation.kind, citation.product_id, citation.document_id)
        return here == ("review", self.product_id, self.review_id)

    def is_beside(self, citation: Citation) -> bool:
        """Tell whether it is of the same product."""
        return citation.product_id == self.product_id

    def is_asked(self, request: Request) -> bool:
        """Tell whether its product is asked about."""
        return request.entities.get("product_id") == self.product_id


@dataclass(frozen=True)
class SoughtDocument(Wanted):
    """A document whose traces are looked for.

    Args:
        tenant: Whose it is.
        document_id: Its own id.
        wording: The words of its versions, as far as they are known.

    Example:
        >>> sought = SoughtDocument(None, "guide.md")
        >>> sought.copied_in(b'{"document_id":"guide.md","op":"delete"}', b"guide.md")
        Copy(text=None, bare=True)
        >>> sought.copied_in(b'{"document_id":"guide.md","tenant":"other","text":"..."}', b"guide.md") is None
        True
    """

    topic = "documents"

    tenant: str | None
    document_id: str

    @property
    def key(self) -> bytes:
        """Of its records."""
        return self.document_id.encode()

    @property
    def name(self) -> tuple[str, str]:
        """Its id; see ``Wanted``."""
        return "document_id", self.document_id

    def is_version(self, told: _Version) -> bool:
        """See ``Wanted``."""
        return (told.tenant, told.document_id) == (self.tenant, self.document_id)

    def is_near(self, value: bytes, key: bytes | None) -> bool:
        """Tell whether it is of the same tenant; one that cannot be read may be of any."""
        return self.tenant is None or msgspec.json.encode(self.tenant) in value

    def is_cited(self, citation: Citation) -> bool:
        """See ``Wanted``."""
        here = (citation.kind, citation.tenant, citation.document_id)
        return here == ("document", self.tenant, self.document_id)

    def is_beside(self, citation: Citation) -> bool:
        """Tell whether it is a document of the same tenant."""
        return (citation.kind, citation.tenant) == ("document", self.tenant)

    def is_asked(self, request: Request) -> bool:
        """Tell whether documents of its tenant are asked."""
        return request.tenant == self.tenant and "product_id" not in request.entities

    def is_quoted(self, payload: bytes) -> bool:
        """Tell whether it is an answer that cites it: another tenant's document may have its id."""
        return self.cited_in(payload)


def _citations(value: bytes) -> list[Citation]:
    try:
        return msgspec.json.decode(value, type=Answer).citations
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


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
    for read in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            return read(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return value.decode(errors="replace")
