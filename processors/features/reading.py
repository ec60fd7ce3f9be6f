"""Read the features of a key at a moment."""

from collections.abc import Callable, Iterable

from processors.features.cells.cell import Moment, Value
from processors.features.shape import FeatureShape, TableShape, make_cell
from processors.features.tiles import KeyState, Tile, Values, add, merged_cell, new_state

EventsBetween = Callable[[int, int], Iterable[tuple[Moment, Values]]]
"""Reads the key's events from a moment, included, to another, included: microseconds since 1970."""


def read_features(
    shape: TableShape, state: KeyState, at_us: int, events_between: EventsBetween | None = None
) -> dict[str, Value | None]:
    """Read all features of a key.

    Args:
        shape: Of the table.
        state: Of the key; not older than ``at_us``, or tiles may be gone.
        at_us: When it is read: nothing that happened later counts. Microseconds since 1970.
        events_between: Asked only where a tile holds events of before and of after ``at_us``; without it such a tile
            counts as a whole.

    Returns:
        Every feature by its name, with its default where there is nothing to tell.

    Example:
        >>> from processors.features import Count, Events, FeatureTable
        >>> shape = FeatureTable("sales", "customer", Events("sale"), {"sales": Count()}, windows=("1m", "all")).shape
        >>> state = new_state(shape)
        >>> add(shape, state, (60_000_000, "a"), [True], sent_us=60_000_000)
        >>> read_features(shape, state, 61_000_000), read_features(shape, state, 200_000_000)
        ({'sales_1m': 1, 'sales': 1}, {'sales_1m': 0, 'sales': 1})
    """
    heads = [_head(shape, state, place, at_us, events_between) for place in range(len(shape.levels))]
    return {one.name: _read(shape, state, one, at_us, heads[one.level]) for one in shape.features}


def _head(
    shape: TableShape, state: KeyState, place: int, at_us: int, events_between: EventsBetween | None
) -> Tile | None:
    """Return the tile that is under way, as it was at that moment."""
    hop_us = shape.levels[place].hop_us
    begin_us = at_us // hop_us * hop_us
    tile = state.tiles[place].get(begin_us)
    if tile is None or tile.newest_us <= at_us or events_between is None:
        return tile
    alone = new_state(shape)
    for moment, values in events_between(begin_us, at_us):
        add(shape, alone, moment, values, moment[0])
    return alone.tiles[place].get(begin_us)


def _read(shape: TableShape, state: KeyState, feature: FeatureShape, at_us: int, head: Tile | None) -> Value | None:
    level = shape.levels[feature.level]
    tiles = _tiles(state, feature, level.hop_us, at_us)
    if head is not None:
        tiles.append(head)
    values = []
    for cell in feature.cells:
        place = level.cells.index(cell)
        partial = merged_cell(shape, cell, [tile.partials[place] for tile in tiles])
        values.append(make_cell(shape.cells[cell]).value(partial, at_us))
    value = values[0] if len(values) == 1 else _ratio(*values)
    return feature.default if value is None else value


def _tiles(state: KeyState, feature: FeatureShape, hop_us: int, at_us: int) -> list[Tile]:
    """Choose the tiles of a window that ended before the one under way, in order of time."""
    width_us = feature.width_us
    begin_us = None if width_us is None else (at_us - width_us) // hop_us * hop_us
    head_us = at_us // hop_us * hop_us
    tiles = state.tiles[feature.level]
    chosen = [tiles[one] for one in sorted(tiles) if one < head_us and (begin_us is None or one >= begin_us)]
    base = state.bases[feature.level]
    return [base, *chosen] if base is not None and begin_us is None else chosen


def _ratio(top: Value | None, bottom: Value | None) -> float | None:
    if isinstance(top, str) or isinstance(bottom, str) or top is None or not bottom:
        return None
    return top / bottom
