"""Claims of one rating band gathered, one review at a time, into clusters of the same opinion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from kernels.assignment import similarities
from tests.releases.v0_1.processors.digest.excerpts import Excerpt, keep
from tests.releases.v0_1.processors.digest.membership import Membership
from processors.language.claims import Claim
from processors.language.readability import readability

Floats = npt.NDArray[np.float32]

UNIT: Final = 127.0
"""Length of a sentence vector."""

SQUARE: Final = UNIT * UNIT
JOINED_FROM: Final = 0.44
"""Average similarity to a cluster's claims from which a claim joins it, in a band of many reviews."""

_YOUNG_EXTRA: Final = 0.13
_YOUNG_UNTIL: Final = 10
_OLD_FROM: Final = 60

FOUNDING: Final = 0.55
"""Similarity that a cluster's first claim is credited with as a quote: no better than later ones."""

REMEMBERED: Final = 40
"""Claims a cluster's mean rests on; older ones fade. 40 * 127 fits 16 bits."""

SIDED_FROM: Final = 0.2
"""Absolute polarity from which a claim takes sides."""

_WORDS_KEPT: Final = 12
_WORDS_MAX: Final = 24
_NEVER: Final = np.float32(-1e9)


class Cluster(msgspec.Struct, array_like=True):
    """One opinion of a band."""

    cluster_id: int
    review_count: int  # distinct reviews
    weight: int  # claims its sum of vectors holds, at most 40
    polarity: float  # summed over them
    words: dict[str, int]  # reviews by term
    excerpts: list[Excerpt]


@dataclass(slots=True)
class BandChange:
    """What folding one review did to its band."""

    hits: list[int] = field(default_factory=list)  # cluster ids
    merges: list[tuple[int, int]] = field(default_factory=list)  # (absorbing id, absorbed id), in order


class Clusters:
    """Clusters of one band. Deterministic: all similarities are exact integers in float32.

    Rows of ``sums`` and ``means`` belong to ``clusters`` in order.
    """

    def __init__(self) -> None:
        self.review_count = 0
        self.next_id = 0
        self.clusters: list[Cluster] = []
        self.members: list[Membership] = []
        self.sums: Floats = np.zeros((0, 0), np.float32)  # (K, D) whole numbers: sum of the remembered claim vectors
        self.means: Floats = np.zeros((0, 0), np.float32)  # (K, D) whole numbers
        self.sides: Floats = np.zeros(0, np.float32)  # (K,) -1, 0 or 1

    def fold(self, review_id: str, lean: int, claims: Sequence[Claim], points: Floats) -> list[int]:
        """Put one review's claims where they belong.

        Args:
            review_id: Whose they are.
            lean: What the band stands for: -1, 0 or 1; quotes of that polarity are preferred.
            claims: May be empty: the review is counted all the same.
            points: Their features, ``(len(claims), D)`` whole numbers.

        Returns:
            Ids of the clusters the review now belongs to.
        """
        ordinal = self.review_count
        self.review_count += 1
        if not claims:
            return []
        rows, scores = self._assign(points, np.array([side_of(claim.polarity) for claim in claims], np.float32))
        firsts: dict[int, int] = {}  # row -> first claim that hit it
        for place, row in enumerate(rows):
            firsts.setdefault(row, place)
        self._found(sum(row >= len(self.clusters) for row in firsts), points.shape[1])
        for row, place in firsts.items():
            excerpt = _excerpt(ordinal, review_id, lean, claims[place], float(scores[place]))
            self._add(row, ordinal, claims[place], excerpt)
        self._move(list(firsts), points[list(firsts.values())])
        return [self.clusters[row].cluster_id for row in firsts]

    def _assign(self, points: Floats, sides: Floats) -> tuple[list[int], list[float]]:
        """Choose a row for each claim; rows beyond the known ones are new clusters, in order."""
        known = len(self.clusters)
        joined_from = JOINED_FROM + youth(self.review_count)
        nearest, best = [0] * len(points), [float(_NEVER)] * len(points)
        if known:
            scores = similarities(points, self.means[:known])
            scores[np.multiply.outer(sides, self.sides[:known]) < 0] = _NEVER
            index = scores.argmax(axis=1)
            nearest, best = index.tolist(), scores[np.arange(len(points)), index].tolist()
        founders: list[int] = []  # claims that founded row known, known + 1, ...
        among = similarities(points, points)
        for place in range(len(points)):
            for offset, founder in enumerate(founders):
                if among[place, founder] > best[place] and sides[place] * sides[founder] >= 0:
                    nearest[place], best[place] = known + offset, float(among[place, founder])
            if best[place] < joined_from * SQUARE:
                nearest[place], best[place] = known + len(founders), FOUNDING * SQUARE
                founders.append(place)
        return nearest, best

    def _found(self, count: int, dimensions: int) -> None:
        known = len(self.clusters)
        if known + count > len(self.sums):
            rows = max(8, 2 * (known + count))
            self.sums = _grown(self.sums, rows, dimensions)
            self.means = _grown(self.means, rows, dimensions)
            self.sides = np.concatenate([self.sides, np.zeros(rows - len(self.sides), np.float32)])
        for offset in range(count):
            self.sums[known + offset] = 0
            self.clusters.append(Cluster(self.next_id + offset, 0, 0, 0.0, {}, []))
            self.members.append(Membership())
        self.next_id += count

    def _add(self, row: int, ordinal: int, claim: Claim, excerpt: Excerpt) -> None:
        cluster = self.clusters[row]
        cluster.review_count += 1
        cluster.polarity += claim.polarity
        for term in claim.content:
            cluster.words[term] = cluster.words.get(term, 0) + 1
        if len(cluster.words) > _WORDS_MAX:
            cluster.words = top_words(cluster.words, _WORDS_KEPT)
        cluster.excerpts.append(excerpt)
        if len(cluster.excerpts) > 1:
            cluster.excerpts = keep(cluster.excerpts)
        self.members[row].add(ordinal)

    def _move(self, rows: list[int], points: Floats) -> None:
        """Let the means follow the claims that joined, one a row."""
        full = np.array([self.clusters[row].weight == REMEMBERED for row in rows])
        sums = self.sums[rows]
        sums[full] -= np.rint(sums[full] / np.float32(REMEMBERED))
        sums += points
        self.sums[rows] = sums
        for row in rows:
            self.clusters[row].weight = min(self.clusters[row].weight + 1, REMEMBERED)
        self.settle(rows)

    def settle(self, rows: list[int]) -> None:
        """Derive means and sides of some rows from their sums."""
        chosen = [self.clusters[row] for row in rows]
        weights = np.array([cluster.weight for cluster in chosen], np.float32)[:, None]
        self.means[rows] = np.rint(self.sums[rows] / weights)
        self.sides[rows] = [side_of(cluster.polarity / cluster.review_count) for cluster in chosen]


def youth(review_count: int) -> float:
    """Return by how much thresholds are raised in a young band: few claims must not become one blob.

    Example:
        >>> youth(8), round(youth(35), 3), youth(5_000)
        (0.13, 0.065, 0.0)
    """
    grown = (review_count - _YOUNG_UNTIL) / (_OLD_FROM - _YOUNG_UNTIL)
    return _YOUNG_EXTRA * (1.0 - min(1.0, max(0.0, grown)))


def side_of(polarity: float) -> int:
    """Say which side a polarity takes: -1, 0 or 1.

    Example:
        >>> side_of(0.6), side_of(0.1), side_of(-1.0)
        (1, 0, -1)
    """
    return 0 if abs(polarity) < SIDED_FROM else 1 if polarity > 0 else -1


def top_words(words: dict[str, int], count: int) -> dict[str, int]:
    """Keep the most frequent words, alphabetical among equals.

    Example:
        >>> top_words({"a": 1, "c": 2, "b": 2}, 2)
        {'b': 2, 'c': 2}
    """
    return dict(sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:count])


def _excerpt(ordinal: int, review_id: str, lean: int, claim: Claim, score: float) -> Excerpt:
    fitting = 1.0 + 0.3 * lean * claim.polarity
    quality = score / SQUARE * readability(claim.text, claim.words) * fitting
    return Excerpt(ordinal, review_id, claim.text, quality)


def _grown(rows: Floats, count: int, dimensions: int) -> Floats:
    grown = np.zeros((count, dimensions), np.float32)
    if rows.size:
        grown[: len(rows)] = rows
    return grown
