"""Features as of moments in the past: what a read at each moment would have told, from one walk over a key's events.

What happened after a moment counts nowhere: an event is added when the walk reaches it, never before. One that
happened at the very moment counts, as it does online. Of corrected events the newest revision is used.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

from processors.features.cells.cell import Moment, Value
from processors.features.reading import read_features
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Tile, Values, add, merged, new_state, prune

PRUNE_EVERY = 128
"""Events between two prunings: what is let go would be passed over at every read."""


EARLIEST_US = -(2**63)
"""Before every moment."""


class PastEvent(NamedTuple):
    """An event that happened, and when it was known.

    Args:
        moment: When it happened.
        values: One a cell.
        sent_us: When its newest revision was sent, microseconds since 1970.
    """

    moment: Moment
    values: Values
    sent_us: int


class Settled(NamedTuple):
    """What is kept of events of long ago, which nobody has one by one any more.

    Args:
        tiles: One a level: all that happened before ``end_us``; None for nothing, and for levels of windows.
        newest_us: When the newest of it happened, microseconds since 1970.
        end_us: Begin of the first day that is not in it.
    """

    tiles: tuple[Tile | None, ...]
    newest_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class AsOf:
    """Features of a key as of a moment.

    Args:
        values: Every feature by its name, defaults where there is nothing to tell.
        as_of_us: When the newest event happened that counts, microseconds since 1970; None for none.
    """

    values: Mapping[str, Value | None]
    as_of_us: int | None


class Walk:
    """Goes through the events of one key, forwards; a moment before the last one begins anew.

    Args:
        shape: Of the table.
        events: All of the key that stand, each once, in any order.
        as_known: Leave out what was sent later than a moment, though it had happened: what was late is not told early.
        settled: What happened before the events; only moments after its end can be asked for then.

    Example:
        >>> from processors.features import Count, Events, FeatureTable
        >>> shape = FeatureTable("sales", "customer", Events("sale"), {"sales": Count()}, windows=("1m", "all")).shape
        >>> sale = PastEvent((60_000_000, "a"), [True], sent_us=90_000_000)
        >>> walk = Walk(shape, [sale])
        >>> walk.at(60_000_000).values, walk.at(59_999_999).as_of_us
        ({'sales_1m': 1, 'sales': 1}, None)
        >>> Walk(shape, [sale], as_known=True).at(60_000_000).as_of_us
    """

    def __init__(
        self,
        shape: TableShape,
        events: Iterable[PastEvent],
        *,
        as_known: bool = False,
        settled: Settled | None = None,
    ) -> None:
        self._shape = shape
        self._settled = settled
        timed = ((max(one.moment[0], one.sent_us) if as_known else one.moment[0], one) for one in events)
        self._events = sorted(timed, key=lambda one: (one[0], one[1].moment))
        self._place = 0
        self._at_us = EARLIEST_US
        self._newest_us: int | None = None
        self._begin()

    @property
    def events(self) -> int:
        """How many events it goes through."""
        return len(self._events)

    def at(self, at_us: int) -> AsOf:
        """Read all features at a moment: quick when moments come in order.

        Args:
            at_us: Microseconds since 1970.
        """
        if at_us < self._at_us:
            self._begin()
        self._at_us = at_us
        while self._place < len(self._events) and self._events[self._place][0] <= at_us:
            self._take(self._events[self._place][1])
        if self._newest_us is None:
            return AsOf(self._shape.defaults, None)
        return AsOf(read_features(self._shape, self._state, at_us), self._newest_us)

    def _begin(self) -> None:
        self._state = _begun(self._shape, self._settled)
        self._place = 0
        self._at_us = EARLIEST_US
        known = self._settled is not None and any(self._settled.tiles)
        self._newest_us = self._settled.newest_us if self._settled is not None and known else None

    def _take(self, event: PastEvent) -> None:
        happened_us = event.moment[0]
        if self._settled is not None and happened_us < self._settled.end_us:
            bases, self._state.bases = self._state.bases, [None] * len(self._shape.levels)  # it is in them already
            add(self._shape, self._state, event.moment, event.values, happened_us)
            self._state.bases = bases
        else:
            add(self._shape, self._state, event.moment, event.values, happened_us)
        self._newest_us = happened_us if self._newest_us is None else max(self._newest_us, happened_us)
        self._place += 1
        if self._place % PRUNE_EVERY == 0:
            prune(self._shape, self._state)


def settled_before(shape: TableShape, state: KeyState, end_us: int) -> Settled:
    """Take what a key's row keeps of all time up to a moment, for walks over events of which older ones are gone.

    Args:
        shape: Of the table.
        state: Of the key, as it stands; not changed.
        end_us: Begin of a day, not before the end of the row's bases; microseconds since 1970.
    """
    settled: list[Tile | None] = []
    for level, tiles, base in zip(shape.levels, state.tiles, state.bases, strict=True):
        old = [tiles[one] for one in sorted(tiles) if one < end_us] if level.reach_us is None else []
        told = [*([base] if base is not None else []), *old]
        settled.append(merged(shape, level, told) if told else None)
    newest_us = max((tile.newest_us for tile in settled if tile is not None), default=0)
    return Settled(tuple(settled), newest_us, end_us)


def features_as_of(
    shape: TableShape, events: Iterable[PastEvent], moments_us: Iterable[int], *, as_known: bool = False
) -> Iterator[AsOf]:
    """Read the features of a key as of moments, in their order; quick when that is the order of time.

    Args:
        shape: Of the table.
        events: All of the key that stand, each once, in any order.
        moments_us: Microseconds since 1970.
        as_known: See ``Walk``.
    """
    walk = Walk(shape, events, as_known=as_known)
    return (walk.at(moment_us) for moment_us in moments_us)


def _begun(shape: TableShape, settled: Settled | None) -> KeyState:
    state = new_state(shape)
    if settled is not None:
        state.bases = deepcopy(list(settled.tiles))  # what is late is added to them in place
        state.bases_end_us = settled.end_us
    return state
