"""A headline for a group of clusters, and the quotes it is chosen from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from processors.digest.clusters import Clusters
from processors.digest.excerpts import Excerpt
from processors.language.cleaning import clip
from processors.points.grouping import Group
from processors.points.labels import label_of
from processors.points.support import Profile, Spoken, speak
from processors.points.wording import Wording
from schemas.points import EVIDENCE_LIMIT, Evidence
from schemas.records import QUOTE_LIMIT

_CLUSTERS_QUOTED: Final = 6
_TERMS_READ: Final = 6
_QUOTES_LABELLED: Final = 12
_HEADLINES_TRIED: Final = 4
_UNBACKED: Final = 0.5  # weight of a headline that no other quote says
_PERSONAL_WEIGHT: Final = 0.75  # of a quote that speaks of its writer


@dataclass(frozen=True, slots=True)
class Telling:
    """How a group is presented."""

    label: str
    headline: str
    evidence: list[Evidence]


@dataclass(frozen=True, slots=True)
class _Quote:
    """One excerpt, and how well it would stand for its group."""

    excerpt: Excerpt
    spoken: Spoken
    quality: float


def tell(band: Clusters, wording: Wording, group: Group, taken: Collection[str]) -> Telling:
    """Choose a label no other point of the band has, a headline and quotes, the best first.

    Args:
        band: The band.
        wording: Of its clusters.
        group: What to tell.
        taken: Labels given before.
    """
    excerpts = [excerpt for row in group.rows[:_CLUSTERS_QUOTED] for excerpt in band.clusters[row].excerpts]
    profile = Profile(wording, group)
    quotes = sorted((_quote(excerpt, profile) for excerpt in excerpts), key=_order)
    headline = _best_backed(quotes, profile)
    ranked = wording.ranked(group.words, _TERMS_READ)
    others = (quote for quote in quotes if quote is not headline and profile.backs(quote.spoken, headline.spoken))
    backing = [headline, *others]
    label = label_of(ranked, [quote.spoken.words for quote in backing[:_QUOTES_LABELLED]], taken)
    return Telling(label, clip(headline.excerpt.text, QUOTE_LIMIT), _evidence([quote.excerpt for quote in backing]))


def _quote(excerpt: Excerpt, profile: Profile) -> _Quote:
    spoken = speak(excerpt.text)
    told = _PERSONAL_WEIGHT if spoken.personal else 1.0
    return _Quote(excerpt, spoken, excerpt.quality * told * profile.typicality(spoken))


def _best_backed(quotes: list[_Quote], profile: Profile) -> _Quote:
    """Choose among the first quotes by how many of all say the same."""

    def backing(quote: _Quote) -> float:
        return sum(profile.backs(other.spoken, quote.spoken) for other in quotes) / len(quotes)

    if len(quotes) == 1:
        return quotes[0]
    return max(
        quotes[:_HEADLINES_TRIED], key=lambda quote: quote.quality * (_UNBACKED + (1.0 - _UNBACKED) * backing(quote))
    )


def _order(quote: _Quote) -> tuple[float, int, str]:
    return -quote.quality, -quote.excerpt.ordinal, quote.excerpt.text


def _evidence(excerpts: Sequence[Excerpt]) -> list[Evidence]:
    """At most 6 quotes, a text and a review once each."""
    chosen: dict[str, Evidence] = {}
    texts: set[str] = set()
    for excerpt in excerpts:
        if len(chosen) == EVIDENCE_LIMIT:
            break
        if excerpt.review_id not in chosen and excerpt.text not in texts:
            texts.add(excerpt.text)
            chosen[excerpt.review_id] = Evidence(review_id=excerpt.review_id, quote=clip(excerpt.text, QUOTE_LIMIT))
    return list(chosen.values())
