"""Records on the ``requests`` topic."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from schemas.records import TEXT_LIMIT, Identifier, Label

FEATURES_OPTION = "features"
"""The option that names the feature spec to answer from."""


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question somebody waits for. Kafka key: ``request_id``."""

    request_id: Identifier
    question: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    principals: list[Identifier] = msgspec.field(default_factory=lambda: ["public"])
    tenant: Identifier | None = None
    entities: dict[Label, Identifier] = msgspec.field(default_factory=dict)
    deadline_ms: Annotated[int, Meta(ge=1)] | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)
