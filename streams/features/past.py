"""Read rows at moments before their newest event: what their tiles have let go comes from the log again.

Errors:
    InfraError
    └── TooEarly   the log has forgotten what was there then
"""

from collections.abc import Iterable, Iterator, Mapping

from infra.errors import InfraError
from infra.rows.feature_log_rows import LogRow
from processors.features.cells.cell import Moment
from processors.features.contributing import Contribution, contribution
from processors.features.definitions.tables import FeatureTable
from processors.features.reading import EventsBetween
from processors.features.records import logged_row, moment
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Values, add, new_state, oldest_tile_us


class TooEarly(InfraError):
    """The log has forgotten what was there then."""


class StreamTables:
    """What events add to tables, by the functions of a module.

    Args:
        tables: Of the module, by name.
    """

    def __init__(self, tables: Mapping[str, FeatureTable]) -> None:
        self._tables = tables

    def knows(self, name: str, version: str) -> bool:
        """Tell whether a version of a table is that of the module."""
        return name in self._tables and self._tables[name].version == version

    def events(self, name: str, log: Iterable[LogRow]) -> Iterator[tuple[Moment, Values]]:
        """Turn events of the log, all of one row, into what they add to it."""
        for row in log:
            added = self.contribution(name, row)
            if added is not None:
                yield (row.happened_us, row.record_id), added.values

    def contribution(self, name: str, row: LogRow) -> Contribution | None:
        """Work out what an event adds to a table; None when nothing.

        Raises:
            processors.features.contributing.Unfit: If a user's function fails on it.
        """
        if row.record is None:
            return None
        return contribution(self._tables[name], logged_row(row.topic, row.record, row.sent_us))


def state_then(
    shape: TableShape, state: KeyState, at_us: int, forgotten_us: int, events_between: EventsBetween | None
) -> tuple[KeyState, bool]:
    """Make of a row's state one that can be read at a moment.

    Args:
        shape: Of the table.
        state: As it is now.
        at_us: The moment, microseconds since 1970.
        forgotten_us: Events that were sent before may be forgotten, microseconds since 1970.
        events_between: Reads the row's events; None where nobody can.

    Returns:
        The state, and whether something is missing of it.

    Raises:
        TooEarly: If what was there then is forgotten.
    """
    begin_us = _let_go(shape, state, at_us)
    settled = any(state.bases) and at_us < state.bases_end_us
    if begin_us is None and not settled:
        return state, events_between is None and _ahead(shape, state, at_us)
    if events_between is None:
        return state, True
    if settled or (begin_us is not None and begin_us < forgotten_us):
        oldest = moment(max(forgotten_us, state.bases_end_us)).strftime("%Y-%m-%d %H:%M UTC")
        raise TooEarly(f"what was there then is forgotten: events are kept since {oldest}", "Read at a later moment.")
    then = new_state(shape)
    for happened, values in events_between(begin_us or 0, at_us):
        add(shape, then, happened, values, happened[0])
    tiles = [
        old if level.reach_us is None else new
        for level, old, new in zip(shape.levels, state.tiles, then.tiles, strict=True)
    ]
    return KeyState(state.newest_us, tiles, state.bases, state.bases_end_us), False


def _ahead(shape: TableShape, state: KeyState, at_us: int) -> bool:
    """Tell whether a tile that is read at a moment holds events of after it."""
    heads = (
        tiles.get(at_us // level.hop_us * level.hop_us) for level, tiles in zip(shape.levels, state.tiles, strict=True)
    )
    return any(head is not None and head.newest_us > at_us for head in heads)


def _let_go(shape: TableShape, state: KeyState, at_us: int) -> int | None:
    """Tell where the oldest tile begins that is read at a moment, if the state may have let it go."""
    begins = [
        oldest_tile_us(level, level.reach_us, at_us)
        for level in shape.levels
        if level.reach_us is not None
        and oldest_tile_us(level, level.reach_us, at_us) < oldest_tile_us(level, level.reach_us, state.newest_us)
    ]
    return min(begins, default=None)
