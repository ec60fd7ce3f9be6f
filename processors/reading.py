"""A product's state turned into what is published: points a band, value for money, flags, metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.cleaning import clip
from processors.clusters import Clusters
from processors.grouping import Group, Salience, group_clusters
from processors.head import Head
from processors.headlines import Told, candidates, tell
from processors.membership import recent_count
from processors.metrics import read_flag_counts, read_metrics, read_value
from processors.pruning import HALF_LIFE
from schemas.points import EVIDENCE_LIMIT, POINT_LIMIT, Band, Bands, Evidence, Point, Reading
from schemas.records import QUOTE_LIMIT

_SALIENT_FROM: Final = 20  # reviews; before, every term may be specific
_LEANS: Final = (-1, 0, 1, 0)
_OPPOSED: Final = 0.45
_SINGLE: Final = 0.6


@dataclass(frozen=True, slots=True)
class _Ranked:
    group: Group
    score: float


def read_product(head: Head, bands: Sequence[Clusters], last_30_days: int) -> Reading:
    """Read everything at once. Changes nothing."""
    salience = term_salience(head)
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


def term_salience(head: Head) -> Salience:
    """Tell specific terms of a product from those in every review of it ("card", "dress")."""
    reviews, terms = head.review_count, head.terms

    def salience(term: str) -> float:
        if reviews < _SALIENT_FROM:
            return 1.0
        return max(0.1, 1.0 - 2.5 * terms.get(term, 0) / reviews)

    return salience


def read_points(band: Clusters, lean: int, salience: Salience) -> list[Point]:
    """Group, rank and tell a band's clusters: at most 10 points, best first."""
    ranked = [_Ranked(group, _score(band, group, lean, salience)) for group in group_clusters(band, salience)]
    ranked.sort(key=lambda one: (-one.score, one.group.rows[0]))
    points: list[Point] = []
    labels: set[str] = set()
    for one in ranked[:POINT_LIMIT]:
        told = tell(band, one.group, salience, labels)
        labels |= {told.label, *told.label.split()}
        points.append(_point(band, one.group, told))
    return points


def _score(band: Clusters, group: Group, lean: int, salience: Salience) -> float:
    share = group.review_count / band.review_count
    total = sum(group.words.values())
    specificity = sum(count * salience(term) for term, count in group.words.items()) / total if total else 0.0
    top = max((count * salience(term) for term, count in group.words.items()), default=0.0)
    score: float = share**0.75 * (0.25 + specificity) * (0.35 + min(1.0, top / group.claim_count))
    score *= 0.5 + min(0.5, abs(group.polarity))
    if lean * group.polarity < -0.05:
        score *= _OPPOSED
    return score if group.review_count > 1 else score * _SINGLE


def _point(band: Clusters, group: Group, told: Told) -> Point:
    share = group.review_count / band.review_count
    since = max(0, band.review_count - HALF_LIFE)
    recent_share = recent_count(group.bits, since) / (band.review_count - since)
    oldest = min(band.clusters[row].cluster_id for row in group.rows[:1])
    return Point(
        point_id=f"{oldest}",
        label=told.label,
        headline=told.headline,
        review_count=group.review_count,
        share=round(share, 4),
        trend=round(recent_share / share, 2),
        evidence=_evidence(band, group),
    )


def _evidence(band: Clusters, group: Group) -> list[Evidence]:
    """The best quotes of the heaviest clusters, a text and a review once each."""
    chosen: dict[str, Evidence] = {}
    texts: set[str] = set()
    for excerpt in sorted(candidates(band, group), key=lambda one: (-one.quality, -one.ordinal, one.text)):
        if excerpt.review_id in chosen or excerpt.text in texts or len(chosen) == EVIDENCE_LIMIT:
            continue
        texts.add(excerpt.text)
        chosen[excerpt.review_id] = Evidence(review_id=excerpt.review_id, quote=clip(excerpt.text, QUOTE_LIMIT))
    return list(chosen.values())
