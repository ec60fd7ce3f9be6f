"""What one decision makes of keys: events added and taken back, tiles put together again, rows to be written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from infra.database import Store
from infra.rows import feature_member_rows
from infra.rows.feature_log_rows import LogRow
from infra.rows.feature_member_rows import MemberRow
from infra.rows.feature_rows import RowChange
from processors.features.cells.cell import Moment, Value
from processors.features.contributing import Contribution, Unfit, contribution
from processors.features.definitions.tables import FeatureTable
from processors.features.records import logged_row
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Span, Values, add, new_state, remove, restore
from streams.featurizing.definitions import Active
from streams.featurizing.keys import Keys, Place, Standing

EventPlace = tuple[str, str]
"""(logical topic, record_id)."""

MemberPlace = tuple[str, str, str]
"""(version, logical topic, record_id)."""

EVER_US = 2**62
"""After every event."""

log = structlog.get_logger("features")


@dataclass(frozen=True, slots=True)
class Step:
    """One event that changes something.

    Args:
        before: As it stood; None for one never heard of.
        after: As it stands from now on.
        contributions: What it adds, by version.
        cause: Place in the run of the record that says so.
    """

    before: LogRow | None
    after: LogRow
    contributions: Mapping[str, Contribution]
    cause: int = 0


@dataclass(slots=True)
class Touch:
    """What a decision did to one key."""

    active: Active
    oldest: int  # place in the run of the first record that touched it
    newest: int
    forgot: bool = False


@dataclass(slots=True)
class Folding:
    """Folds steps into keys; states change at once, what is to be written is gathered.

    Args:
        store: The agent's store.
        keys: In memory.
        actives: Definitions that take these events.
        members: Which rows hold the events that were known before, by (version, topic, record_id).
    """

    store: Store
    keys: Keys
    actives: Sequence[Active]
    members: Mapping[MemberPlace, MemberRow]
    touched: dict[Place, Touch] = field(default_factory=dict)
    put: dict[MemberPlace, MemberRow] = field(default_factory=dict)
    gone: dict[MemberPlace, MemberRow] = field(default_factory=dict)
    events: dict[EventPlace, LogRow] = field(default_factory=dict)
    broken: set[Place] = field(default_factory=set)  # a function does not say the same of an event as it did
    _standing: dict[Place, Standing] = field(default_factory=dict)

    def fold(self, steps: Sequence[Step]) -> None:
        """Take steps in, in order."""
        self._standing = self.keys.load(self._places(steps))
        for step in steps:
            for active in self.actives:
                self._take(active, step)
            self.events[step.after.topic, step.after.record_id] = step.after
        self._restore()

    def changes(self, now: float) -> list[RowChange]:
        """Make what is to be written of the keys that were touched."""
        changes = []
        for place, touch in self.touched.items():
            change = self.keys.change(touch.active.shape, place, now)
            if not (change.gone and change.expected is None):
                changes.append(change)
        return changes

    def standing(self, place: Place) -> Standing:
        """Return a key that was touched."""
        return self._standing[place]

    def _places(self, steps: Sequence[Step]) -> dict[str, tuple[TableShape, list[str]]]:
        wanted: dict[str, dict[str, None]] = {active.version: {} for active in self.actives}
        for step in steps:
            for version, one in step.contributions.items():
                wanted[version][one.key] = None
        for (version, _, _), member in self.members.items():
            if version in wanted:
                wanted[version][member.key] = None
        return {one.version: (one.shape, list(wanted[one.version])) for one in self.actives if wanted[one.version]}

    def _take(self, active: Active, step: Step) -> None:
        place = (active.version, step.after.topic, step.after.record_id)
        held, new = self._held(place), step.contributions.get(active.version)
        if held is not None and step.before is not None:
            old = contributed(active.table, step.before)
            if new is not None and new == Contribution(held.key, old) and step.after.happened_us == held.happened_us:
                return
            self._remove(active, held, old, step)
        if new is not None:
            self._add(active, new, step)

    def _held(self, place: MemberPlace) -> MemberRow | None:
        if place in self.put:
            return self.put[place]
        return None if place in self.gone else self.members.get(place)

    def _remove(self, active: Active, held: MemberRow, old: Values, step: Step) -> None:
        place = (active.version, held.key)
        here = self._standing[place]
        try:
            here.lost += remove(active.shape, here.state, (held.happened_us, held.record_id), old)
        except KeyError:
            self.broken.add(place)
        member = (active.version, held.topic, held.record_id)
        self.put.pop(member, None)
        self.gone[member] = held
        self._touch(place, active, step).forgot = True

    def _add(self, active: Active, new: Contribution, step: Step) -> None:
        place, event = (active.version, new.key), step.after
        here = self._standing[place]
        add(active.shape, here.state, (event.happened_us, event.record_id), new.values, event.sent_us)
        here.sent_us = max(here.sent_us, event.sent_us)
        member = (active.version, event.topic, event.record_id)
        self.gone.pop(member, None)
        self.put[member] = MemberRow(active.version, event.topic, event.record_id, new.key, event.happened_us)
        self._touch(place, active, step)

    def _touch(self, place: Place, active: Active, step: Step) -> Touch:
        touch = self.touched.setdefault(place, Touch(active, step.cause, step.cause))
        touch.newest = step.cause
        return touch

    def _restore(self) -> None:
        """Put tiles together again whose values could not be taken back, from the events the keys hold now."""
        lost = [place for place in self.touched if self._standing[place].lost or place in self.broken]
        if not lost:
            return
        with self.store.read() as connection:
            for place in lost:
                here, active = self._standing[place], self.touched[place].active
                if place in self.broken:
                    here.state = self._rebuilt(connection, active, place)
                else:
                    for span in set(here.lost):
                        restore(active.shape, here.state, span, self._inside(connection, active, place, span))
                here.lost = []

    def _rebuilt(self, connection: Connection, active: Active, place: Place) -> KeyState:
        """Add all events of a key anew, those aside that were put into its bases."""
        before, fresh = self._standing[place].state, new_state(active.shape)
        log.warning("a function says something else of an event than it did", table=active.table.name, key=place[1])
        fresh.newest_us, fresh.bases, fresh.bases_end_us = before.newest_us, before.bases, before.bases_end_us
        for moment, values in self._inside(connection, active, place, Span(0, before.bases_end_us, EVER_US)):
            add(active.shape, fresh, moment, values, before.newest_us)
        return fresh

    def _inside(
        self, connection: Connection, active: Active, place: Place, span: Span
    ) -> Iterator[tuple[Moment, Values]]:
        rows = feature_member_rows.members_between(connection, *place, span.begin_us, span.end_us)
        changed = {(topic, name) for version, topic, name in (*self.put, *self.gone) if version == place[0]}
        inside = [row for row in rows if (row.topic, row.record_id) not in changed]
        for member in self.put.values():
            begun = span.begin_us is None or member.happened_us >= span.begin_us
            if (member.version, member.key) == place and begun and member.happened_us < span.end_us:
                inside.append(self.events[member.topic, member.record_id])
        return (((one.happened_us, one.record_id), contributed(active.table, one)) for one in inside)


def contributed(table: FeatureTable, row: LogRow) -> tuple[Value | None, ...]:
    """Work out the values that an event of the log was added with; all None where a function fails on it by now."""
    try:
        told = contribution(table, logged_row(row.topic, row.record or b"", row.sent_us))
    except Unfit:
        told = None
    return (None,) * len(table.uses) if told is None else told.values
