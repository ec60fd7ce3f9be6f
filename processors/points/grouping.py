"""Clusters of one band that say the same, put together for reading."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kernels.assignment import similarities
from processors.digest.clusters import SQUARE, Clusters, youth
from processors.points.wording import Floats, Wording

Flags = npt.NDArray[np.bool_]

_GROUPED_FROM: Final = 0.46
_GROUPED_WITH_TERM_FROM: Final = 0.30
_GROUPED_WITH_CONCEPT_FROM: Final = 0.35
_GROUPED_BY_NAME_FROM: Final = 0.18
_TERM_SHARE: Final = 0.2  # of a cluster's reviews that use a term it is told by
_TERM_SALIENCE: Final = 0.4
_NAME_SHARE: Final = 0.3


@dataclass(slots=True)
class Group:
    """One opinion as it will be read."""

    rows: list[int]  # of clusters, heaviest first
    bits: int  # reviews that say it, by ordinal in the product
    words: Floats  # (T,) claims by term of the band's wording
    claim_count: int
    polarity: float  # mean, -1 to 1

    @property
    def review_count(self) -> int:
        """Distinct reviews."""
        return self.bits.bit_count()


def group_clusters(band: Clusters, wording: Wording) -> list[Group]:
    """Group clusters that are close, or fairly close and told by the same term or concept.

    Clusters of opposite polarity are never grouped.

    Args:
        band: At least one cluster.
        wording: Of its clusters.

    Returns:
        Groups, each with its heaviest cluster first.
    """
    clusters = band.clusters
    known = len(clusters)
    order = sorted(range(known), key=lambda row: (-clusters[row].review_count, clusters[row].cluster_id))
    sizes = np.array([cluster.review_count for cluster in clusters], np.float32)
    close = similarities(band.means[:known], band.means[:known]) / np.float32(SQUARE) - np.float32(
        youth(band.review_count)
    )
    agreeing = np.multiply.outer(band.sides[:known], band.sides[:known]) >= 0
    together = agreeing & (
        (close >= _GROUPED_FROM)
        | ((close >= _GROUPED_WITH_TERM_FROM) & _sharing_terms(wording, sizes))
        | ((close >= _GROUPED_WITH_CONCEPT_FROM) & _sharing_concepts(wording, sizes))
    )
    parts = _gather(order, together, band.sides[:known])
    names = [_name(wording, rows, sizes) for rows in parts]
    return [_group(band, wording, rows) for rows in _join_named(parts, names, agreeing, close)]


def _sharing_terms(wording: Wording, sizes: Floats) -> Flags:
    least = np.maximum(np.float32(1.0), np.float32(_TERM_SHARE) * sizes)
    telling = (wording.counts >= least[:, None]) & (wording.salience >= _TERM_SALIENCE)
    told = telling.astype(np.float32)
    return np.asarray(told @ told.T > 0)


def _sharing_concepts(wording: Wording, sizes: Floats) -> Flags:
    concepts = wording.concepts(wording.counts, sizes)
    numbers = np.array([np.nan if concept is None else concept for concept in concepts])  # nan equals nothing
    return np.asarray(numbers[:, None] == numbers[None, :])


def _gather(order: list[int], together: Flags, sides: Floats) -> list[list[int]]:
    """Let each free row, heaviest first, gather the free rows it goes together with, of one side only."""
    free = np.ones(len(order), np.bool_)
    ranked = np.array(order)
    parts = []
    for seed in order:
        if free[seed]:
            free[seed] = False
            others = ranked[together[seed, ranked] & free[ranked]]
            taken = sides[[seed, *others]]
            side = taken[taken.nonzero()][:1]  # a seed without a side takes that of the heaviest that has one
            others = others[sides[others] * side.sum() >= 0]
            free[others] = False
            parts.append([seed, *others.tolist()])
    return parts


def _name(wording: Wording, rows: list[int], sizes: Floats) -> int | None:
    """Return the column of the specific term that about a third of the claims use, if there is one."""
    words = wording.counts[rows].sum(axis=0)
    weights = words * wording.salience
    if not weights.size:
        return None
    column = int(weights.argmax())
    least = max(2.0, _NAME_SHARE * float(sizes[rows].sum()))
    return column if words[column] >= least and wording.salience[column] >= _TERM_SALIENCE else None


def _join_named(
    parts: list[list[int]], names: list[int | None], agreeing: Flags, close: npt.NDArray[np.float32]
) -> list[list[int]]:
    """Join parts of the same name: one aspect should be one point."""
    heads: dict[int, list[int]] = {}
    joined = []
    for rows, name in zip(parts, names, strict=True):
        head = heads.get(name) if name is not None else None
        if head and agreeing[head[0], rows[0]] and close[head[0], rows[0]] >= _GROUPED_BY_NAME_FROM:
            head += rows
            continue
        joined.append(rows)
        if name is not None and head is None:
            heads[name] = rows
    return joined


def _group(band: Clusters, wording: Wording, rows: list[int]) -> Group:
    bits = 0
    for row in rows:
        bits |= band.members[row].bits
    claim_count = sum(band.clusters[row].review_count for row in rows)
    polarity = sum(band.clusters[row].polarity for row in rows) / claim_count
    return Group(rows, bits, wording.counts[rows].sum(axis=0), claim_count, polarity)
