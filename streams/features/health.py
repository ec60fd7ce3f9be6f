"""Look after how fresh feature tables are and how much they have to tell, beside the stream."""

import asyncio
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from infra.database import Store
from infra.feature_health import read_feature_health, write_feature_health
from infra.heartbeats import HeartbeatUnreadable
from infra.rows.feature_rows import count_rows
from infra.store_errors import StoreError
from processors.features.quality import Latencies, shares_of
from processors.features.tiles import KeyState
from schemas.feature_health import FeatureHealth, TableHealth
from schemas.feature_tables import feature_rows
from streams.features.standing import Kept, Shapes, load_states, read_kept
from streams.featurize_decision import FeaturizeDecision

EVERY_S = 10.0
"""Between two looks, at least."""

DUTY = 0.01
"""Share of a core that looking may take: large tables are looked at less often."""

SAMPLED = 100
"""Keys of a table that are read at each look."""

log = structlog.get_logger("features")


class Freshness:
    """Times events from Kafka's timestamp to the row they can be read in. The stream tells, others ask.

    Args:
        now: Unix seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._latencies: defaultdict[str, Latencies] = defaultdict(Latencies)
        self._newest: dict[str, int] = {}

    def committed(self, decision: FeaturizeDecision) -> None:
        """Take in what has just been written.

        Args:
            decision: It was written for.
        """
        sent = {change.row.record_id: change.row.sent_us for change in decision.log}
        added: defaultdict[str, list[int]] = defaultdict(list)
        for member in decision.put:
            added[member.version].append(sent[member.record_id])
            self._newest[member.version] = max(member.happened_us, self._newest.get(member.version, 0))
        now_us = int(self._now() * 1e6)
        for version, sent_us in added.items():
            self._latencies[version].update(sent_us, now_us)

    def newest_us(self, version: str) -> int | None:
        """Tell when the newest event happened that this worker has added; None before the first."""
        return self._newest.get(version)

    def readable(self, version: str) -> tuple[int, float | None, float | None]:
        """Tell on how many events the rest is based, and the median and the 99th percentile, seconds."""
        latencies = self._latencies[version]
        told = latencies.quantiles((0.5, 0.99), int(self._now() * 1e6))
        return (len(latencies), *told) if told is not None else (0, None, None)  # type: ignore[return-value]  # two


class FeatureWatch:
    """Writes the health of all tables down every some seconds; a service of featurize's worker.

    Args:
        store: The agent's store.
        home: ``MILLRACE_HOME``.
        slot: Of the worker.
        freshness: What its stream tells.
        now: Unix seconds.
    """

    def __init__(
        self, store: Store, home: Path, slot: int, freshness: Freshness, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._home = home
        self._slot = slot
        self._freshness = freshness
        self._now = now
        self._shapes: Shapes = {}
        self._random = random.Random(slot)  # noqa: S311 - any keys will do
        self._before: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled; a database that does not answer is waited for by others."""
        self._before = await asyncio.to_thread(self._remembered)
        while True:
            took_s = await asyncio.to_thread(self._look_quietly)
            await asyncio.sleep(max(EVERY_S, took_s / DUTY))

    def look(self) -> FeatureHealth:
        """Look at all tables once.

        Raises:
            infra.store_errors.StoreError: If the store cannot be read.
        """
        with self._store.read() as connection:
            tables = [one for one in read_kept(connection, self._shapes).values() if one.live]
            told = [self._table(connection, table) for table in tables]
        self._before = {one.version: one.newest_event_at for one in told if one.newest_event_at is not None}
        return FeatureHealth(slot=self._slot, pid=os.getpid(), at=self._now(), tables=told)

    def _look_quietly(self) -> float:
        began = time.thread_time()
        try:
            write_feature_health(self._home, self.look())
        except StoreError:  # whoever must use it tells
            pass
        except OSError as error:  # as of the heartbeat
            log.error("cannot write how features are", why=str(error))
        return time.thread_time() - began

    def _remembered(self) -> dict[str, float]:
        """Recall the newest events of before this process."""
        try:
            healths = read_feature_health(self._home)
        except HeartbeatUnreadable:
            return {}
        told = [(one.version, one.newest_event_at) for health in healths for one in health.tables]
        return dict(sorted((version, at) for version, at in told if at is not None))

    def _table(self, connection: Connection, table: Kept) -> TableHealth:
        keys = count_rows(connection, table.version)
        states = _sample(connection, table.version, keys, self._random)
        shares = shares_of(table.shape, states, int(self._now() * 1e6))
        newest = [one.newest_us for one in states] + [self._freshness.newest_us(table.version) or 0]
        before = self._before.get(table.version, 0.0)
        events, median, worst = self._freshness.readable(table.version)
        return TableHealth(
            table=table.name,
            version=table.version,
            keys=keys,
            newest_event_at=max(max(newest) / 1e6, before) or None,
            readable_events=events,
            readable_p50_s=median,
            readable_p99_s=worst,
            sampled=len(states),
            ages={str(bound): share for bound, share in shares.ages.items()},
            nulls=shares.nulls,
            defaults=shares.defaults,
        )


def _sample(connection: Connection, version: str, keys: int, chance: random.Random) -> Sequence[KeyState]:
    """Read every n-th key, from another one each time: one walk over an index, no states but those."""
    step = max(-(-keys // SAMPLED), 1)
    numbered = (
        sa.select(feature_rows.c.key, sa.func.row_number().over(order_by=feature_rows.c.key).label("place"))
        .where(feature_rows.c.version == version)
        .subquery()
    )
    query = sa.select(numbered.c.key).where(numbered.c.place % step == chance.randrange(step))
    rows = load_states(connection, version, list(connection.scalars(query)))
    return [msgspec.msgpack.decode(row.state, type=KeyState) for row in rows.values()]
