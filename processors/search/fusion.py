"""One score out of two rankings: each is stretched to 0 to 1, and a row's score is their weighted mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WEIGHT: Final = 0.5
"""Of vectors against words."""


@dataclass(frozen=True, slots=True)
class Fused:
    """What two rankings say of one row.

    Args:
        row_id: The row.
        vector: 0 to 1; 0 where vectors did not find it.
        words: 0 to 1; 0 where words did not find it.
        score: Their weighted mean.
    """

    row_id: int
    vector: float
    words: float
    score: float


def fuse(vectors: Mapping[int, float], words: Mapping[int, float], weight: float = WEIGHT) -> list[Fused]:
    """Join two rankings, best first, equal ones by row id.

    With min-max normalisation a convex combination needs one weight and no training (Bruch et al., 2022).

    Args:
        vectors: Similarity by row id, of the best rows only.
        words: Score by row id, of the best rows only; any scale.
        weight: Of the vectors, 0 to 1.

    Example:
        >>> for one in fuse({1: 0.9, 2: 0.5, 3: 0.1}, {2: 7.0, 4: 3.0}):
        ...     print(one)
        Fused(row_id=2, vector=0.5, words=1.0, score=0.75)
        Fused(row_id=1, vector=1.0, words=0.0, score=0.5)
        Fused(row_id=3, vector=0.0, words=0.0, score=0.0)
        Fused(row_id=4, vector=0.0, words=0.0, score=0.0)
    """
    vectors, words = stretched(vectors), stretched(words)
    fused = [
        Fused(row_id, near, fit, weight * near + (1 - weight) * fit)
        for row_id in vectors.keys() | words.keys()
        for near, fit in ((vectors.get(row_id, 0.0), words.get(row_id, 0.0)),)
    ]
    return sorted(fused, key=lambda one: (-one.score, one.row_id))


def stretched(scores: Mapping[int, float]) -> dict[int, float]:
    """Stretch scores so that the worst is 0 and the best 1; where all are equal, all are best.

    Example:
        >>> stretched({1: 3.0, 2: 5.0, 3: 4.0}), stretched({1: 3.0})
        ({1: 0.0, 2: 1.0, 3: 0.5}, {1: 1.0})
    """
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {row_id: (score - low) / (high - low) if high > low else 1.0 for row_id, score in scores.items()}
