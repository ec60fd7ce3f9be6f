"""Records on the ``events`` topic."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.records import Identifier, Label, Op, Revision, Timestamp


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to one or more entities. Kafka key: the first entity's id."""

    event_id: Identifier
    type: Label
    entity: Annotated[dict[Label, Identifier], Meta(min_length=1)]
    values: dict[Label, float | str | bool]
    occurred_at: Timestamp
    op: Op = "upsert"
    revision: Revision = 0
