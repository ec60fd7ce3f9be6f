"""What a worker of featurize says about its tables, every some seconds, in ``MILLRACE_HOME/run/features/SLOT.json``."""

import msgspec


class TableHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One feature table."""

    table: str
    version: str  # that is read
    keys: int
    newest_event_at: float | None  # when it happened, unix seconds; the newest heard of
    readable_events: int  # that the two quantiles rest on
    readable_p50_s: float | None  # from an event's Kafka timestamp to its row; none while nothing is written
    readable_p99_s: float | None
    sampled: int  # keys that the shares below rest on
    ages: dict[str, float]  # upper bound in seconds -> share of keys whose newest event is not older
    nulls: dict[str, float]  # feature -> share of keys where it is null
    defaults: dict[str, float]  # feature -> share of keys where it is what a key without events has


class FeatureHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker knows of all tables."""

    slot: int
    pid: int
    at: float  # unix seconds
    tables: list[TableHealth]
