"""Read the features of a key at a moment."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from processors.features.cells.cell import Cell, Moment, Value
from processors.features.shape import FeatureShape, LevelShape, TableShape, make_cell
from processors.features.tiles import KeyState, Tile, Values, add, new_state

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
    values: dict[str, Value | None] = {}
    for place, level in enumerate(shape.levels):
        head = _head(shape, state, place, at_us, events_between)
        for window in _windows(shape)[place]:
            values.update(_read(window, _tiles(state, place, level.hop_us, window.width_us, at_us, head), at_us))
    return {one.name: values[one.name] for one in shape.features}


class _Window(NamedTuple):
    """Features that are read from the same tiles."""

    width_us: int | None
    cells: tuple[tuple[int, Cell], ...]
    """Where a tile keeps each cell they need, and how it is read."""
    features: tuple[tuple[FeatureShape, tuple[int, ...]], ...]
    """Each with the places of its cells among these."""


@lru_cache(maxsize=1_000)
def _windows(shape: TableShape) -> tuple[tuple[_Window, ...], ...]:
    """Sort features by level and window: what is read of one window is read of its tiles at once."""
    return tuple(
        tuple(
            _window(shape, level, [one for one in shape.features if one.level == place and one.width_us == width_us])
            for width_us in dict.fromkeys(one.width_us for one in shape.features if one.level == place)
        )
        for place, level in enumerate(shape.levels)
    )


def _window(shape: TableShape, level: LevelShape, features: Sequence[FeatureShape]) -> _Window:
    needed = list(dict.fromkeys(cell for one in features for cell in one.cells))
    cells = tuple((level.cells.index(cell), make_cell(shape.cells[cell])) for cell in needed)
    named = tuple((one, tuple(needed.index(cell) for cell in one.cells)) for one in features)
    return _Window(features[0].width_us, cells, named)


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


def _read(window: _Window, tiles: Sequence[Tile], at_us: int) -> Iterator[tuple[str, Value | None]]:
    rows = [tile.partials for tile in tiles]
    told = [cell.read([row[place] for row in rows if row[place] is not None], at_us) for place, cell in window.cells]
    for feature, places in window.features:
        value = told[places[0]] if len(places) == 1 else _ratio(*(told[place] for place in places))
        yield feature.name, feature.default if value is None else value


def _tiles(state: KeyState, place: int, hop_us: int, width_us: int | None, at_us: int, head: Tile | None) -> list[Tile]:
    """Choose the tiles of a window, in order of time; the one under way is given as it was at that moment."""
    head_us = at_us // hop_us * hop_us
    begin_us = None if width_us is None else (at_us - width_us) // hop_us * hop_us
    tiles = state.tiles[place]
    chosen = [tiles[one] for one in sorted(tiles) if one < head_us and (begin_us is None or one >= begin_us)]
    base = state.bases[place] if width_us is None else None
    return [*([base] if base is not None else []), *chosen, *([head] if head is not None else [])]


def _ratio(top: Value | None, bottom: Value | None) -> float | None:
    if isinstance(top, str) or isinstance(bottom, str) or top is None or not bottom:
        return None
    return top / bottom
