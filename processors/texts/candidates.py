"""Collect the sentences a paragraph could be made of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from processors.language.claims import split_segments
from processors.language.cleaning import clean_text
from processors.language.lexicon import CONCEPT_OF, NOT_WORKING, sense
from processors.language.patterns import phrase_pattern
from processors.language.polarity import polarity
from processors.texts.personal import Statement
from processors.texts.sentences import restate_parts, words_of
from schemas.points import BAND_NAMES, Band, BandName, Point, Reading

_PROFANITY = phrase_pattern("flags", "profanity")
_NEGATION = re.compile(r"\b(?:not?|never|without|only|less|\w+n't)\b", re.IGNORECASE)
QUOTED_FROM, QUOTED_TO = 3, 25
"""Words of a quotation."""

_WANTED = {"positive": 1, "negative": -1}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence a paragraph may use.

    Args:
        statement: What it says.
        point: Which point it speaks for: (band, place in the band).
        headline: Of that point.
        support: Reviews behind the point.
        share: The same as a part of all reviews of the product, 0 to 1.
        side: 1 praise, -1 complaint.
        polarity: Of its words, -1 to 1.
        labelled: Whether it names what the point is about.
        topics: What the point is about.
        weight: Its part of the point's support: a point with many quotes counts once.
    """

    statement: Statement
    point: tuple[BandName, int]
    headline: str
    support: int
    share: float
    side: int
    polarity: float
    labelled: bool
    topics: frozenset[str | int]
    weight: float


def collect(reading: Reading) -> list[Candidate]:
    """Return every usable sentence of a reading's headlines and quotes, each text once, best supported first."""
    seen: set[str] = set()
    found = []
    for name in BAND_NAMES:
        for place, point in enumerate(getattr(reading.bands, name).points):
            statements = [s for s in _statements(point) if s.sentence.lower() not in seen]
            seen.update(statement.sentence.lower() for statement in statements)
            found += [_candidate(statement, reading, name, place, len(statements)) for statement in statements]
    usable = [candidate for candidate in found if candidate is not None]
    return sorted(usable, key=lambda candidate: (-candidate.support, candidate.statement.sentence))


def _statements(point: Point) -> Iterator[Statement]:
    for text in dict.fromkeys([point.headline, *(evidence.quote for evidence in point.evidence)]):
        yield from _restated(text)


@lru_cache(maxsize=1 << 14)  # most quotes of a product are the same at its next reading
def _restated(text: str) -> tuple[Statement, ...]:
    if text.endswith(("…", "...")):  # cut in the middle of a thought
        return ()
    segments = split_segments(clean_text(text))
    found = [statement for segment in segments for statement in restate_parts(segment)]
    return tuple(statement for statement in found if not _PROFANITY.search(statement.text))


def _candidate(statement: Statement, reading: Reading, name: BandName, place: int, siblings: int) -> Candidate | None:
    band: Band = getattr(reading.bands, name)
    point = band.points[place]
    score = _liking(statement)
    wanted = _WANTED.get(name, 0)
    if wanted * score < 0:
        return None  # praise quoted from a complaint would read as the paragraph contradicting itself
    if not score and (statement.story or (wanted >= 0 and _NEGATION.search(statement.text))):
        return None
    side = wanted or (-1 if score < 0 else 1)
    share = point.review_count / max(1, reading.metrics.review_count)
    labelled = _names_alike(point.label, statement.sentence)
    return Candidate(
        statement,
        (name, place),
        point.headline,
        point.review_count,
        share,
        side,
        score,
        labelled,
        topics_of(point.label),
        point.review_count / siblings,
    )


@lru_cache(maxsize=1 << 12)
def topics_of(label: str) -> frozenset[str | int]:
    """Return what a label speaks of: its aspects or, where it has none, its words.

    Example:
        >>> topics_of("not working") == topics_of("died"), topics_of("zipper pull") == {"zipper", "pull"}
        (True, True)
    """
    named = label.lower().replace("not working", NOT_WORKING).split()
    aspects = frozenset(CONCEPT_OF[term] for term in named if term in CONCEPT_OF)
    return aspects or frozenset(named)


def _names_alike(label: str, sentence: str) -> bool:
    """Tell whether a sentence uses a word of a label, or one of the same aspect."""
    named, topics = label.lower().split(), topics_of(label)
    return any(word in named or CONCEPT_OF.get(sense(word).term) in topics for word in words_of(sentence))


def _liking(statement: Statement) -> float:
    """Return the polarity of a sentence.

    A wish is a complaint even when its words are kind; a picture that does no justice is praise.
    """
    if "justice" in statement.text:
        return 0.5
    if statement.personal and statement.text.startswith("wish"):
        return -0.5
    return polarity(words_of(statement.sentence))[0]


def quotable(reading: Reading, side: int) -> str | None:
    """Return the best headline of the side that may be shown as a quotation, or None.

    For products whose few reviews give no sentence that can be restated.
    """
    name: BandName = "positive" if side > 0 else "negative"
    for band in (getattr(reading.bands, name), reading.bands.unrated, reading.bands.neutral):
        for point in band.points:
            text = clean_text(point.headline).replace('"', "'").replace("\n", " ").strip(" .,;:!-'")
            score, _ = polarity(words_of(text))
            short = QUOTED_FROM <= len(text.split()) <= QUOTED_TO
            if short and score * side >= 0 and not _PROFANITY.search(text) and not text.endswith("…"):
                return text
    return None
