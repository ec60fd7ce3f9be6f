"""Clear away what is read no more: rows of definitions that were replaced, rows that expired, events that are final."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from infra import outbox
from infra.database import Store
from infra.fences import Partition
from infra.outbox import Cause, Output
from infra.rows import feature_definition_rows, feature_log_rows, feature_member_rows, feature_rows
from infra.rows.feature_definition_rows import BUILDING, LIVE, RETIRED, DefinitionRow
from infra.rows.feature_rows import RowChange
from infra.watermarks import read_watermarks
from processors.features.shape import TableShape
from processors.features.tiles import new_state
from streams.featurizing.definitions import Definitions, shape_of
from streams.featurizing.keys import Keys
from streams.featurizing.records import features_output

PAGE = 500
"""Rows, members or events that go in one transaction."""


class Clearing:
    """Removes page by page, in the store's thread; of a key that is gone it is published that it is.

    Args:
        store: The agent's store.
        definitions: Of the module.
        keys: In memory, shared with the stream.
        topic: Physical name of the features topic.
        first: The input partition whose worker clears; what it publishes is owed to it.
        now: Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        keys: Keys,
        *,
        topic: str,
        first: Partition,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._keys = keys
        self._topic = topic
        self._first = first
        self._now = now

    def clear(self, row: DefinitionRow) -> None:
        """Remove a page of a definition that is read no more; at the end it goes, or can be filled anew.

        Raises:
            Moved: If another worker was first; look again.
        """
        self._keys.drop(row.version)
        with self._store.read() as connection:
            rows = feature_rows.rows_after(connection, row.version, "", PAGE)
            orphans = self._orphans(connection, row, [one.key for one in rows]) if row.live_at is not None else set()
        changes = [RowChange(replace(one, revision=one.revision + 1), one.revision, gone=True) for one in rows]
        outputs = self._farewells(shape_of(row), [one for one in changes if one.row.key in orphans])
        with self._store.write() as connection:
            self._definitions.hold(connection)
            feature_rows.write_rows(connection, changes)
            outbox.add(connection, self._owed(connection, outputs))
            if not feature_member_rows.remove_members(connection, row.version, PAGE) and not rows:
                self._finish(connection, row)
                self._definitions.forget()

    def expire(self) -> int:
        """Remove rows of which nothing is left to tell; returns how many.

        Time goes on with the newest event, so that history can be played back.

        Raises:
            Moved: If another worker was first; look again.
        """
        shapes = {row.version: shape_of(row) for row in self._definitions.rows}
        live = {row.version for row in self._definitions.rows if row.state == LIVE}
        with self._store.read() as connection:
            at_us = min(feature_log_rows.newest_sent_us(connection), int(self._now() * 1_000_000))
            rows = [one for one in feature_rows.expired_rows(connection, at_us, PAGE) if one.version in shapes]
        changes = [RowChange(replace(one, revision=one.revision + 1), one.revision, gone=True) for one in rows]
        told = [(shapes[one.row.version], one) for one in changes if one.row.version in live]
        outputs = [output for shape, one in told for output in self._farewells(shape, [one])]
        with self._store.write() as connection:
            feature_rows.write_rows(connection, changes)
            outbox.add(connection, self._owed(connection, outputs))
        for one in rows:
            self._keys.drop_key(one.version, one.key)
        return len(rows)

    def forget_events(self) -> int:
        """Forget events that can be corrected no more; returns how many."""
        keep_us = max((shape_of(row).keep_us for row in self._definitions.rows if row.state != RETIRED), default=None)
        if keep_us is None:
            return 0

        def forget(connection: Connection) -> int:
            self._definitions.hold(connection)
            newest_us = min(feature_log_rows.newest_sent_us(connection), int(self._now() * 1_000_000))
            return feature_log_rows.forget_events(connection, newest_us - keep_us, PAGE)

        with self._store.write() as connection:
            return forget(connection)

    def _orphans(self, connection: Connection, row: DefinitionRow, keys: Sequence[str]) -> set[str]:
        """Find the keys that no definition of the table has any more."""
        living = [one.version for one in self._definitions.rows if one.name == row.name and one.state == LIVE]
        held = {key for version in living for key in feature_rows.load_rows(connection, version, keys)}
        return set(keys) - held

    def _finish(self, connection: Connection, row: DefinitionRow) -> None:
        if row.state == RETIRED:
            feature_definition_rows.remove_definition(connection, row)
            return
        goal = feature_log_rows.newest_number(connection)
        begun = replace(row, state=BUILDING, cursor=0, goal=goal, began_at=self._now(), live_at=None)
        feature_definition_rows.put_definitions(connection, [begun])

    def _farewells(self, shape: TableShape, changes: Sequence[RowChange]) -> list[Output]:
        now, nothing = self._now(), new_state(shape)
        return [features_output(self._topic, shape, change, nothing, now) for change in changes]

    def _owed(self, connection: Connection, outputs: Sequence[Output]) -> list[tuple[Output, Cause]]:
        return owed(connection, self._first, outputs)


def owed(connection: Connection, first: Partition, outputs: Sequence[Output]) -> list[tuple[Output, Cause]]:
    """Say to which input outputs are owed that none has caused: the last that was applied of a partition.

    Args:
        connection: A transaction.
        first: The partition.
        outputs: To be published.
    """
    mark = read_watermarks(connection).get(first) if outputs else None
    cause = Cause(*first, max(0, mark.fence - 1) if mark is not None else 0)
    return [(output, cause) for output in outputs]
