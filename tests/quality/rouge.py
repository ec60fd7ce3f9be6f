"""ROUGE of summaries of eight reviews against three people's, as the FewSum sets are scored.

Protocol: ``rouge_score`` with stemming, F1, mean over the three references, then over the products.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer

from schemas.reviews import Review

SETS = ("amazon", "yelp")
_METRICS = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True, slots=True)
class Group:
    """One product: its reviews, and what three people wrote of them."""

    reviews: list[Review]
    references: list[str]


def read_groups(data_dir: Path, name: str, split: str = "val") -> list[Group]:
    """Return the products of one set (``amazon``, ``yelp``) and split (``train``, ``val``)."""
    path = data_dir / "opinsumm_fewsum" / f"{name}_gold_{split}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [_group(row) for row in csv.DictReader(file, delimiter="\t")]


def _group(row: dict[str, str]) -> Group:
    reviews = [
        Review(
            review_id=str(number),
            product_id=row["group_id"],
            text=row[f"rev{number}"],
            rating=int(float(row[f"rating{number}"])) if row.get(f"rating{number}") else None,
        )
        for number in range(1, 9)
    ]
    return Group(reviews, [row[f"summ{number}"] for number in range(1, 4)])


def score(groups: Sequence[Group], texts: Sequence[str]) -> dict[str, float]:
    """Return mean F1 in percent of one text a product, by metric."""
    scorer = RougeScorer(list(_METRICS), use_stemmer=True)
    totals = dict.fromkeys(_METRICS, 0.0)
    for group, text in zip(groups, texts, strict=True):
        for reference in group.references:
            for metric, value in scorer.score(reference, text).items():
                totals[metric] += value.fmeasure / len(group.references)
    return {metric: 100 * total / len(groups) for metric, total in totals.items()}


def evaluate_fewsum(
    data_dir: Path, summarise: Callable[[Sequence[Review]], str], sets: Sequence[str] = SETS, split: str = "val"
) -> dict[str, float]:
    """Return mean F1 in percent over all products of some sets.

    Args:
        data_dir: Folder of the public review sets.
        summarise: Turns one product's reviews into a text.
        sets: ``amazon`` (rated), ``yelp`` (unrated), or both.
        split: ``val`` to report, ``train`` to tune.
    """
    groups = [group for name in sets for group in read_groups(data_dir, name, split)]
    return score(groups, [summarise(group.reviews) for group in groups])


def lead(reviews: Sequence[Review], words: int = 55) -> str:
    """Return the baseline: each review's first sentence, up to about as many words as people write."""
    firsts = [(review.text or "").strip().split(". ")[0].rstrip(".!") + "." for review in reviews]
    return " ".join(" ".join(firsts).split()[:words])
