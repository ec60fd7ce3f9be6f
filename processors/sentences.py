"""Turn what one reviewer wrote into a sentence about the product, or refuse.

Reviewers write fragments in the first person. A paragraph for strangers needs whole sentences in the
third. Every rule here only changes who speaks or completes a fragment; a claim no rule fits is refused.
"""

import re

from processors.lexicon import ENGLISH
from processors.personal import Statement, personal, story
from processors.sentence_words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    DANGLING,
    IT_VERBS,
    LOWER_FIRST,
    MASS_NOUNS,
    RELATIVES,
    SELF,
    THEY_VERBS,
    VERBS,
)
from processors.tidying import impersonal, small, tidy

SHORTEST = 3
LONGEST = 24
"""Words of a sentence."""


_WORD = re.compile(r"[A-Za-z][A-Za-z'\-]*|\d\S*")
_IMPERATIVE = re.compile(
    r"^(?:please|buy|get|try|go|order|check|give|save|stay|run away|beware|avoid|keep|take|make sure|be|note|thanks|thank|hope"
    r"|let|just|consider|remember|read|see|look for|look at|look elsewhere|ask|bring|skip|do|don't|dont|trust|enough)\b"
    r"|, (?:please|buy|get|try|go|order|don't|do not|dont|just|so|thanks|what)\b",
    re.IGNORECASE,
)
_LEANING = re.compile(
    r"^(?:because|which|who|whom|that|than|then|where|until|cause|since|whose|or|nor|to|of|from|having|being|as|like"
    r"|such|same|another|except|instead|hence|therefore|thus|compared|what|why|how|did|would|have|had|will|not only|others?"
    r"|either|neither|maybe|perhaps|despite|enough|even|nothing|never|been|am|went|got|ended|paid|took|visited|thankful"
    r"|hopefully|no|training|traveling|looking|considering|keeping|not an? (?:big |huge )?fan|came here|came back|come here|boy|sometimes|been|both (?:are|were)|they have been here|a few|a lot|a couple)\b",
    re.IGNORECASE,
)
_SUBJECTLESS = AUXILIARIES - {
    "it's",
    "it'll",
    "that's",
    "there's",
    "they're",
    "they'll",
    "you'll",
    "you're",
    *IT_VERBS,
    *THEY_VERBS,
}
_HOW_OFTEN = frozenset({"sometimes", "always", "never", "still", "also", "actually"})
_LEADING = re.compile(
    r"^(?:if|when|while|after|before|for|with|without|in|on|at|although|though|once|as long as|by)\b", re.IGNORECASE
)
_PARTICULAR = re.compile(
    r"\b(?:today|yesterday|tonight|last (?:night|week|month|year|time)|this (?:morning|evening|weekend|girl|guy|lady)|ago"
    r"|(?:last|other|another|first|second|previous|old) ones?|amazon|reviews?|reviewers?|said|told|asked|bought|ordered"
    r"|purchased|same thing|christmas|birthday|stars?|sucks?|(?:19|20)\d\d|elsewhere|the (?:\d{1,2}|[a-hj-z]))\b|--| - |\.[a-z]{2}",
    re.IGNORECASE,
)
"""What only the reviewer's own story explains."""

_SECOND_VERB = re.compile(
    r"\band (?:normally |usually |also |really |highly |definitely |always )*"
    r"(?:love|like|use|wear|order|recommend|enjoy|want|need|have|am|get|go|buy|went)\b",
    re.IGNORECASE,
)
"""Verbs that would have to agree with a subject we may turn to one reviewer."""

_PREDICATE = re.compile(
    r"^(?:(?:absolutely |just |so |very |really |quite |pretty |super )*(?:perfect|right|great|good|ideal|excellent|easy|hard|difficult|true"
    r"|worth|exactly as|as advertised|as described|as expected|as pictured|well worth|well made|well built|not worth|too)\b"
    r"(?: (?:for|to|as|the|it|every|advertised|described|expected|pictured|in|with|and|big|small|large|tight|short|long)\b.*|$))",
    re.IGNORECASE,
)
_NOUN_FIRST = re.compile(r"^(?:fit|cost|looks?|feel|sounds?|hits?) (?:is|was|are|were|and)\b", re.IGNORECASE)
_LATE_SUBJECT = re.compile(
    r"(?: which| that| who|,? and (?:it|they|you|he|she)|, (?:this|it|they|that)) ", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"(?:,?\s+(?:and|because|as|plus|since|so)|,)\s+(?:also\s+|yes\s+)?"
    r"(?=(?:it|it's|the|this|they|they're|these|there|there's|you|all|everything|i|i'm|i've|we|my|our|she|he)\b)"
    r"|,\s+(?:and|so|but|just|no|which)\s+",
    re.IGNORECASE,
)
_GOVERNED = re.compile(
    r"^(?:if|when|unless|until|before|after|once)\b|\b(?:told|said|says|thought|hop(?:e|ed|ing)|heard|expect(?:ed)?|wish|supposed"
    r"|claim(?:s|ed)?|doubt|believe|read|would|could|should|if|unless|whether|not sure|afraid)\b",
    re.IGNORECASE,
)
_LATE_MAIN = re.compile(r"for [^,]+?( )(?:it|it's|this|these|they|they're|you)\b", re.IGNORECASE)
_BREAK = re.compile(
    r"\s+(?:for|of|with|to|in|at|and|but|that|from|on|as|which|if|when|than|by|or|because)\b|[,;:-]\s?", re.IGNORECASE
)


def restate(text: str) -> Statement | None:
    """Return a claim as a whole sentence in the third person, or None when no safe rule gives one.

    Args:
        text: One claim, as its reviewer wrote it.

    Example:
        >>> restate("I love the soft fabric!!").sentence
        'Reviewers love the soft fabric'
        >>> restate("Works great in my phone").sentence
        'It works great in the phone'
        >>> restate("My husband and I ordered it last week") is None
        True
    """
    clean = tidy(text)
    if clean is None or not clean[0].isalnum():
        return None
    statement = personal(clean) or story(clean) or _plain(impersonal(clean))
    if statement is None or not _whole(statement):
        return None
    return statement


def restate_parts(text: str) -> list[Statement]:
    """Return the whole claim as one sentence or, where that fails, those of its clauses that stand alone.

    Nothing is taken from under a condition, a wish or hearsay.

    Example:
        >>> [part.sentence for part in restate_parts("My daughter wears it daily and the colors are still bright")]
        ['The colors are still bright']
        >>> restate_parts("My daughter hoped it fits and the colors are bright")
        []
    """
    whole = restate(text)
    if whole is not None:
        return [whole]
    if _GOVERNED.search(text):
        return []
    parts = _CLAUSE.split(text)
    restated = [restate(part) for part in parts if part.count(" ") >= SHORTEST] if len(parts) > 1 else []
    return [statement for statement in restated if statement is not None]


def lowered(sentence: str) -> str:
    """Return the sentence as it stands after other words: without its capital unless that may be a name.

    Example:
        >>> lowered("The battery died"), lowered("SanDisk cards fail")
        ('the battery died', 'SanDisk cards fail')
    """
    first = sentence.split(" ", 1)[0].lower()
    return small(sentence) if first in LOWER_FIRST or first in ENGLISH else sentence


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text.

    Example:
        >>> words_of("It's well-made, in 64GB.")
        ["it's", 'well-made', 'in', '64gb.']
    """
    return [word.lower() for word in _WORD.findall(text)]


def _plain(text: str) -> Statement | None:
    words = words_of(text)
    if len(words) < SHORTEST or _IMPERATIVE.search(text):
        return None
    if _PREDICATE.match(text) and not _has_verb(words[:4]):
        return Statement("It is " + small(text))
    completed = _completed(text, words)
    if completed is None or not _has_verb(words_of(completed)):
        return None
    return Statement(completed[0].upper() + completed[1:])


def _completed(text: str, words: list[str]) -> str | None:
    """Return the text with the subject, verb or article it lacks; None for a part of something longer."""
    if words[0] in _HOW_OFTEN and words[1] in IT_VERBS | {"may", "can", "will"}:
        return "It " + small(text)
    if words[0] in _SUBJECTLESS or _LEANING.match(text) or (_LEADING.match(text) and not _main_clause(text)):
        return None
    if _NOUN_FIRST.match(text):
        return text
    if words[0] in IT_VERBS:
        return "It " + small(text)
    if words[0] in THEY_VERBS:
        return "They " + small(text)
    if words[0] in ADJECTIVES | ADVERBS | {"a", "an", "one"}:
        return _judgement(text, words)
    return text if _has_verb(words_of(_LATE_SUBJECT.split(text, maxsplit=1)[0])) else None


def _judgement(text: str, words: list[str]) -> str | None:
    """Return a fragment like "Very nice dress for work" as a sentence."""
    head = words_of(_BREAK.split(text, maxsplit=1)[0])
    if _has_verb(head) or not head:
        return text if _has_verb(words) and words[0] not in {"so", "such", "not", "just"} else None
    if _has_verb(words):
        return None  # a fragment with a clause hanging on it
    if all(_describes(word) or word in ADVERBS for word in head) or re.match(r"not (?:an?|the)\b", text, re.IGNORECASE):
        return "It is " + small(text)
    if words[0] in {"a", "an", "one"}:
        return "It is " + small(text) if len(head) > 2 or head[1:] == ["must"] else None
    if not any(_describes(word) for word in head[:-1]):
        return None
    return _with_article(text, head)


def _describes(word: str) -> bool:
    return word in ADJECTIVES or word.endswith(("ive", "able", "ible", "ful", "ous"))


def _with_article(text: str, head: list[str]) -> str | None:
    noun = head[-1]
    if noun in ADJECTIVES | ADVERBS or head[0] in {"most", "more", "not", "so", "too", "well", "overall"}:
        return None
    if noun in MASS_NOUNS:
        return "It has " + small(text)
    if noun.endswith("s") and not noun.endswith("ss"):
        return "It has " + small(text)
    if head[0] in {"best", "worst"}:
        return "It is the " + small(text)
    return f"It is {'an' if text[0].lower() in 'aeiou' else 'a'} {small(text)}"


def _whole(statement: Statement) -> bool:
    words = words_of(statement.sentence)
    if _PARTICULAR.search(statement.text) or (statement.personal and _SECOND_VERB.search(statement.text)):
        return False
    if not SHORTEST <= len(words) <= LONGEST or words[-1] in DANGLING or len(words[-1]) < 2:
        return False
    return not any(word in SELF or word in RELATIVES for word in words) and ". " not in statement.text


def _main_clause(text: str) -> bool:
    _, comma, rest = text.partition(",")
    late = _LATE_MAIN.match(text)
    if late:
        return _has_verb(words_of(text[late.end(1) :]))
    return bool(comma) and _has_verb(words_of(rest)) and not words_of(rest)[:1] == ["and"]


def _has_verb(words: list[str]) -> bool:
    """Return whether one of the words is a finite verb; one after "to" is none."""
    return any(word in VERBS and before != "to" for before, word in zip(["", *words], words, strict=False))
