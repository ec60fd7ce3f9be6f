"""How many different values there are depends on the values alone."""

import random

import pytest

from processors.features.cells.distinct import EXACT, KEPT, DistinctCell

CELL = DistinctCell()


def filled(values):
    kept = None
    for value in values:
        kept = CELL.add(kept, value, (0, ""), 0)
    return kept


@pytest.mark.parametrize("count", [1, EXACT, EXACT + 1, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 9_000])
def test_what_is_told_depends_neither_on_the_order_nor_on_how_values_are_spread_over_tiles(count):
    values, told = list(range(count)), set()
    for seed, tiles in ((1, 1), (2, 7), (3, 60)):
        chance = random.Random(seed)
        chance.shuffle(values)
        kept = [filled(values[first::tiles]) for first in range(tiles) if values[first::tiles]]
        told.add(CELL.value(CELL.merge(kept), 0))
        merged = kept[0]
        for one in kept[1:]:  # as tiles of all time go into the base, one after the other
            merged = CELL.merge([merged, one])
        told.add(CELL.value(merged, 0))
    assert len(told) == 1
    assert told == {count} if count <= KEPT else abs(told.pop() / count - 1) < 0.1


def test_what_is_kept_of_many_values_is_bounded():
    tiles = [filled(range(first, first + 400)) for first in range(0, 20_000, 400)]
    assert isinstance(CELL.merge(tiles), bytes)
    assert len(CELL.merge(tiles)) < 8 * KEPT + 100
