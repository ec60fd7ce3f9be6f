"""Questions that a sentence or a heading answers, by templates: what a thing is, what an option does, how many.

A question names what it asks about and leaves out what answers it; ``copied`` says where that fails.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

Kind = Literal["definition", "option", "task", "number", "heading"]

COPIED = 0.6
"""A question with a larger share of the sentence's content words than this says the sentence again."""

SHORTEST_WORDS = 6
LONGEST_CHARACTERS = 400
"""Of a sentence that can answer: shorter ones say too little, longer ones are lists."""

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_STEP = re.compile(r"^(?:step\s+)?\d+\s*[.:)]\s+|^\[[^\]]*\]\s+", re.IGNORECASE)
_MARKUP = re.compile(r"\*\*|__|^\s*(?:[-*+>]|\d+[.)]|#{1,6})\s+")
_WORD = re.compile(r"[A-Za-z0-9][\w'.-]*")
_DEFINITION = re.compile(
    r"^(?P<article>an?|the)?\s*(?P<subject>[\w`][\w`./ -]{1,48}?)\s+(?P<verb>is|are|means|refers to)\s+"
    r"(?P<what>an?|the|used)\s+\w",
    re.IGNORECASE,
)
_OPTION = re.compile(r"`(--?[a-z][\w-]*|[A-Za-z]\w*(?:[._]\w+)+|[A-Z][A-Z0-9_]{3,})`")
_TASK = re.compile(
    r"\b(?:use|set|run|call|pass|add|specify|enable)\s+(?:the\s+)?(?:\w+\s+){0,2}`[^`]+`(?:\s+\w+){0,3}?\s+to\s+"
    r"(?P<task>(?!the\b|an?\b|your\b|this\b|it\b|true\b|false\b)[a-z]+\s[^,.;:()`]{3,70})",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"^(?:the\s+)?(?P<subject>[A-Za-z`][\w`./ -]{2,50}?)\s+(?P<verb>is|are|takes?|has|have|needs?|costs?|lasts?|holds?|"
    r"supports?|keeps?|defaults? to|requires?)\s+(?:(?:set to|about|at most|up to|at least|only|exactly)\s+)?"
    r"`?(?P<number>\d[\d,.]*)`?(?:\s+(?P<unit>[a-z]{2,}))?",
    re.IGNORECASE,
)
_LISTS = tomllib.loads(files("processors.evaluation").joinpath("words.toml").read_text("utf-8"))
_FUNCTION_WORDS, _POINTING, _GENERIC, _TASKS, _FILES = (
    frozenset(_LISTS[name].split()) for name in ("function", "pointing", "generic", "tasks", "files")
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what kind of template made it."""

    question: str
    kind: Kind


def ask_about_sentence(sentence: str) -> list[Asked]:
    """Return the questions one sentence answers, none for most.

    Args:
        sentence: Plain or Markdown, as it stands in the document.

    Example:
        >>> [asked.question for asked in ask_about_sentence("A feature view is a group of features from one source.")]
        ['What is a feature view?']
        >>> [asked.question for asked in ask_about_sentence("Use the `--limit` option to read only the newest rows.")]
        ['What is `--limit` for?', 'How can I read only the newest rows?']
        >>> [asked.question for asked in ask_about_sentence("The session timeout is 30 seconds unless you change it.")]
        ['How many seconds is the session timeout?']
        >>> ask_about_sentence("This is a good place to start reading about it.")
        []
    """
    plain = bare(sentence)
    if len(plain.split()) < SHORTEST_WORDS or len(plain) > LONGEST_CHARACTERS or plain.endswith("?"):
        return []
    found = (template(plain) for template in (_define, _explain_option, _do_task, _count))
    return [asked for asked in found if asked is not None and not copied(asked.question, plain)]


def ask_about_heading(heading: str, title: str | None) -> Asked | None:
    """Return the question a section under a heading answers; none for headings every document has.

    Args:
        heading: The innermost one above the section.
        title: Of the document, when that is another text.

    Example:
        >>> ask_about_heading("Creating a feature store", None).question
        'How does creating a feature store work?'
        >>> ask_about_heading("Retention of old logs", "Kafka").question
        'What about retention of old logs in Kafka?'
        >>> ask_about_heading("How to restart a worker", "Operations").question
        'How do I restart a worker?'
        >>> ask_about_heading("Step 2: Restart a worker", "Kafka").question
        'How do I restart a worker?'
        >>> ask_about_heading("Overview", "Kafka") is None
        True
    """
    plain = _STEP.sub("", bare(heading)).rstrip(".:")
    words = plain.split()
    if not 2 <= len(words) <= 10 or {word.lower() for word in words} <= _GENERIC | _FUNCTION_WORDS:
        return None
    if plain.endswith("?"):
        return Asked(plain, "heading")
    if plain.lower().startswith("how to "):
        return Asked(f"How do I {plain[7:]}?", "heading")
    if words[0].lower() in _TASKS:
        return Asked(f"How do I {lower_first(plain)}?", "heading")
    if words[0].lower().endswith("ing"):
        return Asked(f"How does {lower_first(plain)} work?", "heading")
    where = f" in {title}" if title and title.lower() not in plain.lower() else ""
    return Asked(f"What about {lower_first(plain)}{where}?", "heading")


def copied(question: str, sentence: str) -> bool:
    """Whether a question says most of what the sentence says: finding it would prove nothing.

    Example:
        >>> copied("Is the zipper of the red coat broken?", "The zipper of the red coat is broken.")
        True
        >>> copied("What is a zipper?", "A zipper is a row of teeth that a slider joins.")
        False
    """
    asked, said = content_words(question), content_words(sentence)
    return len(asked & said) > COPIED * len(said)


def content_words(text: str) -> set[str]:
    """Return the words that carry meaning, in lower case.

    Example:
        >>> sorted(content_words("What is the `--limit` of a Query?"))
        ['limit', 'query']
    """
    return {word.lower().rstrip(".") for word in _WORD.findall(text)} - _FUNCTION_WORDS


def bare(text: str) -> str:
    """Return Markdown without links, emphasis and list marks; code spans stay.

    Example:
        >>> bare("- **Use** [the guide](http://x.example) and `--fast`")
        'Use the guide and `--fast`'
    """
    return " ".join(_MARKUP.sub("", _LINK.sub(r"\1", text)).split())


def lower_first(text: str) -> str:
    """Write a capitalized word small inside a sentence, but not a name such as SQL or macOS.

    Example:
        >>> lower_first("Creating a store"), lower_first("SQL stores"), lower_first("PyArrow tables")
        ('creating a store', 'SQL stores', 'PyArrow tables')
    """
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or len(first) == 1 else text


def _define(sentence: str) -> Asked | None:
    found = _DEFINITION.match(sentence)
    if found is None or not _names(found["subject"]):
        return None
    article, subject = found["article"], found["subject"].strip()
    if (found["verb"], found["what"]) == ("is", "the") and (article or "the").lower() == "the":  # "X is the best"
        return None
    named = f"{article.lower()} {subject}" if article else lower_first(subject)
    if found["verb"].lower() in ("means", "refers to"):
        return Asked(f"What does {named} mean?", "definition")
    return Asked(f"What {found['verb'].lower()} {named}?", "definition")


def _explain_option(sentence: str) -> Asked | None:
    names = [name for name in dict.fromkeys(_OPTION.findall(sentence)) if not _is_file_or_version(name)]
    if len(names) != 1 or sentence.count("`") > 4:  # of a list of options no sentence explains one
        return None
    return Asked(f"What is `{names[0]}` for?", "option")


def _do_task(sentence: str) -> Asked | None:
    found = _TASK.search(sentence)
    if found is None:
        return None
    words = found["task"].split()
    return Asked(f"How can I {' '.join(words)}?", "task") if 3 <= len(words) <= 10 else None


def _count(sentence: str) -> Asked | None:
    found = _NUMBER.match(sentence)
    if found is None or not _names(found["subject"]):
        return None
    subject, verb, unit = lower_first(found["subject"].strip()), found["verb"].lower(), found["unit"]
    the = "the " if sentence.lower().startswith("the ") else ""
    if unit is None or unit.lower() in _FUNCTION_WORDS:
        return Asked(f"What value does {the}{subject} have?", "number")
    if verb in ("is", "are"):
        return Asked(f"How many {unit} {verb} {the}{subject}?", "number")
    return Asked(f"How many {unit} for {the}{subject}?", "number")


def _names(subject: str) -> bool:
    """Whether a subject says by itself what is meant."""
    words = [word.lower() for word in re.findall(r"[\w.-]+", subject)]
    if not words or words[0] in _TASKS:
        return False
    return len(words) <= 6 and not _POINTING & set(words) and bool(set(words) - _FUNCTION_WORDS - _GENERIC)


def _is_file_or_version(name: str) -> bool:
    return name.rpartition(".")[2].lower() in _FILES or re.search(r"\d\.\d", name) is not None


def first_that_can_answer(sentences: Iterable[str]) -> str | None:
    """Return the first sentence that says something: the quote for a question about its heading."""
    return next(
        (one for one in sentences if len(bare(one).split()) >= SHORTEST_WORDS and len(one) <= LONGEST_CHARACTERS), None
    )
