"""The words of a band's clusters as one matrix, so that groups are told apart, ranked and named at once."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.digest.clusters import Cluster
from processors.language.lexicon import CONCEPT_COUNT, CONCEPT_OF, sense
from processors.points.salience import Salience

Floats = npt.NDArray[np.float32]

_DESCRIPTION_WEIGHT: Final = 0.55  # as a name: "soft" against "fabric"
_CONCEPT_WEIGHT: Final = 1.4  # as a name: a word known to speak of an aspect
_TOLD_SHARE: Final = 0.05  # of a cluster's reviews: rarer words are chance
_CONCEPT_SHARE: Final = 0.5


class Wording:
    """Counts and weights of the T terms that the K clusters of a band use.

    Args:
        clusters: The K clusters.
        salience: How specific a term is in the product.
    """

    def __init__(self, clusters: list[Cluster], salience: Salience) -> None:
        told = [_told(cluster) for cluster in clusters]
        self.terms = sorted({term for words in told for term in words})
        place = {term: column for column, term in enumerate(self.terms)}
        self.counts: Floats = np.zeros((len(clusters), len(self.terms)), np.float32)  # (K, T) claims
        for row, words in enumerate(told):
            self.counts[row, [place[term] for term in words]] = list(words.values())
        self.salience: Floats = np.array([salience[term] for term in self.terms], np.float32)  # (T,)
        self._naming: Floats = self.salience * np.array([_naming(term) for term in self.terms], np.float32)
        self._concepts: Floats = np.zeros((len(self.terms), CONCEPT_COUNT), np.float32)
        for column, term in enumerate(self.terms):
            if term in CONCEPT_OF:
                self._concepts[column, CONCEPT_OF[term]] = 1

    def concepts(self, counts: Floats, sizes: Floats) -> list[int | None]:
        """Return for each row of ``counts`` (N, T) the concept that half of its claims speak of, if there is one."""
        if not len(self.terms):
            return [None] * len(counts)
        spoken = counts @ self._concepts
        top = spoken.argmax(axis=1)
        clear = spoken[np.arange(len(top)), top] >= _CONCEPT_SHARE * sizes
        return [int(concept) if known else None for concept, known in zip(top, clear, strict=True)]

    def common(self, counts: Floats) -> Floats:
        """Return for each row of ``counts`` (N, T) its largest, or its sum over one concept where that is larger."""
        conceived: Floats = (counts @ self._concepts).max(axis=1, initial=0)
        return np.asarray(np.maximum(counts.max(axis=1, initial=0), conceived))

    def ranked(self, counts: Floats, limit: int) -> list[str]:
        """Return the terms of one row (T,) that name it best: frequent, specific, aspects before descriptions."""
        weights = counts * self._naming
        order = np.argsort(-weights, kind="stable")[:limit]
        return [self.terms[column] for column in order if counts[column] > 0]


def _told(cluster: Cluster) -> dict[str, int]:
    least = _TOLD_SHARE * cluster.review_count
    return {term: count for term, count in cluster.words.items() if count >= least}


@lru_cache(maxsize=1 << 14)
def _naming(term: str) -> float:
    described = _DESCRIPTION_WEIGHT if sense(term).value else 1.0
    return described * (_CONCEPT_WEIGHT if term in CONCEPT_OF else 1.0)
