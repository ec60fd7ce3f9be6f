"""How good a ranking is, by what people judged relevant: precision, recall, MRR and nDCG at k.

Grades are numbers; above 0 means relevant. What nobody judged counts as not relevant. The conventions are
those of trec_eval, which the BEIR tables use: linear gain, and precision is a share of k, even of a ranking
that is shorter.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

Grades = Mapping[str, float]
"""Document to grade, of one question."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What one ranking, or the mean over several, is worth; each from 0 to 1."""

    precision: float
    recall: float
    mrr: float
    ndcg: float


def judge(ranking: Sequence[str], grades: Grades, k: int) -> Quality:
    """Measure one ranking.

    Args:
        ranking: Documents, best first, each once.
        grades: What was judged; at least one of them above 0.
        k: How many of the ranking count, at least 1.

    Raises:
        ValueError: If a document is there twice, nothing is relevant, or k is below 1.

    Example:
        >>> judge(["a", "b", "c"], {"b": 1, "d": 1}, k=2)
        Quality(precision=0.5, recall=0.5, mrr=0.5, ndcg=0.38685280723454163)
    """
    return Quality(
        precision_at(ranking, grades, k),
        recall_at(ranking, grades, k),
        reciprocal_rank_at(ranking, grades, k),
        ndcg_at(ranking, grades, k),
    )


def mean(qualities: Sequence[Quality]) -> Quality:
    """Average over questions, each counting the same.

    Raises:
        ValueError: If there are none.

    Example:
        >>> mean([Quality(0.2, 1.0, 1.0, 1.0), Quality(0.0, 0.0, 0.0, 0.0)])
        Quality(precision=0.1, recall=0.5, mrr=0.5, ndcg=0.5)
    """
    if not qualities:
        raise ValueError("nothing to average")
    return Quality(
        fmean(one.precision for one in qualities),
        fmean(one.recall for one in qualities),
        fmean(one.mrr for one in qualities),
        fmean(one.ndcg for one in qualities),
    )


def precision_at(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """Return the share of the first k that is relevant: ``|relevant in the first k| / k``.

    Raises:
        ValueError: As ``judge``.

    Example:
        >>> precision_at(["a", "b"], {"a": 1}, k=10)
        0.1
    """
    return _found(ranking, grades, k) / k


def recall_at(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """Return the share of what is relevant that is among the first k.

    Raises:
        ValueError: As ``judge``.

    Example:
        >>> recall_at(["a", "b"], {"a": 1, "x": 2, "y": 0}, k=10)
        0.5
    """
    return _found(ranking, grades, k) / sum(grade > 0 for grade in grades.values())


def reciprocal_rank_at(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """Return ``1 / rank`` of the first relevant one, 0 if it is not among the first k.

    The mean over questions is the MRR (Voorhees, TREC-8 question answering track, 1999).

    Raises:
        ValueError: As ``judge``.

    Example:
        >>> reciprocal_rank_at(["a", "b", "c"], {"c": 1, "b": 1}, k=10)
        0.5
    """
    _check(ranking, grades, k)
    ranks = (rank for rank, document in enumerate(ranking[:k], 1) if grades.get(document, 0) > 0)
    first = next(ranks, None)
    return 0.0 if first is None else 1 / first


def ndcg_at(ranking: Sequence[str], grades: Grades, k: int) -> float:
    """Return the gain, discounted by rank, as a share of what the best order would gain.

    ``DCG = sum of grade_i / log2(i + 1)`` over ranks ``i = 1..k``; nDCG is that over the DCG of all judged
    documents sorted by grade (Jarvelin and Kekalainen, TOIS 20(4), 2002; gain as in trec_eval, not ``2^grade - 1``).

    Raises:
        ValueError: As ``judge``.

    Example:
        >>> round(ndcg_at(["b", "a"], {"a": 2, "b": 1}, k=10), 4)  # (1 + 2/log2(3)) / (2 + 1/log2(3))
        0.8597
    """
    _check(ranking, grades, k)
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    return _gain([max(grades.get(document, 0), 0) for document in ranking[:k]]) / _gain(ideal[:k])


def _gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def _found(ranking: Sequence[str], grades: Grades, k: int) -> int:
    _check(ranking, grades, k)
    return sum(grades.get(document, 0) > 0 for document in ranking[:k])


def _check(ranking: Sequence[str], grades: Grades, k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}, want at least 1")
    if len(set(ranking)) < len(ranking):
        raise ValueError("a document is in the ranking twice")
    if not any(grade > 0 for grade in grades.values()):
        raise ValueError("nothing is judged relevant")
