"""Publish the rows of a definition that became live: until then only their table's older definition was told."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from infra import outbox
from infra.database import Store
from infra.fences import Moved, Partition
from infra.rows import feature_definition_rows, feature_rows
from infra.rows.feature_definition_rows import DefinitionRow
from infra.watermarks import read_watermarks
from processors.features.definitions.tables import FeatureTable
from schemas.records import Sources
from streams.events import logical
from streams.featurizing.clearing import owed
from streams.featurizing.definitions import Definitions, described
from streams.featurizing.keys import Keys
from streams.featurizing.records import features_output

PAGE = 200
"""Rows read and published in one transaction."""


class Announcing:
    """Publishes page by page, in the store's thread; begins anew where it did not come to the end.

    Args:
        store: The agent's store.
        definitions: Of the module.
        keys: In memory, shared with the stream.
        topic: Physical name of the features topic.
        first: The input partition whose worker publishes; what it publishes is owed to it.
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
        self._after: dict[str, str] = {}

    def announce(self, row: DefinitionRow, table: FeatureTable) -> None:
        """Publish a page.

        Raises:
            Moved: If another worker was first; look again.
        """
        with self._store.read() as connection:
            sources: Sources = {}  # read first: what is below these fences is in the rows
            for (topic, partition), mark in read_watermarks(connection).items():
                if logical(topic) == table.source.topic:
                    sources.setdefault(logical(topic), {})[str(partition)] = mark.fence
            after = self._after.get(row.version, "")
            keys = [one.key for one in feature_rows.rows_after(connection, row.version, after, PAGE)]
        if not keys:
            self._finish(row)
            return
        self._publish(table, keys, sources)
        self._after[row.version] = keys[-1]

    def _publish(self, table: FeatureTable, keys: Sequence[str], sources: Sources) -> None:
        self._keys.begin()
        now, changes, outputs = self._now(), [], []
        for place, here in self._keys.load({table.version: (table.shape, keys)}).items():
            if here.expected is not None:  # it may have expired since
                here.sources = {**here.sources, **sources}
                change = self._keys.change(table.shape, place, now)
                changes.append(change)
                outputs.append(features_output(self._topic, table.shape, change, here.state, now))
        with self._store.write() as connection:
            self._definitions.hold(connection)
            feature_rows.write_rows(connection, changes)
            outbox.add(connection, owed(connection, self._first, outputs))
        self._keys.trim()

    def _finish(self, row: DefinitionRow) -> None:
        told = msgspec.structs.replace(described(row), announced=True)
        with self._store.write() as connection:
            if row not in feature_definition_rows.list_definitions(connection, hold=True):
                raise Moved(f"feature table {row.name} {row.version} was changed by another worker")
            done = replace(row, described=msgspec.json.encode(told))
            feature_definition_rows.put_definitions(connection, [done])
        self._after.pop(row.version, None)
        self._definitions.forget()
