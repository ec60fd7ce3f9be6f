"""Records on the ``reviews`` topic."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.records import Identifier, Label, Op, Revision, Timestamp, check_text

Rating = Annotated[int, Meta(ge=1, le=5)]


class Review(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One buyer's opinion of one product. Kafka key: ``product_id``.

    A review is identified by (product_id, review_id). ``text`` may be empty but is missing only
    on a deletion. ``created_at`` lies between 1970 and a day after the record reached Kafka; without
    one, that time counts.
    """

    review_id: Identifier
    product_id: Identifier
    text: str | None = None
    rating: Rating | None = None
    title: Annotated[str, Meta(max_length=1_000)] | None = None
    author_id: Identifier | None = None
    created_at: Timestamp | None = None
    language: Label | None = None
    category: Label | None = None
    op: Op = "upsert"
    revision: Revision = 0

    def __post_init__(self) -> None:
        check_text(self.text, self.op)
