"""How many different values there are: exactly up to 2,048, then estimated by a theta sketch.

Source: Dasgupta, Lang, Rhodes and Thaler, "A Framework for Estimating Stream Expression Cardinalities" (2015), as the
``datasketches`` library has it. Trimmed, a sketch depends only on the set of values, not on their order.
"""

from collections.abc import Sequence
from hashlib import blake2b

from datasketches import compact_theta_sketch, theta_union, update_theta_sketch

from processors.features.cells.cell import LOST, Lost, Moment, Value

EXACT = 512
"""Different values of one tile that are kept one by one, and can be taken back."""

LOG_KEPT = 11
KEPT = 1 << LOG_KEPT
"""Values a sketch keeps: up to so many it is exact, then its relative standard error is 1 / sqrt(2,048) = 2.2 %."""

Kept = dict[int, int] | bytes
"""How often each value came, by its hash; or a sketch."""


class DistinctCell:
    """How many different values there are.

    Example:
        >>> cell, kept = DistinctCell(), None
        >>> for city in ("Leipzig", "Halle", "Leipzig"):
        ...     kept = cell.add(kept, city, (0, ""), 0)
        >>> cell.value(kept, 0), cell.value(cell.remove(kept, "Halle", (0, ""), 0), 0)
        (2, 1)
    """

    numeric = False

    def add(self, partial: Kept | None, value: Value, moment: Moment, begin_us: int) -> Kept:
        """See ``Cell``."""
        hashed = _hash(value)
        if isinstance(partial, bytes):
            return _sketch([partial], [hashed])
        counts = {} if partial is None else partial
        counts[hashed] = counts.get(hashed, 0) + 1
        return counts if len(counts) <= EXACT else _sketch([], counts)

    def remove(self, partial: Kept, value: Value, moment: Moment, begin_us: int) -> Kept | Lost:
        """See ``Cell``."""
        if isinstance(partial, bytes):
            return LOST
        hashed = _hash(value)
        left = partial.pop(hashed) - 1
        if left:
            partial[hashed] = left
        return partial

    def merge(self, partials: Sequence[Kept]) -> Kept:
        """See ``Cell``."""
        sketches = [one for one in partials if isinstance(one, bytes)]
        counts: dict[int, int] = {}
        for one in partials:
            if isinstance(one, dict):
                for hashed, count in one.items():
                    counts[hashed] = counts.get(hashed, 0) + count
        # What is told depends on the values alone, not on how tiles came together: above KEPT always a sketch tells it.
        return _sketch(sketches, counts) if sketches or len(counts) > KEPT else counts

    def read(self, partials: Sequence[Kept], at_us: int) -> Value | None:
        """See ``Cell``."""
        if any(isinstance(one, bytes) for one in partials):
            return self.value(self.merge(partials), at_us)
        return len(set[int]().union(*partials))

    def value(self, partial: Kept | None, at_us: int) -> Value | None:
        """See ``Cell``; 0 for none."""
        if isinstance(partial, bytes):
            estimate: float = compact_theta_sketch.deserialize(partial).get_estimate()
            return round(estimate)
        return len(partial or ())


def _sketch(sketches: Sequence[bytes], hashes: Sequence[int] | dict[int, int]) -> bytes:
    union, fresh = theta_union(LOG_KEPT), update_theta_sketch(LOG_KEPT)
    for hashed in hashes:
        fresh.update(hashed)
    union.update(fresh)
    for one in sketches:
        union.update(compact_theta_sketch.deserialize(one))
    return bytes(union.get_result().serialize())


def _hash(value: Value) -> int:
    named = f"{type(value).__name__}:{value}" if isinstance(value, str | bool) else f"number:{float(value)!r}"
    return int.from_bytes(blake2b(named.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
