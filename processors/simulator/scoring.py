"""Scoring: how much of the truth a reading found, by the quotes it shows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from processors.simulator.truth import BandTruth, Mention, Opinion, Truth
from schemas.points import Band, BandName, Point, Reading

TOP = 8
"""Most prevalent opinions of a band that are looked for."""

LEAST_REVIEWS = 20
"""Reviews below which a band is not scored."""

OVERLAP = 0.7
"""Share of the shorter text's words that a quote and a mention must have in common when neither holds the other."""

_WORD = re.compile(r"\w+(?:'\w+)*")


@dataclass(frozen=True, slots=True)
class PointScore:
    """How well a reading matches the truth; means over its scored bands, 0 to 1.

    Args:
        recall: Share of the 8 most prevalent true opinions that are the majority of some point's evidence.
        purity: Share of a point's quotes that say what most of them say, mean over points.
        share_error: Mean distance of a found opinion's share from the true one.
        generic: Share of points whose evidence voices no opinion at all ("Love it"). Lower is better.
    """

    recall: float
    purity: float
    share_error: float
    generic: float


def score_reading(
    reading: Reading, truth: Truth, bands: Sequence[BandName] = ("negative", "positive"), least: int = LEAST_REVIEWS
) -> PointScore:
    """Hold a reading against the truth of the same reviews.

    An opinion that several points show counts with the first of them.

    Args:
        reading: Of the product that ``truth`` is about.
        truth: What the reviews said.
        bands: Which ones to score.
        least: Reviews below which a band is left out.

    Raises:
        ValueError: If no band has enough reviews.
    """
    scored = [
        _score_band(getattr(reading.bands, name), truth.bands[name], truth)
        for name in bands
        if truth.bands[name].review_count >= least
    ]
    if not scored:
        raise ValueError(f"{truth.product_id}: no band of {', '.join(bands)} has {least} reviews")
    return PointScore(
        recall=fmean(score.recall for score in scored),
        purity=fmean(score.purity for score in scored),
        share_error=fmean(score.share_error for score in scored),
        generic=fmean(score.generic for score in scored),
    )


def opinions_in(quote: str, mentions: Sequence[Mention]) -> frozenset[Opinion]:
    """Return which of a review's opinions a quote voices; none if it is filler.

    A quote may be cut, be one clause of a sentence, or hold several mentions.

    Example:
        >>> mentions = [Mention(Opinion("sound", "positive"), "The sound is rich and clear")]
        >>> [opinion.aspect for opinion in opinions_in("Also, the sound is rich", mentions)]
        ['sound']
    """
    words = _WORD.findall(quote.lower())
    spoken = [(mention.opinion, _WORD.findall(mention.text.lower())) for mention in mentions]
    held = frozenset(opinion for opinion, said in spoken if _holds(words, said) or _holds(said, words))
    if held or not words or not spoken:
        return held
    opinion, overlap = max(
        ((opinion, _overlap(words, said)) for opinion, said in spoken), key=lambda candidate: candidate[1]
    )
    return frozenset([opinion]) if overlap >= OVERLAP else frozenset()


def _holds(outer: Sequence[str], inner: Sequence[str]) -> bool:
    return len(inner) >= 2 and f" {' '.join(inner)} " in f" {' '.join(outer)} "


def _overlap(left: Sequence[str], right: Sequence[str]) -> float:
    shorter = min(len(left), len(right))
    return (Counter(left) & Counter(right)).total() / shorter if shorter > 1 else 0.0


def _majority(point: Point, truth: Truth) -> tuple[Opinion | None, float]:
    """Return what most quotes of a point say (none: filler), and the share of them that do."""
    quotes = [opinions_in(evidence.quote, truth.mentions_of(evidence.review_id)) for evidence in point.evidence]
    votes: Counter[Opinion | None] = Counter()
    for said in quotes:
        votes.update(said)
        votes[None] += not said
    if not quotes:
        return None, 0.0
    opinion, count = max(votes.items(), key=lambda vote: (vote[1], vote[0] or ("", "")))
    return opinion, count / len(quotes)


def _score_band(band: Band, truth: BandTruth, whole: Truth) -> PointScore:
    majorities = [_majority(point, whole) for point in band.points]
    shares: dict[Opinion, float] = {}
    for point, (opinion, _) in zip(band.points, majorities, strict=True):
        if opinion is not None:
            shares.setdefault(opinion, point.share)
    top = truth.top(TOP)
    errors = [abs(share - truth.share(opinion)) for opinion, share in shares.items()]
    return PointScore(
        recall=fmean(opinion in shares for opinion in top) if top else 1.0,
        purity=fmean(purity for _, purity in majorities) if majorities else 0.0,
        share_error=fmean(errors) if errors else 1.0,
        generic=fmean(opinion is None for opinion, _ in majorities) if majorities else 0.0,
    )
