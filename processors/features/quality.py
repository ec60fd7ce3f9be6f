"""How fresh features are, and how much they have to tell."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from processors.features.reading import read_features
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, new_state

AGES_S = (60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000, 7_776_000)
"""Bounds of the histogram of ages, seconds: a minute to 90 days."""


class Latencies:
    """How long the newest events took until they could be read.

    Args:
        limit: Events remembered at most.
        window_s: How long an event is remembered, seconds.

    Example:
        >>> latencies = Latencies()
        >>> latencies.update([7_000_000, 9_000_000, 10_000_000], written_us=10_000_000)
        >>> latencies.quantiles([0.5, 0.99], now_us=11_000_000), len(latencies)
        ([1.0, 3.0], 3)
    """

    def __init__(self, limit: int = 5_000, window_s: float = 300.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._told: deque[tuple[int, int]] = deque(maxlen=limit)

    def __len__(self) -> int:
        """Count the events remembered."""
        return len(self._told)

    def update(self, sent_us: Iterable[int], written_us: int) -> None:
        """Take in events that were written together.

        Args:
            sent_us: When each was sent, microseconds since 1970.
            written_us: When their rows were there, microseconds since 1970.
        """
        self._told.extend((written_us, max(written_us - sent, 0)) for sent in sent_us)

    def quantiles(self, wanted: Sequence[float], now_us: int) -> list[float] | None:
        """Tell quantiles of what took how long, seconds; None where nothing was written lately.

        Args:
            wanted: 0 to 1.
            now_us: Microseconds since 1970.
        """
        while self._told and now_us - self._told[0][0] > self._window_s * 1e6:
            self._told.popleft()
        ordered = sorted(took for _, took in self._told)
        return [ordered[round(q * (len(ordered) - 1))] / 1e6 for q in wanted] if ordered else None


@dataclass(frozen=True, slots=True)
class Shares:
    """What some keys have to tell.

    Args:
        ages: Upper bound in seconds -> share of keys whose newest event is not older.
        nulls: Feature -> share of keys where it is None.
        defaults: Feature -> share of keys where it is what a key without events has.
    """

    ages: dict[int, float]
    nulls: dict[str, float]
    defaults: dict[str, float]


def shares_of(shape: TableShape, states: Sequence[KeyState], at_us: int) -> Shares:
    """Look at some keys of a table; without any, nothing is told.

    Args:
        shape: Of the table.
        states: Of the keys.
        at_us: When they are read, microseconds since 1970.

    Example:
        >>> from processors.features import Events, FeatureTable, Last, Sum
        >>> from processors.features.tiles import add
        >>> shape = FeatureTable("sales", "customer", Events(), {"n": Sum("x"), "x": Last("x")}, windows=("1h",)).shape
        >>> busy, quiet = new_state(shape), new_state(shape)
        >>> add(shape, busy, (60_000_000, "a"), [3.0, 3.0], sent_us=60_000_000)
        >>> shares = shares_of(shape, [busy, quiet], 70_000_000)
        >>> shares.nulls, shares.defaults, shares.ages[60]
        ({'n_1h': 0.0, 'x_1h': 0.5}, {'n_1h': 0.5, 'x_1h': 0.5}, 0.5)
    """
    if not states:
        return Shares({}, {}, {})
    rows = [read_features(shape, state, max(at_us, state.newest_us)) for state in states]
    empty = read_features(shape, new_state(shape), at_us)
    return Shares(
        ages={bound: _share(at_us - state.newest_us <= bound * 1e6 for state in states) for bound in AGES_S},
        nulls={name: _share(row[name] is None for row in rows) for name in empty},
        defaults={name: _share(row[name] == default for row in rows) for name, default in empty.items()},
    )


def _share(judged: Iterable[bool]) -> float:
    told = list(judged)
    return sum(told) / len(told)
