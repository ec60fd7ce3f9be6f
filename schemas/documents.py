"""Records on the ``documents`` topic."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from schemas.records import Identifier, Op, Revision, Timestamp, check_text

PUBLIC = "public"
"""The principal everybody has."""


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document as its owner last wrote it. Kafka key: ``document_id``."""

    document_id: Identifier
    text: str | None = None
    title: Annotated[str, Meta(max_length=1_000)] | None = None
    uri: Annotated[str, Meta(max_length=2_000)] | None = None
    principals: list[Identifier] = msgspec.field(default_factory=lambda: [PUBLIC])
    tenant: Identifier | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    op: Op = "upsert"
    revision: Revision = 0
    changed_at: Timestamp | None = None

    def __post_init__(self) -> None:
        check_text(self.text, self.op)


def document_key(tenant: str | None, document_id: str) -> str:
    """Name a document among all tenants': no two have the same.

    Example:
        >>> document_key(None, "guide/start.md"), document_key("a/b", "start.md")
        ('/guide/start.md', 'a%2Fb/start.md')
    """
    return f"{quote(tenant or '', safe='')}/{document_id}"


def review_key(product_id: str, review_id: str) -> str:
    """Name a review among the things that can be cited: no document, and no other review, has the same.

    Example:
        >>> review_key("a/b", "r1")
        'review:a%2Fb/r1'
    """
    return f"{_REVIEW}{quote(product_id, safe='')}/{review_id}"


def is_review(key: str) -> bool:
    """Tell whether a key that ``document_key`` or ``review_key`` made is a review's.

    Example:
        >>> is_review(review_key("p", "r1")), is_review(document_key("review:p", "r1"))
        (True, False)
    """
    return key.startswith(_REVIEW)


_REVIEW = "review:"  # no quoted tenant has a colon
