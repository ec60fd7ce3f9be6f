"""Turn what one reviewer wrote into a sentence about the product, or refuse.

Reviewers write fragments in the first person. A paragraph for strangers needs whole sentences in the
third. Every rule here only changes who speaks or completes a fragment; a claim no rule fits is refused.
"""

import re
from collections.abc import Set

from processors.language.lexicon import ENGLISH
from processors.language.tidying import impersonal, small, tidy
from processors.texts.personal import Statement, personal, story
from processors.texts.sentence_patterns import (
    BREAK,
    CLAUSE,
    GLUED,
    GOVERNED,
    IMPERATIVE,
    LATE_MAIN,
    LATE_SUBJECT,
    LEADING,
    LEANING,
    NOUN_FIRST,
    PARTICULAR,
    PREDICATE,
    SECOND_VERB,
    TRAILING,
)
from processors.texts.sentence_words import (
    ADJECTIVES,
    ADVERBS,
    DANGLING,
    IT_VERBS,
    LOWER_FIRST,
    MASS_NOUNS,
    RELATIVES,
    SELF,
    THEY_VERBS,
    VERBS,
)

SHORTEST = 3
LONGEST = 24
"""Words of a sentence."""

_WORD = re.compile(r"[A-Za-z][A-Za-z'\-]*|\d\S*")
_HOW_OFTEN = frozenset({"sometimes", "always", "never", "still", "also", "actually"})
_GERUNDS = frozenset({"having", "being", "getting", "using"})
_WITH_SUBJECT = frozenset({"it's", "it'll", "that's", "there's", "they're", "they'll", "you'll", "you're"})
_SUBJECTLESS = VERBS - _WITH_SUBJECT - IT_VERBS - THEY_VERBS


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
    if clean is None or not (clean[0].isascii() and clean[0].isalpha()):
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
    if GOVERNED.search(text):
        return []
    parts = CLAUSE.split(text)
    restated = [restate(part) for part in parts if part.count(" ") >= SHORTEST] if len(parts) > 1 else []
    return [statement for statement in restated if statement is not None]


def lowered(sentence: str, uncapitalised: Set[str]) -> str:
    """Return the sentence as it stands after other words: without its capital unless that may be a name.

    Args:
        sentence: Any sentence.
        uncapitalised: Words seen in lower case somewhere: no names.

    Example:
        >>> lowered("The battery died", set()), lowered("SanDisk cards fail", set())
        ('the battery died', 'SanDisk cards fail')
        >>> lowered("Hinges break", {"hinges"})
        'hinges break'
    """
    first = sentence.split(" ", 1)[0].lower().rstrip(",").partition("'")[0]
    return small(sentence) if first in LOWER_FIRST or first in ENGLISH or first in uncapitalised else sentence


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text.

    Example:
        >>> words_of("It's well-made, in 64GB.")
        ["it's", 'well-made', 'in', '64gb.']
    """
    return [word.lower() for word in _WORD.findall(text)]


def _plain(text: str) -> Statement | None:
    words = words_of(text)
    if len(words) < SHORTEST or IMPERATIVE.search(text):
        return None
    if (words[0].endswith("ed") and words[0] not in IT_VERBS) or (words[0] == "the" and words[1] in IT_VERBS):
        return None  # "popped it in"; "the works fine" is what is left of "mine works fine"
    if PREDICATE.match(text) and not _has_verb([word for word in words[:4] if word not in {"made", "built"}]):
        return Statement("It is " + small(text))
    completed = _completed(text, words)
    if completed is None or not _has_verb(words_of(completed)):
        return None
    return Statement(completed[0].upper() + completed[1:])


def _completed(text: str, words: list[str]) -> str | None:
    """Return the text with the subject, verb or article it lacks; None for a part of something longer."""
    if words[0] in _HOW_OFTEN and words[1] in IT_VERBS | {"may", "can", "will", "leaves"}:
        return "It " + small(text)
    if words[0] in _SUBJECTLESS or LEANING.match(text) or (LEADING.match(text) and not _main_clause(text)):
        return None
    if NOUN_FIRST.match(text):
        return text
    if words[0] in IT_VERBS:
        return "It " + small(text)
    if words[0] in THEY_VERBS:
        return "They " + small(text)
    if words[0] in ADJECTIVES | ADVERBS | {"a", "an", "one"}:
        return _judgement(text, words)
    return text if _has_verb(words_of(LATE_SUBJECT.split(text, maxsplit=1)[0])) else None


def _judgement(text: str, words: list[str]) -> str | None:
    """Return a fragment like "Very nice dress for work" as a sentence."""
    head = words_of(BREAK.split(text, maxsplit=1)[0])
    if not head or _GERUNDS & set(head):
        return None
    if _has_verb(head[:-1]) or (_has_verb(head) and not head[-1].endswith("s")):
        return text if _has_verb(words) and words[0] not in {"so", "such", "not", "just"} else None
    if _has_verb(words):
        return None  # a fragment with a clause hanging on it
    if all(_describes(word) or word in ADVERBS for word in head) or re.match(r"not (?:an?|the)\b", text, re.IGNORECASE):
        return "It is " + small(text)
    if words[0] in {"a", "an", "one"}:
        return "It is " + small(text) if any(_describes(word) for word in head) or head[1:2] == ["must"] else None
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
    if PARTICULAR.search(statement.text) or (statement.personal and SECOND_VERB.search(statement.text)):
        return False
    if GLUED.search(statement.text) or TRAILING.search(statement.text) or not SHORTEST <= len(words) <= LONGEST:
        return False
    if words[-1] in DANGLING or len(words[-1]) < 2 or (words[-2] in {"a", "an"} and words[-1] in ADJECTIVES):
        return False
    return not any(word in SELF or word in RELATIVES for word in words) and ". " not in statement.text


def _main_clause(text: str) -> bool:
    _, comma, rest = text.partition(",")
    late = LATE_MAIN.match(text)
    if late:
        return _has_verb(words_of(text[late.end(1) :]))
    return bool(comma) and _has_verb(words_of(rest)) and words_of(rest)[:1] != ["and"]


def _has_verb(words: list[str]) -> bool:
    """Return whether one of the words is a finite verb; one after "to" is none."""
    return any(word in VERBS and before != "to" for before, word in zip(["", *words], words, strict=False))
