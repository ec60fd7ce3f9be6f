"""Records on the ``summaries`` topic: points and a paragraph for people."""

import msgspec

from schemas.points import Bands, Flag, FlagCounts, Metrics, ValueForMoney
from schemas.records import Op, Sources, Timestamp


class WriterStamp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wrote a text, well enough to find the call in the ledger, and for whom it stood in."""

    engine: str
    model: str
    prompt_version: str
    ledger_key: str
    instead_of: str | None = None  # engine:model of who should have written it
    because: str | None = None  # why it did not


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The standing summary of one product. Kafka key: ``product_id``.

    ``text``, ``text_revision`` and ``writer`` are null until the first text is written, and after a text
    was withdrawn because a review it cites is gone.
    ``text_revision`` is the revision whose points the text was written from; equal to
    ``revision`` when the text is as new as the points.
    """

    product_id: str
    revision: int
    text_revision: int | None
    op: Op
    text: str | None
    bands: Bands
    value_for_money: ValueForMoney
    flags: list[Flag]
    flag_counts: FlagCounts
    metrics: Metrics
    writer: WriterStamp | None
    sources: Sources
    updated_at: Timestamp
