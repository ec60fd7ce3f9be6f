"""The state of one key of a feature table: values of its events, summed up in tiles of event time."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from processors.features.cells.cell import LOST, Cell, Moment, Partial, Value
from processors.features.shape import LevelShape, TableShape, make_cell

Values = Sequence[Value | None]
"""Of one event: one a cell of the table; None adds nothing."""


class Tile(msgspec.Struct, array_like=True):
    """What the events of a span of time came to.

    Args:
        count: Of events.
        newest_us: When the newest happened that ever was in it, microseconds since 1970.
        partials: One a cell of its level.
    """

    count: int
    newest_us: int
    partials: list[Partial | None]


class KeyState(msgspec.Struct, array_like=True):
    """All that is kept of one key.

    Args:
        newest_us: When the newest event happened, though never later than it was sent; microseconds since 1970.
        tiles: By where they begin, one dict a level.
        bases: What came before the tiles of a level of all time; one a level, None for none.
        bases_end_us: Where the bases end.
    """

    newest_us: int
    tiles: list[dict[int, Tile]]
    bases: list[Tile | None]
    bases_end_us: int

    @property
    def empty(self) -> bool:
        """Whether nothing of any event is left."""
        return not any(self.tiles) and not any(self.bases)


class Span(msgspec.Struct, frozen=True):
    """A tile that must be put together again from its events.

    Args:
        level: Place of its level.
        begin_us: Included; None for everything before ``end_us``, the base.
        end_us: Not included.
    """

    level: int
    begin_us: int | None
    end_us: int


def new_state(shape: TableShape) -> KeyState:
    """Return the state of a key without events."""
    return KeyState(0, [{} for _ in shape.levels], [None for _ in shape.levels], 0)


def add(shape: TableShape, state: KeyState, moment: Moment, values: Values, sent_us: int) -> None:
    """Add an event.

    What is too old for a level is left out of it; of all time it goes into the base.

    Args:
        shape: Of the table.
        state: Changed in place.
        moment: When it happened.
        values: One a cell.
        sent_us: When it was sent, microseconds since 1970: what happens later than that moves no window.

    Example:
        >>> from processors.features import Count, Events, FeatureTable
        >>> shape = FeatureTable("sales", "customer", Events("sale"), {"sales": Count()}, windows=("1h", "all")).shape
        >>> state = new_state(shape)
        >>> add(shape, state, (60_000_000, "a"), [True], sent_us=60_000_000)
        >>> [list(tiles) for tiles in state.tiles]
        [[60000000], [0]]
    """
    happened_us = moment[0]
    for place, level in enumerate(shape.levels):
        begin_us = happened_us // level.hop_us * level.hop_us
        if level.reach_us is None and begin_us < state.bases_end_us:
            state.bases[place] = _added(shape, level, state.bases[place], moment, values, begin_us)
        elif level.reach_us is None or begin_us >= oldest_tile_us(level, level.reach_us, state.newest_us):
            tiles = state.tiles[place]
            tiles[begin_us] = _added(shape, level, tiles.get(begin_us), moment, values, begin_us)
    state.newest_us = max(state.newest_us, min(happened_us, sent_us))


def remove(shape: TableShape, state: KeyState, moment: Moment, values: Values) -> list[Span]:
    """Take an event back that was added; returns the tiles that must be put together again without it.

    Args:
        shape: Of the table.
        state: Changed in place.
        moment: When it happened, as it was added.
        values: As they were added.
    """
    lost = []
    for place, level in enumerate(shape.levels):
        begin_us = moment[0] // level.hop_us * level.hop_us
        if level.reach_us is not None and begin_us < oldest_tile_us(level, level.reach_us, state.newest_us):
            continue  # the tile may still be there, but what came too late for it was left out of it
        in_base = level.reach_us is None and begin_us < state.bases_end_us
        tile = state.bases[place] if in_base else state.tiles[place].get(begin_us)
        if tile is None:  # it was let go
            continue
        complete = _removed(shape, level, tile, moment, values, begin_us)
        if tile.count == 0:
            _drop(state, place, None if in_base else begin_us)
        elif not complete:
            end_us = state.bases_end_us if in_base else begin_us + level.hop_us
            lost.append(Span(place, None if in_base else begin_us, end_us))
    return lost


def restore(shape: TableShape, state: KeyState, span: Span, events: Iterable[tuple[Moment, Values]]) -> bool:
    """Put a tile together again from its events.

    Args:
        shape: Of the table.
        state: Changed in place, unless events are missing.
        span: As ``remove`` told.
        events: All that happened in it, in any order.

    Returns:
        Whether all its events were there. When not, some were forgotten meanwhile, and its values stay: a smallest or
        a first value, say, that was taken back is then still told.
    """
    level = shape.levels[span.level]
    before = state.bases[span.level] if span.begin_us is None else state.tiles[span.level].get(span.begin_us)
    tile: Tile | None = None
    for moment, values in events:
        tile = _added(shape, level, tile, moment, values, moment[0] // level.hop_us * level.hop_us)
    if before is None or tile is None or tile.count != before.count:
        return False
    if span.begin_us is None:
        state.bases[span.level] = tile
    else:
        state.tiles[span.level][span.begin_us] = tile
    return True


def prune(shape: TableShape, state: KeyState) -> None:
    """Let tiles go that no window reaches any more; of all time, put them into the base.

    Args:
        shape: Of the table.
        state: Changed in place.
    """
    for place, level in enumerate(shape.levels):
        tiles = state.tiles[place]
        if level.reach_us is not None:
            oldest_us = oldest_tile_us(level, level.reach_us, state.newest_us)
            for begin_us in [one for one in tiles if one < oldest_us]:
                del tiles[begin_us]
    _settle(shape, state)


def oldest_tile_us(level: LevelShape, reach_us: int, at_us: int) -> int:
    """Return where the oldest tile begins that a window still reaches, microseconds since 1970."""
    return (at_us - reach_us) // level.hop_us * level.hop_us


def expires_us(shape: TableShape, state: KeyState) -> int | None:
    """Return when nothing of a key will be left to tell; None for never.

    Args:
        shape: Of the table.
        state: Of the key.
    """
    if any(level.reach_us is None for level in shape.levels):
        return None
    ends = [
        max(tiles) + level.hop_us + (level.reach_us or 0) + level.hop_us
        for tiles, level in zip(state.tiles, shape.levels, strict=True)
        if tiles
    ]
    return max(ends, default=0)


def _settle(shape: TableShape, state: KeyState) -> None:
    """Move tiles of all time that are older than corrections into the bases."""
    end_us = max(state.bases_end_us, (state.newest_us - shape.keep_us) // _WIDEST_US * _WIDEST_US)
    for place, level in enumerate(shape.levels):
        if level.reach_us is not None:
            continue
        tiles = state.tiles[place]
        old = sorted(begin_us for begin_us in tiles if begin_us < end_us)
        if old:
            told = [*([state.bases[place]] if state.bases[place] else []), *(tiles.pop(one) for one in old)]
            state.bases[place] = merged(shape, level, [one for one in told if one is not None])
    state.bases_end_us = end_us


_WIDEST_US = 86_400_000_000  # every level of all time has tiles of a day


def merged(shape: TableShape, level: LevelShape, tiles: Sequence[Tile]) -> Tile:
    """Put tiles together into a new one.

    Args:
        shape: Of the table.
        level: Of the tiles.
        tiles: At least one, in order of time.
    """
    partials = [
        merged_cell(shape, cell, [tile.partials[place] for tile in tiles]) for place, cell in enumerate(level.cells)
    ]
    return Tile(sum(tile.count for tile in tiles), max(tile.newest_us for tile in tiles), partials)


def merged_cell(shape: TableShape, cell: int, partials: Iterable[Partial | None]) -> Partial | None:
    """Put what several tiles kept in one cell together; None where none kept anything."""
    kept = [one for one in partials if one is not None]
    return make_cell(shape.cells[cell]).merge(kept) if kept else None


def _added(
    shape: TableShape, level: LevelShape, tile: Tile | None, moment: Moment, values: Values, begin_us: int
) -> Tile:
    tile = Tile(0, moment[0], [None] * len(level.cells)) if tile is None else tile
    tile.count += 1
    tile.newest_us = max(tile.newest_us, moment[0])
    partials = tile.partials
    for place, cell, adder in _adders(shape, level):
        value = values[cell]
        if value is not None:
            partials[place] = adder.add(partials[place], value, moment, begin_us)
    return tile


@lru_cache(maxsize=10_000)
def _adders(shape: TableShape, level: LevelShape) -> tuple[tuple[int, int, Cell], ...]:
    """Cells of a level: place in its tiles, place in the shape, and what adds."""
    return tuple((place, cell, make_cell(shape.cells[cell])) for place, cell in enumerate(level.cells))


def _removed(shape: TableShape, level: LevelShape, tile: Tile, moment: Moment, values: Values, begin_us: int) -> bool:
    tile.count -= 1
    complete = True
    for place, cell in enumerate(level.cells):
        value, partial = values[cell], tile.partials[place]
        if value is None or partial is None:
            continue
        left: Any = make_cell(shape.cells[cell]).remove(partial, value, moment, begin_us)
        complete = complete and left is not LOST
        tile.partials[place] = partial if left is LOST else left
    return complete


def _drop(state: KeyState, place: int, begin_us: int | None) -> None:
    if begin_us is None:
        state.bases[place] = None
    else:
        del state.tiles[place][begin_us]


def by_level(shape: TableShape) -> Mapping[int, LevelShape]:
    """Levels by the width of their tiles, microseconds."""
    return {level.hop_us: level for level in shape.levels}
