"""A product's state turned into what is published: points a band, value for money, flags, metrics."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from processors.digest.clusters import Clusters
from processors.digest.head import Head
from processors.digest.membership import recent_count
from processors.digest.metrics import read_flag_counts, read_metrics, read_value
from processors.language.lexicon import CONCEPT_OF
from processors.points.grouping import Group, group_clusters
from processors.points.headlines import Telling, tell
from processors.points.salience import Salience
from processors.points.wording import Floats, Wording
from schemas.points import POINT_LIMIT, Band, Bands, Point, Reading

_LEANS: Final = (-1, 0, 1, 0)  # of the bands
_OPPOSED: Final = 0.25  # weight of praise among complaints, and the reverse
_SINGLE: Final = 0.6  # weight of what one review says
_CONSEQUENCE: Final = 0.6  # weight of a return: it tells that something is wrong, not what
_REPEATED: Final = 0.8  # weight of a concept that a point before was about


def read_product(head: Head, bands: Sequence[Clusters], last_30_days: int) -> Reading:
    """Read everything at once. Changes nothing."""
    salience = Salience(head)
    negative, neutral, positive, unrated = (
        Band(review_count=band.review_count, points=read_points(band, lean, salience))
        for band, lean in zip(bands, _LEANS, strict=True)
    )
    return Reading(
        bands=Bands(negative=negative, neutral=neutral, positive=positive, unrated=unrated),
        value_for_money=read_value(head.value),
        flags=head.flags[::-1],
        flag_counts=read_flag_counts(head),
        metrics=read_metrics(head, last_30_days),
    )


def read_points(band: Clusters, lean: int, salience: Salience) -> list[Point]:
    """Group, rank and tell a band's clusters: at most 10 points, best first."""
    if not band.clusters:
        return []
    wording = Wording(band.clusters, salience)
    points: list[Point] = []
    labels: set[str] = set()
    for group in _varied(group_clusters(band, wording), wording, band.review_count, lean):
        telling = tell(band, wording, group, labels)
        labels.add(telling.label)
        points.append(_point(band, group, telling))
    return points


def _varied(groups: list[Group], wording: Wording, review_count: int, lean: int) -> list[Group]:
    """Choose the best groups one by one; those whose concept was chosen before count less."""
    sizes = np.array([group.claim_count for group in groups], np.float32)
    counts = np.array([group.words for group in groups])
    concepts = wording.concepts(counts, sizes)
    tellings = _tellings(counts, sizes, wording)
    weights = {place: tellings[place] * _score(group, review_count, lean) for place, group in enumerate(groups)}
    for place, concept in enumerate(concepts):
        if concept == CONCEPT_OF["return"]:
            weights[place] *= _CONSEQUENCE
    chosen: list[Group] = []
    while weights and len(chosen) < POINT_LIMIT:
        best = min(weights, key=lambda place: (-weights[place], place))
        del weights[best]
        chosen.append(groups[best])
        for place in weights:
            if concepts[best] is not None and concepts[place] == concepts[best]:
                weights[place] *= _REPEATED
    return chosen


def _tellings(counts: Floats, sizes: Floats, wording: Wording) -> list[float]:
    """Weigh the words of N groups (N, T): how specific they are, and how much they agree."""
    weighted = counts * wording.salience
    specificity = weighted.sum(axis=1) / np.maximum(1.0, counts.sum(axis=1))
    agreement = np.minimum(1.0, wording.common(weighted) / sizes)
    weights: list[float] = ((0.08 + specificity) * (0.3 + agreement)).tolist()
    return weights


def _score(group: Group, review_count: int, lean: int) -> float:
    """Rank by share, and by how clearly the band's side is taken."""
    score = group.review_count / review_count * (0.5 + min(0.5, abs(group.polarity)))
    if lean * group.polarity < -0.05:
        score *= _OPPOSED
    return score if group.review_count > 1 else score * _SINGLE


def _point(band: Clusters, group: Group, telling: Telling) -> Point:
    share = group.review_count / band.review_count
    recent_share = recent_count(group.bits, band.recent_from) / max(1, len(band.newest))
    return Point(
        point_id=str(band.clusters[group.rows[0]].cluster_id),
        label=telling.label,
        headline=telling.headline,
        review_count=group.review_count,
        share=round(share, 4),
        trend=round(recent_share / share, 2),
        evidence=telling.evidence,
    )
