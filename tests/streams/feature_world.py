"""Workers of featurize without a broker: each with its own memory, on a store that others may share."""

from datetime import UTC, datetime, timedelta

import msgspec

from infra import fences, outbox
from infra.database import Store
from infra.fences import Moved
from infra.rows import feature_definition_rows, feature_member_rows, feature_rows
from processors.features.contributing import contribution
from processors.features.definitions.tables import FeatureTable
from processors.features.reading import read_features
from processors.features.records import logged_row
from processors.features.tiles import KeyState
from schemas.dead_letters import DeadLetter
from schemas.features import Features
from streams.delivery import Applier
from streams.featurize import FeaturizeHandler
from streams.featurizing.announcing import Announcing
from streams.featurizing.clearing import Clearing
from streams.featurizing.definitions import Definitions
from streams.featurizing.filling import Filling
from streams.featurizing.keeping import Keeping
from streams.featurizing.keys import Keys
from tests.streams.fakes import DEAD_LETTERS, START_S, Clock, Raw, applier, never, raw, run

EVENTS, REVIEWS, FEATURES = "millrace.events.v1", "millrace.reviews.v1", "millrace.features.v1"
ZERO, ONE, REVIEWED = (EVENTS, 0), (EVENTS, 1), (REVIEWS, 0)
START = datetime.fromtimestamp(START_S, UTC)


def event(name: str, customer: str = "c", kind: str = "sale", at_s: float = 0.0, **changed) -> dict:
    """An event as a producer sends it; ``values`` are the rest."""
    fields = {one: changed.pop(one) for one in ("op", "revision", "entity") if one in changed}
    at = (START + timedelta(seconds=at_s)).isoformat()
    return {
        "event_id": name,
        "type": kind,
        "entity": {"customer": customer},
        "occurred_at": at,
        "values": changed,
    } | fields


def sent(offset: int, value: object, partition: int = 0, topic: str = EVENTS, at_s: float | None = None) -> Raw:
    timestamp = int((START_S + (offset if at_s is None else at_s)) * 1000)
    return raw(offset, value, partition=partition, topic=topic, timestamp=timestamp)


class Worker:
    """One worker: its definitions stand once it is made."""

    def __init__(
        self, store: Store, tables: list[FeatureTable], clock: Clock | None = None, kept: int = 100, crash=never
    ):
        self.store, self.clock = store, clock or Clock()
        self.definitions = Definitions(store, tables, self.clock)
        self.definitions.reconcile()
        self.keys = Keys(store, kept)
        self.handler = FeaturizeHandler(store, self.definitions, self.keys, topic=FEATURES, now=self.clock)
        self.applier: Applier = applier(self.handler, store, crash=crash)
        rest = {"topic": FEATURES, "first": ZERO, "now": self.clock}
        self.keeping = Keeping(
            store,
            self.definitions,
            self.keys,
            filling=Filling(store, self.definitions, self.keys, now=self.clock, crash=crash),
            announcing=Announcing(store, self.definitions, self.keys, **rest),
            clearing=Clearing(store, self.definitions, self.keys, **rest),
            publisher=None,  # type: ignore[arg-type]  # step sends nothing
            first=ZERO,
            mine=lambda: [ZERO, ONE],
            now=self.clock,
        )

    def apply(self, *records: Raw) -> None:
        self.applier.apply(run(*records))

    def taking_over(self, *records: Raw) -> None:
        """Apply them after others had the partition."""
        self.applier.assigned({})
        self.apply(*records)

    def keep(self) -> None:
        """Do all that is to be done beside the stream."""
        while self.keeping.step():
            pass


def begin(store: Store) -> None:
    """Give the partitions their first fences."""
    with store.write() as connection:
        for partition in (ZERO, ONE, REVIEWED):
            fences.create(connection, partition, 0, "cluster", "topic")


def live(store: Store, table: str) -> feature_definition_rows.DefinitionRow:
    with store.read() as connection:
        (row,) = [one for one in feature_definition_rows.live_definitions(connection) if one.name == table]
    return row


def read(store: Store, table: FeatureTable, key: str = "c", at_s: float = 100.0, version: str | None = None) -> dict:
    """Read a key at a moment, exactly: what happens later does not count."""
    version = version or live(store, table.name).version
    at_us = int((START_S + at_s) * 1_000_000)
    with store.read() as connection:
        row = feature_rows.load_rows(connection, version, [key]).get(key)
        if row is None:
            return dict(table.shape.defaults) | {"missing": True}
        state = msgspec.msgpack.decode(row.state, type=KeyState)

        def between(begin_us: int, end_us: int):
            for one in feature_member_rows.members_between(connection, version, key, begin_us, end_us + 1):
                told = contribution(table, logged_row(one.topic, one.record, one.sent_us))
                yield (one.happened_us, one.record_id), told.values

        return read_features(table.shape, state, at_us, between)


def outputs(store: Store) -> list[Features]:
    """What waits to be published, in order."""
    with store.read() as connection:
        waiting = outbox.for_topic(connection, FEATURES)
    return [msgspec.json.decode(one.output.value, type=Features) for one in waiting]


def letters(store: Store) -> list[DeadLetter]:
    with store.read() as connection:
        waiting = outbox.for_topic(connection, DEAD_LETTERS)
    return [msgspec.json.decode(one.output.value, type=DeadLetter) for one in waiting]


__all__ = ["EVENTS", "FEATURES", "Moved", "Worker", "begin", "event", "letters", "live", "outputs", "read", "sent"]
