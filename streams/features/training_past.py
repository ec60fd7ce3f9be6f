"""Rows of feature tables as of moments in the past, for training sets: from the log of events, each key walked once.

Errors:
    InfraError
    └── NotStanding   a table of a spec has no rows yet, or rows of another definition
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from infra.errors import InfraError
from infra.rows.feature_log_rows import newest_number, newest_sent_us
from infra.rows.feature_past_rows import past_rows
from infra.rows.feature_rows import load_rows
from processors.features.asof import PastEvent, Settled, Walk, settled_before
from processors.features.cells.cell import Value
from processors.features.contributing import contribution
from processors.features.definitions.serving import FeatureSpec
from processors.features.definitions.tables import FeatureTable
from processors.features.definitions.windows import DAY_US
from processors.features.records import logged_row
from processors.features.serving.ports import Found, Lookup
from processors.features.tiles import KeyState
from schemas.feature_tables import feature_log
from streams.features.module import FeatureModule
from streams.features.standing import Copied, Kept, copied_features, load_copies, read_copied, read_kept

EVENTS = 300_000
"""Events kept in memory with the tiles made of them, some 2 KiB each."""

COPIES = 100_000

_STATE = msgspec.msgpack.Decoder(KeyState)


class NotStanding(InfraError):
    """A table of a spec has no rows yet, or rows of another definition."""


class PastReader:
    """Reads rows as of moments; see ``processors.features.serving.ports.FeatureReader``.

    It is quick when the moments of a key come in order. Tables that are copied from elsewhere have no history: they
    tell what stands.

    Args:
        connection: To featurize's store; one state is seen for as long as it is used.
        module: The user's.
        spec: Whose tables are read.
        now_us: Microseconds since 1970.
        as_known: Leave out what had happened at a moment but was sent later.
        keep: Events kept in memory, those of the keys asked for last; None is ``EVENTS``.

    Raises:
        NotStanding: If a table of the spec cannot be read.
    """

    def __init__(
        self,
        connection: Connection,
        module: FeatureModule,
        spec: FeatureSpec,
        *,
        now_us: int,
        as_known: bool,
        keep: int | None = None,
    ) -> None:
        self._connection = connection
        self._now_us = now_us
        self._as_known = as_known
        self._keep = EVENTS if keep is None else keep
        names = {one.table_name for one in spec.lookups}
        self.tables = {name: table for name, table in module.tables.items() if name in names}
        self.copied = _copied(connection, {name for name in module.synced if name in names})
        _check_standing(self.tables, read_kept(connection, {}))
        self._absent = {name: _absent_copy(connection, module, name) for name in self.copied}
        self._forgetful = _has_forgotten(connection)
        self._walks: OrderedDict[Lookup, Walk] = OrderedDict()
        self._copies: OrderedDict[Lookup, Found] = OrderedDict()
        self._events = 0
        self.newest_number = newest_number(connection)
        self.newest_sent_us = newest_sent_us(connection)

    @property
    def complete_from_us(self) -> int:
        """Moment from which on features are complete: before, the log lacks events. Microseconds since 1970."""
        return max((self._complete_from(table) for table in self.tables.values()), default=0)

    def read(self, requests: Sequence[Lookup], at_us: int | None) -> list[Found]:
        """Read rows as of a moment; see ``FeatureReader``."""
        moment_us = self._now_us if at_us is None else at_us
        return [
            self._copy(request) if request.table in self.copied else self._then(request, moment_us)
            for request in requests
        ]

    def _complete_from(self, table: FeatureTable) -> int:
        if not self._forgetful:
            return 0
        reaches = [one.reach_us + one.hop_us for one in table.shape.levels if one.reach_us is not None]
        forgotten_us = self._now_us - table.shape.keep_us
        whole_us = self._settled_until(table) if len(reaches) < len(table.shape.levels) else 0
        return max(forgotten_us + max(reaches, default=0), whole_us)

    def _settled_until(self, table: FeatureTable) -> int:
        """Begin of the first day that all events are still there of, microseconds since 1970."""
        return -(-(self._now_us - table.shape.keep_us) // DAY_US) * DAY_US

    def _then(self, request: Lookup, at_us: int) -> Found:
        table = self.tables[request.table]
        walk = self._walks.get(request)
        if walk is None:
            walk = self._walks[request] = self._begin(table, request.key)
            self._events += walk.events + 1
            while self._events > self._keep and len(self._walks) > 1:
                self._events -= self._walks.popitem(last=False)[1].events + 1
        else:
            self._walks.move_to_end(request)
        told = walk.at(at_us)
        return Found(told.values, told.as_of_us, told.as_of_us is None, table.version)

    def _begin(self, table: FeatureTable, key: str) -> Walk:
        events = []
        for row in past_rows(self._connection, table.version, key):
            added = contribution(table, logged_row(row.topic, row.record, row.sent_us))
            if added is not None:
                events.append(PastEvent((row.happened_us, row.record_id), added.values, row.sent_us))
        return Walk(table.shape, events, as_known=self._as_known, settled=self._settled(table, key))

    def _settled(self, table: FeatureTable, key: str) -> Settled | None:
        """Take what the row keeps of all time, where the log may have forgotten it."""
        if not self._forgetful or all(level.reach_us is not None for level in table.shape.levels):
            return None
        row = load_rows(self._connection, table.version, [key]).get(key)
        if row is None:
            return None
        return settled_before(table.shape, _STATE.decode(row.state), self._settled_until(table))

    def _copy(self, request: Lookup) -> Found:
        found = self._copies.get(request)
        if found is None:
            row = load_copies(self._connection, request.table, [request.key]).get(request.key)
            version, absent = self.copied[request.table].version, self._absent[request.table]
            found = Found(absent, None, True, version) if row is None else Found(*row, False, version)
            self._copies[request] = found
            if len(self._copies) > COPIES:
                self._copies.popitem(last=False)
        return found


def _check_standing(tables: Mapping[str, FeatureTable], standing: Mapping[str, Kept]) -> None:
    for name, table in tables.items():
        kept = standing.get(name)
        if kept is None:
            raise NotStanding(f"feature table {name!r} has no rows yet", "Start featurize with it: `millrace up`.")
        if not kept.live or kept.version != table.version:
            building = kept.filling is not None and kept.filling.version == table.version
            remedy = "Wait: `millrace features list`." if building else "Restart featurize with your module."
            told = f"feature table {name!r} stands as version {kept.version}, your module has {table.version}"
            raise NotStanding(told if kept.live else f"feature table {name!r} is being built", remedy)


def _copied(connection: Connection, names: set[str]) -> dict[str, Copied]:
    standing = read_copied(connection)
    for name in sorted(names):
        if name not in standing or not standing[name].version:
            why = standing[name].error if name in standing else None
            told = f"synced table {name!r} was never copied" + (f": {why}" if why else "")
            raise NotStanding(told, "See `millrace features list`.")
    return {name: standing[name] for name in names}


def _absent_copy(connection: Connection, module: FeatureModule, name: str) -> dict[str, Value | None]:
    names = module.synced[name].feature_names
    return dict.fromkeys(copied_features(connection, name) if names is None else names)


def _has_forgotten(connection: Connection) -> bool:
    """Tell whether the log may lack events: it surely lacks none while every change ever made is there."""
    changes = int(connection.scalar(sa.select(sa.func.count()).select_from(feature_log)) or 0)
    return changes < newest_number(connection)
