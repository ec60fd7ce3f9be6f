"""Fill definitions from the log, page by page, and make them live when nothing is missing.

The stream goes on meanwhile: what comes new it adds to the definition that is being filled, and the one that is live
stays as it was. What is in the log up to the goal is added here, unless a row holds it already.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import structlog
from sqlalchemy import Connection

from infra.database import Store
from infra.fences import Moved
from infra.rows import feature_definition_rows, feature_log_rows, feature_member_rows, feature_rows
from infra.rows.feature_definition_rows import LIVE, RETIRED, DefinitionRow
from infra.rows.feature_log_rows import LogRow
from infra.rows.feature_member_rows import MemberRow
from infra.rows.feature_rows import RowChange
from processors.features.contributing import Unfit, contribution
from processors.features.definitions.tables import FeatureTable
from processors.features.records import logged_row
from streams.events import Crash
from streams.featurizing.definitions import Active, Definitions, described
from streams.featurizing.folding import Folding, Step
from streams.featurizing.keys import Keys

PAGE = 500
"""Events handled in one transaction: runs of the stream wait for no more."""

log = structlog.get_logger("features")


@dataclass(frozen=True, slots=True)
class Filled:
    """What one page of the log makes of the rows of a definition."""

    cursor: int
    numbers: Sequence[int]
    put: Collection[MemberRow] = ()
    rows: Sequence[RowChange] = ()
    faults: list[str] = field(default_factory=list)


class Filling:
    """Fills definitions, in the store's thread: decided and written in one go.

    Args:
        store: The agent's store.
        definitions: Of the module.
        keys: In memory, shared with the stream.
        now: Unix seconds.
        crash: Crash points.
    """

    def __init__(
        self, store: Store, definitions: Definitions, keys: Keys, *, now: Callable[[], float], crash: Crash
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._keys = keys
        self._now = now
        self._crash = crash

    def fill(self, row: DefinitionRow, table: FeatureTable) -> None:
        """Do one page, or make the definition live when none is left.

        Raises:
            Moved: If another worker was first; look again.
        """
        with self._store.read() as connection:
            events = feature_log_rows.log_page(connection, row.cursor, row.goal, PAGE)
        if not events:
            self._store.change(lambda connection: self._switch(connection, row))
            self._definitions.forget()
            return
        self._keys.begin()
        filled = self._decide(row, table, events)
        with self._store.write() as connection:
            self._write(connection, row, filled)
        self._crash("fill_after_commit")
        self._keys.trim()

    def _decide(self, row: DefinitionRow, table: FeatureTable, events: Sequence[LogRow]) -> Filled:
        """Add the events that are no members yet; those that came or changed meanwhile the stream has added."""
        active, filled = Active(table, live=False), Filled(events[-1].number, [one.number for one in events])
        mine = [one for one in events if one.record is not None and one.topic == table.source.topic]
        with self._store.read() as connection:
            ids = [one.record_id for one in mine]
            held = feature_member_rows.members_of(connection, table.source.topic, ids) if ids else {}
        steps = []
        for event in mine:
            if (row.version, event.record_id) not in held:
                try:
                    told = contribution(table, logged_row(event.topic, event.record or b"", event.sent_us))
                except Unfit as problem:
                    filled.faults.append(f"{problem.field}: {problem.what} ({event.topic} {event.record_id})")
                    continue
                if told is not None:
                    steps.append(Step(None, event, {row.version: told}))
        folding = Folding(self._store, self._keys, [active], {})
        folding.fold(steps)
        return replace(filled, put=folding.put.values(), rows=folding.changes(self._now()))

    def _write(self, connection: Connection, row: DefinitionRow, filled: Filled) -> None:
        self._definitions.hold(connection)
        if not feature_log_rows.still_there(connection, filled.numbers):
            raise Moved("an event was changed by the stream")
        feature_member_rows.write_members(connection, filled.put, ())
        feature_rows.write_rows(connection, filled.rows)
        feature_definition_rows.advance(connection, row, filled.cursor)
        if filled.faults:
            told = described(row)
            told = msgspec.structs.replace(told, skipped=told.skipped + len(filled.faults), fault=filled.faults[-1])
            changed = replace(row, cursor=filled.cursor, described=msgspec.json.encode(told))
            feature_definition_rows.put_definitions(connection, [changed])
            log.warning("events left out", table=row.name, count=len(filled.faults), last=filled.faults[-1])
        self._crash("fill_in_transaction")

    def _switch(self, connection: Connection, row: DefinitionRow) -> None:
        now = feature_definition_rows.list_definitions(connection, hold=True)
        if row not in now:
            raise Moved(f"feature table {row.name} {row.version} was changed by another worker")
        old = [replace(one, state=RETIRED) for one in now if one.name == row.name and one.state == LIVE]
        feature_definition_rows.put_definitions(connection, [*old, replace(row, state=LIVE, live_at=self._now())])
        log.info("feature table", table=row.name, version=row.version, state=LIVE)
