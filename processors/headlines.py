"""A headline for a group of clusters, and the quotes it is chosen from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from processors.claims import words_of
from processors.cleaning import clip
from processors.clusters import Clusters
from processors.excerpts import Excerpt
from processors.grouping import Group
from processors.labels import label_of
from processors.lexicon import PERSONAL, sense
from processors.wording import Wording
from schemas.points import EVIDENCE_LIMIT, Evidence
from schemas.records import QUOTE_LIMIT

_CLUSTERS_QUOTED: Final = 4
_QUOTES_READ: Final = 12
_TERMS_READ: Final = 6
_PERSONAL_WEIGHT: Final = 0.75  # of a quote that speaks of its writer
_NAMED: Final = 1.15  # bonus of a quote that uses the group's first term


@dataclass(frozen=True, slots=True)
class Telling:
    """How a group is presented."""

    label: str
    headline: str
    evidence: list[Evidence]


def tell(band: Clusters, wording: Wording, group: Group, taken: Collection[str]) -> Telling:
    """Choose a label no other point of the band has, a headline and quotes, the best first.

    Args:
        band: The band.
        wording: Of its clusters.
        group: What to tell.
        taken: Labels given before.
    """
    excerpts = _best(band, group)
    worded = [words_of(excerpt.text) for excerpt in excerpts[:_QUOTES_READ]]
    ranked = wording.ranked(group.words, _TERMS_READ)
    label = label_of(ranked, worded, taken)
    headline = _headline(excerpts, worded, ranked[0] if ranked else None)
    return Telling(label, clip(headline, QUOTE_LIMIT), _evidence(excerpts))


def _best(band: Clusters, group: Group) -> list[Excerpt]:
    """Quotes of the group's heaviest clusters, the best first."""
    excerpts = (excerpt for row in group.rows[:_CLUSTERS_QUOTED] for excerpt in band.clusters[row].excerpts)
    return sorted(excerpts, key=lambda one: (-one.quality, -one.ordinal, one.text))


def _headline(excerpts: Sequence[Excerpt], worded: Sequence[Sequence[str]], term: str | None) -> str:
    def quality(place: int) -> float:
        named = any(sense(word).term == term for word in worded[place])
        told = 1.0 if PERSONAL.isdisjoint(worded[place]) else _PERSONAL_WEIGHT
        return excerpts[place].quality * (_NAMED if named else 1.0) * told

    best = min(range(len(worded)), key=lambda place: (-quality(place), place))
    return excerpts[best].text


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
