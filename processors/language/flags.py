"""Reviews somebody should read: danger, total failure, foul words."""

import re
from dataclasses import dataclass
from typing import Final

from processors.language.cleaning import quote_around
from processors.language.patterns import phrase_pattern
from schemas.points import FlagKind
from schemas.records import QUOTE_LIMIT

_SEVERE_RATING_MAX: Final = 2
_NEGATED_WITHIN: Final = 24  # characters before a find in which a negator takes it back

_Kind = tuple[FlagKind, re.Pattern[str], bool]
_SAFETY: Final[_Kind] = ("safety", phrase_pattern("flags", "safety"), True)  # True: a "no" before it takes it back
_SEVERE: Final[_Kind] = ("severe", phrase_pattern("flags", "severe"), True)
_PROFANITY: Final[_Kind] = ("profanity", phrase_pattern("flags", "profanity"), False)
_NEGATION: Final = re.compile(
    r"\b(?:no|not|never|without|nothing|isn't|wasn't|doesn't|didn't|don't|won't|hasn't|non)\b"
)


@dataclass(frozen=True, slots=True)
class FlagFind:
    """Why a review was flagged."""

    kind: FlagKind
    quote: str


def find_flags(text: str, lowered: str, rating: int | None) -> list[FlagFind]:
    """Flag one cleaned text, at most once a kind.

    Args:
        text: Cleaned review text.
        lowered: The same in lower case.
        rating: Stars; ``severe`` is for 1 and 2 only, because satisfied buyers tell of other failures.

    Example:
        >>> find_flags("Nice. It Caught fire.", "nice. it caught fire.", 1)
        [FlagFind(kind='safety', quote='It Caught fire.')]
        >>> find_flags("It never overheats.", "it never overheats.", 5)
        []
    """
    kinds = [_SAFETY, _PROFANITY] if rating is None or rating > _SEVERE_RATING_MAX else [_SAFETY, _SEVERE, _PROFANITY]
    finds = []
    for kind, pattern, deniable in kinds:
        for match in pattern.finditer(lowered):
            if not (deniable and _negated(lowered, match.start())):
                finds.append(FlagFind(kind, quote_around(text, match.start(), match.end(), QUOTE_LIMIT)))
                break
    return finds


def _negated(lowered: str, start: int) -> bool:
    before = lowered[max(0, start - _NEGATED_WITHIN) : start]
    sentence = before[max(before.rfind(". "), before.rfind("\n")) + 1 :]
    return _NEGATION.search(sentence) is not None
