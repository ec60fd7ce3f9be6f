"""Records on the ``features`` topic: what stands of one key of a feature table."""

import msgspec

from schemas.records import Op, Sources

FeatureValue = float | int | str | bool | None


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """The features of one key. Kafka key: ``table:key``.

    Windows end at ``as_of``, when the newest event happened; whoever reads later reads them shorter. A key of which
    nothing is left is published as ``op = delete``, without values.
    """

    table: str
    key: str
    revision: int
    op: Op
    values: dict[str, FeatureValue]
    as_of: str  # RFC 3339, microseconds, UTC
    version: str  # of the table's definition
    sources: Sources
