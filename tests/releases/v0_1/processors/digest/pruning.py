"""Keep a band's clusters few: the closest become one, the lightest go."""

from typing import Final

import numpy as np

from kernels.assignment import similarities
from tests.releases.v0_1.processors.digest.clusters import REMEMBERED, SQUARE, Cluster, Clusters, top_words
from tests.releases.v0_1.processors.digest.excerpts import keep

KEPT: Final = 48
"""Clusters a band keeps when it is pruned."""

PRUNED_FROM: Final = 72
"""Clusters a band holds before it is pruned."""

MERGED_FROM: Final = 0.52
HALF_LIFE: Final = 64
"""Reviews of a band that count as recent."""

_WORDS_MERGED: Final = 16


def prune(band: Clusters) -> list[tuple[int, int]]:
    """Merge and drop once the band holds too many clusters.

    Returns:
        The merges in order, as (absorbing cluster id, absorbed cluster id).
    """
    if len(band.clusters) < PRUNED_FROM:
        return []
    absorbed: set[int] = set()
    merges = []
    for row, other in _close_pairs(band):
        if row in absorbed or other in absorbed:
            continue
        if band.clusters[other].review_count > band.clusters[row].review_count:
            row, other = other, row
        merges.append((band.clusters[row].cluster_id, band.clusters[other].cluster_id))
        _merge(band, row, other)
        absorbed.add(other)
    _retain(band, _heaviest(band, absorbed))
    return merges


def _close_pairs(band: Clusters) -> list[tuple[int, int]]:
    """Pairs of rows to merge, closest first."""
    known = len(band.clusters)
    scores = similarities(band.means[:known], band.means[:known])
    scores[np.multiply.outer(band.sides[:known], band.sides[:known]) < 0] = 0
    first, second = np.nonzero(np.triu(scores >= np.float32(MERGED_FROM * SQUARE), 1))
    pairs = zip((-scores[first, second]).tolist(), first.tolist(), second.tolist(), strict=True)
    return [(row, other) for _, row, other in sorted(pairs)]


def _merge(band: Clusters, row: int, other: int) -> None:
    into, gone = band.clusters[row], band.clusters[other]
    total = into.weight + gone.weight
    sums = band.sums[row] + band.sums[other]
    band.sums[row] = sums if total <= REMEMBERED else np.rint(sums * np.float32(REMEMBERED / total))
    into.weight = min(total, REMEMBERED)
    band.members[row].absorb(band.members[other])
    polarity = (into.polarity + gone.polarity) / (into.review_count + gone.review_count)
    into.review_count = band.members[row].bits.bit_count()
    into.polarity = polarity * into.review_count
    for term, count in gone.words.items():
        into.words[term] = into.words.get(term, 0) + count
    into.words = top_words(into.words, _WORDS_MERGED)
    into.excerpts = keep(into.excerpts + gone.excerpts)
    band.settle([row])


def _heaviest(band: Clusters, absorbed: set[int]) -> list[int]:
    """Rows to keep, in order: by count, recent reviews counted twice, so that new opinions survive a while."""
    since = max(0, band.review_count - HALF_LIFE)

    def weight(row: int) -> tuple[int, int]:
        return -(band.clusters[row].review_count + band.members[row].recent_count(since)), row

    living = sorted((row for row in range(len(band.clusters)) if row not in absorbed), key=weight)
    return sorted(living[:KEPT])


def _retain(band: Clusters, rows: list[int]) -> None:
    count = len(rows)
    for array in (band.sums, band.means, band.sides):
        array[:count] = array[rows]
    clusters: list[Cluster] = [band.clusters[row] for row in rows]
    band.members = [band.members[row] for row in rows]
    band.clusters = clusters
