"""featurize's store, filled without featurize."""

import time
from datetime import UTC, datetime

import msgspec

from infra.database import Waits, open_store
from infra.places import StorePlace
from infra.rows.feature_definition_rows import LIVE, DefinitionRow, put_definitions
from infra.rows.feature_log_rows import LogChange, LogRow, known_events, newest_number, write_log
from infra.rows.feature_member_rows import MemberRow, members_between, members_of, write_members
from infra.rows.feature_rows import FeatureRow, RowChange, load_rows, write_rows
from processors.features.contributing import contribution
from processors.features.records import logged_row
from processors.features.tiles import KeyState, add, expires_us, new_state, prune, remove, restore
from schemas.events import Event
from streams.featurizing.definitions import Described

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Shelf:
    """A store under a home, with one event after the other added to the rows of its tables."""

    def __init__(self, home, *tables):
        self.place = StorePlace("featurize", home)
        self.store = open_store(self.place, Waits())
        self.tables = {}
        for table in tables:
            self.define(table)

    def define(self, table, state=LIVE, *, cursor=0, goal=0, described=None):
        told = described or Described(table.source.topic, place=str(table.place))
        row = DefinitionRow(
            table.name, table.version, state, msgspec.json.encode(table.shape), msgspec.json.encode(told), cursor, goal,
            NOW - DAY, None if state == "building" else NOW - DAY,
        )  # fmt: skip
        self.store.change(lambda connection: put_definitions(connection, [row]))
        if state == LIVE:
            self.tables[table.name] = table

    def put(self, name, ago_s, *, sent_ago_s=None, kind="sale", entity=None, revision=0, **values):
        """Add an event, or change it."""
        happened = int((NOW - ago_s) * 1e6)
        sent_us = int((NOW - (max(ago_s, 0) if sent_ago_s is None else sent_ago_s)) * 1e6)
        at = datetime.fromtimestamp(happened / 1e6, UTC)
        event = Event(event_id=name, type=kind, entity=entity or {"customer": "c1"}, values=values, occurred_at=at)
        row = LogRow("events", name, revision, "upsert", 0, happened, sent_us, msgspec.json.encode(event))
        self.store.change(lambda connection: self._change(connection, row))

    def take(self, name):
        """Take an event back."""
        row = LogRow("events", name, 99, "delete", 0, 0, int(NOW * 1e6), None)
        self.store.change(lambda connection: self._change(connection, row))

    def _change(self, connection, row):
        known = known_events(connection, "events", [row.record_id])
        held = members_of(connection, "events", [row.record_id])
        for table in self.tables.values():
            member = held.get((table.version, row.record_id))
            if member is not None:
                self._take(connection, table, known[row.record_id], member)
        old = known.get(row.record_id)
        write_log(connection, [LogChange(row, None if old is None else old.number)])
        for table in self.tables.values() if row.record else ():
            added = contribution(table, logged_row("events", row.record, row.sent_us))
            if added is not None:
                self._add(connection, table, row, added)

    def _add(self, connection, table, row, added):
        def grow(state):
            add(table.shape, state, (row.happened_us, row.record_id), added.values, row.sent_us)

        self._write(connection, table, added.key, row.sent_us, grow)
        member = MemberRow(table.version, "events", row.record_id, added.key, row.happened_us)
        write_members(connection, [member], [])

    def _take(self, connection, table, old, member):
        write_members(connection, [], [member])
        values = contribution(table, logged_row("events", old.record, old.sent_us)).values

        def shrink(state):
            for span in remove(table.shape, state, (old.happened_us, old.record_id), values):
                rows = members_between(connection, table.version, member.key, span.begin_us, span.end_us)
                events = [
                    ((one.happened_us, one.record_id), contribution(table, logged_row("events", one.record, 0)).values)
                    for one in rows
                ]
                restore(table.shape, state, span, events)

        self._write(connection, table, member.key, old.sent_us, shrink)

    def _write(self, connection, table, key, sent_us, change):
        found = load_rows(connection, table.version, [key]).get(key)
        state = new_state(table.shape) if found is None else msgspec.msgpack.decode(found.state, type=KeyState)
        change(state)
        prune(table.shape, state)
        row = FeatureRow(
            table.version, key, newest_number(connection) + 1 + (0 if found is None else found.revision),
            msgspec.msgpack.encode(state), state.newest_us, sent_us, int(NOW * 1e6), expires_us(table.shape, state),
            msgspec.json.encode({"events": {"0": newest_number(connection) + 1}}),
        )  # fmt: skip
        write_rows(connection, [RowChange(row, None if found is None else found.revision)])

    def close(self):
        self.store.close()


def wait_until(condition, what, patience_s=10.0):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
