"""Clusters of one band that say the same, put together for reading."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kernels.assignment import similarities
from processors.clusters import SQUARE, Clusters

Salience = Callable[[str], float]
"""How specific a term is within its product: 0 (in every review) to 1."""

_GROUPED_FROM: Final = 0.46
_GROUPED_WITH_TERM_FROM: Final = 0.30
_GROUPED_BY_LABEL_FROM: Final = 0.18
_TERMS_TOLD: Final = 4  # of a cluster
_TERM_SHARE: Final = 0.15  # of a cluster's reviews that use a term it is told by
_TERM_SALIENCE: Final = 0.4
_LABEL_SHARE: Final = 0.3


@dataclass(slots=True)
class Group:
    """One opinion as it will be read."""

    rows: list[int]  # of clusters, heaviest first
    bits: int  # reviews that say it, by ordinal in the band
    words: dict[str, int]  # claims by term
    claim_count: int
    polarity: float  # mean, -1 to 1

    @property
    def review_count(self) -> int:
        """Distinct reviews."""
        return self.bits.bit_count()


def group_clusters(band: Clusters, salience: Salience) -> list[Group]:
    """Group clusters that are close, or fairly close and told by the same specific term.

    Clusters of opposite polarity are never grouped.

    Returns:
        Groups, each with its heaviest cluster first.
    """
    known = len(band.clusters)
    if not known:
        return []
    order = sorted(range(known), key=lambda row: (-band.clusters[row].review_count, band.clusters[row].cluster_id))
    close = similarities(band.means[:known], band.means[:known]) / np.float32(SQUARE)
    agreeing = np.multiply.outer(band.sides[:known], band.sides[:known]) >= 0
    shared = _sharing([_telling_terms(band, row, salience) for row in range(known)])
    together = agreeing & ((close >= _GROUPED_FROM) | ((close >= _GROUPED_WITH_TERM_FROM) & shared))
    parts = _gather(order, together)
    labels = [dominant_term(_words(band, rows), salience, _size(band, rows)) for rows in parts]
    return [_group(band, rows) for rows in _join_labelled(parts, labels, agreeing, close)]


def dominant_term(words: dict[str, int], salience: Salience, size: int) -> str:
    """Return the specific term that at least a third or so of the claims use, or ""."""
    if not words:
        return ""
    term = min(words, key=lambda word: (-words[word] * salience(word), word))
    return term if words[term] >= max(2, _LABEL_SHARE * size) and salience(term) >= _TERM_SALIENCE else ""


def _telling_terms(band: Clusters, row: int, salience: Salience) -> list[str]:
    cluster = band.clusters[row]
    least = max(1.0, _TERM_SHARE * cluster.review_count)
    ranked = sorted(cluster.words.items(), key=lambda pair: (-pair[1], pair[0]))[:_TERMS_TOLD]
    return [term for term, count in ranked if count >= least and salience(term) >= _TERM_SALIENCE]


def _sharing(terms: list[list[str]]) -> npt.NDArray[np.bool_]:
    places = {term: place for place, term in enumerate(dict.fromkeys(term for row in terms for term in row))}
    told = np.zeros((len(terms), max(1, len(places))), np.float32)
    for row, own in enumerate(terms):
        told[row, [places[term] for term in own]] = 1
    return np.asarray(told @ told.T > 0)


def _gather(order: list[int], together: npt.NDArray[np.bool_]) -> list[list[int]]:
    free = np.ones(len(order), np.bool_)
    ranked = np.array(order)
    parts = []
    for seed in order:
        if free[seed]:
            free[seed] = False
            others = ranked[together[seed, ranked] & free[ranked]]
            free[others] = False
            parts.append([seed, *others.tolist()])
    return parts


def _join_labelled(
    parts: list[list[int]], labels: list[str], agreeing: npt.NDArray[np.bool_], close: npt.NDArray[np.float32]
) -> list[list[int]]:
    """Join parts with the same dominant term: one aspect should be one point."""
    heads: dict[str, list[int]] = {}
    joined = []
    for rows, label in zip(parts, labels, strict=True):
        head = heads.get(label) if label else None
        if head and agreeing[head[0], rows[0]] and close[head[0], rows[0]] >= _GROUPED_BY_LABEL_FROM:
            head += rows
            continue
        joined.append(rows)
        if label and head is None:
            heads[label] = rows
    return joined


def _words(band: Clusters, rows: list[int]) -> dict[str, int]:
    words = dict(band.clusters[rows[0]].words)
    for row in rows[1:]:
        for term, count in band.clusters[row].words.items():
            words[term] = words.get(term, 0) + count
    return words


def _size(band: Clusters, rows: list[int]) -> int:
    return sum(band.clusters[row].review_count for row in rows)


def _group(band: Clusters, rows: list[int]) -> Group:
    bits = 0
    for row in rows:
        bits |= band.members[row].bits
    size = _size(band, rows)
    polarity = sum(band.clusters[row].polarity for row in rows) / size
    return Group(rows, bits, _words(band, rows), size, polarity)
