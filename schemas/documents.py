"""Records on the ``documents`` topic."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from schemas.records import Identifier, Op, Revision, Timestamp, check_text


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document as its owner last wrote it. Kafka key: ``document_id``."""

    document_id: Identifier
    text: str | None = None
    title: Annotated[str, Meta(max_length=1_000)] | None = None
    uri: Annotated[str, Meta(max_length=2_000)] | None = None
    principals: list[Identifier] = msgspec.field(default_factory=lambda: ["public"])
    tenant: Identifier | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    op: Op = "upsert"
    revision: Revision = 0
    changed_at: Timestamp | None = None

    def __post_init__(self) -> None:
        check_text(self.text, self.op)
