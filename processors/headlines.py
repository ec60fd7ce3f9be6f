"""Names and headlines for groups of clusters."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from processors.cleaning import clip
from processors.clusters import Clusters
from processors.excerpts import Excerpt
from processors.grouping import Group, Salience
from processors.lexicon import sense
from schemas.records import QUOTE_LIMIT

_CLUSTERS_QUOTED: Final = 4
_LABEL_BONUS: Final = 1.12
_PAIRED_SHARE: Final = 0.4  # of quotes with the label in which its neighbour must stand beside it
_WORD: Final = re.compile(r"[a-z]+(?:['\-][a-z]+)*+|\d\w*+")


@dataclass(frozen=True, slots=True)
class Told:
    """How a group is presented."""

    label: str
    headline: str
    concentration: float  # share of the claims that use the label's term


def tell(band: Clusters, group: Group, salience: Salience, taken: Collection[str]) -> Told:
    """Choose a label no other point of the band has, and a headline.

    Args:
        band: The band.
        group: What to tell.
        salience: Of terms in the product.
        taken: Labels given before.
    """
    excerpts = candidates(band, group)
    ranked = sorted(group.words, key=lambda term: (-group.words[term] * (0.1 + salience(term)), term))
    term = next((word for word in ranked if word not in taken), "")
    worded = [(excerpt, _WORD.findall(excerpt.text.lower())) for excerpt in excerpts]
    label = _paired(term, [words for _, words in worded]) if term else ""
    best = min(worded, key=lambda pair: (-_quality(pair[0], pair[1], term), pair[0].text))[0]
    concentration = group.words[term] / group.claim_count if term else 0.0
    return Told(label or term, clip(best.text, QUOTE_LIMIT), concentration)


def candidates(band: Clusters, group: Group) -> list[Excerpt]:
    """Quotes of the group's heaviest clusters."""
    return [excerpt for row in group.rows[:_CLUSTERS_QUOTED] for excerpt in band.clusters[row].excerpts]


def _quality(excerpt: Excerpt, words: list[str], term: str) -> float:
    named = any(sense(word).term == term for word in words)
    return excerpt.quality * (_LABEL_BONUS if named else 1.0)


def _paired(term: str, quotes: list[list[str]]) -> str:
    """Extend a term by the aspect word that mostly stands beside it: "customer service"."""
    pairs: dict[tuple[str, str], int] = {}
    uses = 0
    for words in quotes:
        terms = [sense(word).term for word in words]
        uses += term in terms
        for left, right in set(pairwise(terms)):
            if left and right and left != right and term in (left, right):
                pairs[left, right] = pairs.get((left, right), 0) + 1
    if not pairs:
        return term
    pair = min(pairs, key=lambda one: (-pairs[one], one))
    return " ".join(pair) if pairs[pair] >= max(2, _PAIRED_SHARE * uses) else term
