"""What a product counts over all its reviews: ratings, words, value for money, flags."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from processors.language.claims import Claim
from processors.language.cleaning import clean_text, lower_case, quote_around
from processors.language.flags import find_flags
from processors.language.lexicon import sense
from processors.language.value import judge_value
from tests.releases.v0_1.schemas.points import FLAG_LIMIT, Evidence, Flag, FlagKind
from schemas.records import QUOTE_LIMIT
from schemas.reviews import Review

_TERMS_KEPT: Final = 192
_TERMS_MAX: Final = 384
_NAME: Final = re.compile(r"(?<=[a-z,] )[A-Z][A-Za-z]*[a-z]")
_POINTERS: Final = frozenset({"this", "these"})
_POINTED_WORDS: Final = 3
_VALUE_EVIDENCE_KEPT: Final = 3  # a verdict


class ValueTally(msgspec.Struct, array_like=True):
    """Reviews by what they say of the price, with the newest quotes of the first two."""

    good: int = 0
    poor: int = 0
    unclear: int = 0
    good_evidence: list[Evidence] = msgspec.field(default_factory=list)
    poor_evidence: list[Evidence] = msgspec.field(default_factory=list)

    def add(self, text: str, lowered: str, review_id: str) -> None:
        """Count one cleaned text, given in lower case too."""
        found = judge_value(lowered)
        if found is None:
            return
        verdict, start, end = found
        if verdict == "unclear":
            self.unclear += 1
            return
        quote = quote_around(text, start, end, QUOTE_LIMIT)
        evidence = Evidence(review_id=review_id, quote=quote)
        if verdict == "good":
            self.good += 1
            self.good_evidence = _newest(self.good_evidence, evidence)
        else:
            self.poor += 1
            self.poor_evidence = _newest(self.poor_evidence, evidence)


class Head(msgspec.Struct, array_like=True):
    """The part of a product's state that every review touches. Bounded in size."""

    review_count: int = 0
    rating_counts: list[int] = msgspec.field(default_factory=lambda: [0] * 5)  # one to five stars
    terms: dict[str, int] = msgspec.field(default_factory=dict)  # reviews by term, the frequent ones
    pointed: dict[str, int] = msgspec.field(default_factory=dict)  # those that say "this term"
    value: ValueTally = msgspec.field(default_factory=ValueTally)
    flag_counts: dict[FlagKind, int] = msgspec.field(default_factory=dict)
    flags: list[Flag] = msgspec.field(default_factory=list)  # newest last
    read_band_counts: list[int] = msgspec.field(default_factory=lambda: [0] * 4)  # reviews at the last reading
    flagged_first: bool = False  # a kind of flag appeared for the first time since the last reading
    unread: bool = False
    named: dict[str, int] = msgspec.field(
        default_factory=dict
    )  # reviews by term, those that write it with a capital, as a name

    def fold(self, review: Review, claims: Sequence[Claim]) -> None:
        """Count one review."""
        self.review_count += 1
        self.unread = True
        if review.rating is not None:
            self.rating_counts[review.rating - 1] += 1
        text = clean_text(review.text or "")
        lowered = lower_case(text)
        self.value.add(text, lowered, review.review_id)
        for find in find_flags(text, lowered, review.rating):
            self._flag(Flag(kind=find.kind, review_id=review.review_id, quote=find.quote))
        self.terms = _counted(self.terms, (term for claim in claims for term in claim.content))
        self.named = _counted(self.named, (term for claim in claims for term in named_terms(claim.text)))
        self.pointed = _counted(self.pointed, (term for claim in claims for term in pointed_terms(claim.words)))

    def _flag(self, flag: Flag) -> None:
        count = self.flag_counts.get(flag.kind, 0)
        self.flagged_first = self.flagged_first or count == 0
        self.flag_counts[flag.kind] = count + 1
        self.flags = [*self.flags, flag][-FLAG_LIMIT:]


def pointed_terms(words: Sequence[str]) -> Iterator[str]:
    """Yield the terms that "this" or "these" points at: mostly what the product is.

    Example:
        >>> list(pointed_terms("love this great memory card for its speed".split()))
        ['memory', 'card']
    """
    for place, word in enumerate(words):
        if word in _POINTERS:
            for follower in words[place + 1 : place + 1 + _POINTED_WORDS]:
                value, _, term = sense(follower)
                if not value and not term:
                    break
                if not value:
                    yield term


def named_terms(text: str) -> Iterator[str]:
    """Yield the terms that are written like names: with a capital, and not first.

    Example:
        >>> list(named_terms("Never had trouble with SanDisk cards."))
        ['sandisk']
    """
    for word in _NAME.findall(text):
        term = sense(word.lower()).term
        if term:
            yield term


def _counted(counts: dict[str, int], terms: Iterable[str]) -> dict[str, int]:
    """Count a review's distinct terms; the rarest are forgotten when there are too many."""
    for term in dict.fromkeys(terms):
        counts[term] = counts.get(term, 0) + 1
    if len(counts) <= _TERMS_MAX:
        return counts
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_TERMS_KEPT])


def _newest(evidence: list[Evidence], added: Evidence) -> list[Evidence]:
    distinct = [one for one in evidence if one.quote != added.quote]
    return [*distinct, added][-_VALUE_EVIDENCE_KEPT:]
