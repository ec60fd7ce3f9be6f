"""Records on the ``feedback`` topic."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.records import TEXT_LIMIT, Identifier, Label, Timestamp


class Feedback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person thinks of one output. Kafka key: ``target_id``."""

    feedback_id: Identifier
    target_id: Identifier
    target_kind: Label
    verdict: Literal["up", "down", "edit"]
    by: Identifier
    given_at: Timestamp
    text: Annotated[str, Meta(max_length=TEXT_LIMIT)] | None = None
