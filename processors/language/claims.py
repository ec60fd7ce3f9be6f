"""A review's text cut into the single things it claims."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.language.cleaning import clean_text, lower_case
from processors.language.lexicon import ENDING, ENGLISH, NOT_WORKING, REVIEWING, WORKING, Sense, sense
from processors.language.patterns import phrases
from processors.language.polarity import weigh

SEGMENT_LIMIT: Final = 40
WORDS_MIN: Final = 3
WORDS_MAX: Final = 30
_CHARACTERS_MIN: Final = 8
_CHARACTERS_MAX: Final = 220
_CLAUSE_WORDS_MIN: Final = 3
_CLAUSED_FROM: Final = 40  # characters: shorter sentences stay whole
_NARRATED_FROM: Final = 14  # words: longer stories are no claim even with a liking in them
_ENGLISH_TESTED_FROM: Final = 10  # words
_ENGLISH_SHARE: Final = 0.17
_DENIED_WITHIN: Final = 2  # words before a form of "to work"
_LETTERS_SHARE: Final = 0.55  # of a segment that are a-z or spaces; below: another script, a table, a link

# Every branch starts with a character or a class: the engine then skips to the next candidate, twice as fast.
_SENTENCE_END: Final = re.compile(
    r"[.!?](?<![.!?][.!?])[.!?]*+[\"')\]]*+(?=\s|$|[A-Z][a-z])|\n++|[ \n][*\u2022][ \n]|\.(?<=\w\.)\.++"
)  # a terminator glued to a capital ends too: "love it!With"
_ABBREVIATED: Final = re.compile(
    r"\b(?:e\.g|i\.e|mr|mrs|ms|dr|vs|approx|oz|no|st|inc|etc|ft|lbs?|min|max|jr|sr|a\.m|p\.m|u\.s)\.$", re.IGNORECASE
)
_CONTRAST: Final = "(?:but|however|although|though|except(?: that)?|whereas|while),? "
_CLAUSE_END: Final = re.compile(
    rf"; | [-\u2013\u2014]++ | {_CONTRAST}|, {_CONTRAST}"
    r"|, (?:and|so|yet) (?=(?:i|it|the|they|my|this|we|there|you|he|she)\b)"
)
_LEAD_READ: Final = 60  # characters
_LEAD: Final = re.compile(rf"(?:(?:{'|'.join(phrases('claims', 'links'))})(?:, |: ?| - )|(?:and|also|but|so|plus) )+")
_WORD: Final = re.compile(r"[a-z]+(?:['\-][a-z]+)*+|\d\w*+")
_LETTER: Final = re.compile(r"[A-Za-z ]")
_STORY: Final = re.compile(
    r"(?:so |and |well,? )?(?:i|we|my \w+|he|she)(?:'ve|'d)? "
    r"(?:just |recently |have |had |also |originally |first |already )*+"
    r"(?:bought|ordered|purchased|got|received|was looking|needed|wanted|decided|am giving|gave|read|saw|live|went"
    r"|hope|will|would|am going|usually|normally|tried on|own|owned|have been|thought)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing a review says."""

    text: str
    words: tuple[str, ...]  # lower case, in order
    polarity: float  # -1 dislike to 1 like
    polar_words: int  # how many words that rests on
    content: tuple[str, ...]  # distinct terms that name an aspect, in order


def split_claims(text: str) -> list[Claim]:
    """Cut a review into claims.

    Questions, stories without an opinion ("I bought this for my son"), segments that name no
    aspect ("Love it!"), talk of other reviews and texts in another language make no claim.

    Args:
        text: The review as written; its first 4,000 characters and 40 segments are read.

    Returns:
        Claims of 3 to 30 words, in order.

    Example:
        >>> [claim.text for claim in split_claims("Love it! The zipper broke, but the fabric is very soft. Why?")]
        ['The zipper broke', 'the fabric is very soft.']
    """
    segments = split_segments(clean_text(text))
    worded = [tuple(words_of(segment)) for segment in segments]
    if not reads_english([word for words in worded for word in words]):
        return []
    claims = (_claim(segment, words) for segment, words in zip(segments, worded, strict=True))
    return [claim for claim in claims if claim is not None]


def split_segments(cleaned: str) -> list[str]:
    """Cut cleaned text into at most 40 sentences and clauses, none of them empty."""
    segments: list[str] = []
    for sentence in _sentences(cleaned):
        segments += _clauses(sentence)
        if len(segments) >= SEGMENT_LIMIT:
            break
    return [segment for segment in segments[:SEGMENT_LIMIT] if segment]


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order.

    Example:
        >>> words_of("It's a 64GB top-notch card!")
        ["it's", 'a', '64gb', 'top-notch', 'card']
    """
    return _WORD.findall(lower_case(text))


def reads_english(words: Sequence[str]) -> bool:
    """Tell whether enough words are common English ones; short texts pass.

    Example:
        >>> reads_english("la tarjeta es muy buena y llego a tiempo sin problemas de nada".split())
        False
    """
    if len(words) < _ENGLISH_TESTED_FROM:
        return True
    return sum(map(ENGLISH.__contains__, words)) >= _ENGLISH_SHARE * len(words)


def _sentences(text: str) -> list[str]:
    sentences = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        if match.group() == "." and _ABBREVIATED.search(text, max(0, match.start() - 8), end):
            continue
        sentences.append(text[start:end].strip(" \n*\u2022"))
        start = end
    sentences.append(text[start:].strip(" \n*\u2022"))
    return [sentence for sentence in sentences if sentence]


def _clauses(sentence: str) -> list[str]:
    if len(sentence) < _CLAUSED_FROM:
        return [_unlinked(sentence)]
    clauses = []
    start = begun = 0
    words_before, words_after = 1, sentence.count(" ") + 1
    for match in _CLAUSE_END.finditer(lower_case(sentence)):
        words_before += sentence.count(" ", begun, match.start())
        words_after -= sentence.count(" ", begun, match.end())
        begun = match.end()
        if words_before >= _CLAUSE_WORDS_MIN and words_after >= _CLAUSE_WORDS_MIN:
            clauses.append(_unlinked(sentence[start : match.start()]))
            start, words_before = begun, 1
        else:
            words_before += match.group().count(" ")
    clauses.append(_unlinked(sentence[start:]))
    return clauses


def _unlinked(clause: str) -> str:
    lead = _LEAD.match(lower_case(clause[:_LEAD_READ]))
    return (clause[lead.end() :] if lead else clause).strip(" ,")


def _claim(segment: str, words: tuple[str, ...]) -> Claim | None:
    if not WORDS_MIN <= len(words) <= WORDS_MAX or segment.endswith("?"):
        return None
    if not _CHARACTERS_MIN <= len(segment) <= _CHARACTERS_MAX:
        return None
    if not REVIEWING.isdisjoint(words):
        return None
    senses = [sense(word) for word in words]
    terms = dict.fromkeys(found.term for found in senses if found.term)
    if not WORKING.isdisjoint(words) and _fails(words, senses):
        terms[NOT_WORKING] = None
    if not terms:
        return None
    score, polar_words = weigh(senses, words)
    if _STORY.match(segment) and (polar_words == 0 or len(words) > _NARRATED_FROM):
        return None
    if not segment.isascii() and len(_LETTER.findall(segment)) < _LETTERS_SHARE * len(segment):
        return None
    return Claim(segment, words, score, polar_words, tuple(terms))


def _fails(words: Sequence[str], senses: Sequence[Sense]) -> bool:
    """Tell whether a form of "to work" is denied or ended: "doesn't work", "stopped working"."""
    for place, word in enumerate(words):
        before = range(max(0, place - _DENIED_WITHIN), place)
        if word in WORKING and any(senses[at].negates or words[at] in ENDING for at in before):
            return True
    return False
