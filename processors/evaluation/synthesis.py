"""Questions with known answers, made from documents: a first test of a search nobody has judged yet."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from processors.evaluation.templates import Asked, Kind, ask_about_heading, ask_about_sentence, first_that_can_answer

GENERAL = 3
"""A question that more documents than this answer asks for nothing in particular."""

PER_DOCUMENT = 3


@dataclass(frozen=True, slots=True)
class Source:
    """One chunk to ask about.

    Args:
        document_id: Whose chunk.
        chunk_id: Its name.
        title: The document's, if it has one.
        breadcrumb: Headings above it joined by " > ", outermost first.
        sentences: Its sentences, each a part of its text word for word.
    """

    document_id: str
    chunk_id: str
    title: str | None
    breadcrumb: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is answered."""

    document_id: str
    chunk_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question and every place known to answer it, at most one a document."""

    text: str
    kind: Kind
    answers: tuple[Place, ...]


def synthesize(sources: Iterable[Source], *, seed: int = 0, per_document: int = PER_DOCUMENT) -> list[Question]:
    """Make questions, in the order of the documents; equal input and seed give equal questions.

    Args:
        sources: All chunks, those of a document together.
        seed: Chooses among a document's questions.
        per_document: Most questions one document brings, at least 1.

    Example:
        >>> text = "A feature view is a group of features from one source."
        >>> [question] = synthesize([Source("views.md", "c1", None, "", (text,))])
        >>> question.text, question.answers[0].document_id
        ('What is a feature view?', 'views.md')
    """
    by_document: dict[str, dict[str, tuple[Asked, Place]]] = defaultdict(dict)
    answered: dict[str, dict[str, Place]] = defaultdict(dict)
    for source in sources:
        for asked, quote in _asked(source):
            place, key = Place(source.document_id, source.chunk_id, quote), asked.question.lower()
            by_document[source.document_id].setdefault(key, (asked, place))
            answered[key].setdefault(source.document_id, place)
    questions, told = [], set[str]()
    for document_id, candidates in by_document.items():
        usable = {key: asked for key, (asked, _) in candidates.items() if len(answered[key]) <= GENERAL}
        for key in _choose(usable, random.Random(f"{seed}:{document_id}"), per_document):  # noqa: S311, no secret
            if key not in told:
                told.add(key)
                asked = usable[key]
                questions.append(Question(asked.question, asked.kind, tuple(answered[key].values())))
    return questions


def _asked(source: Source) -> Iterable[tuple[Asked, str]]:
    heading = source.breadcrumb.split(" > ")[-1]
    quote = first_that_can_answer(source.sentences)
    about = ask_about_heading(heading, source.title if source.title != heading else None)
    if about is not None and quote is not None:
        yield about, quote
    for sentence in source.sentences:
        for asked in ask_about_sentence(sentence):
            yield asked, sentence


def _choose(usable: dict[str, Asked], generator: random.Random, count: int) -> Sequence[str]:
    """Take questions of as many kinds as there are, one kind after the other."""
    by_kind: dict[Kind, list[str]] = defaultdict(list)
    for key in generator.sample(sorted(usable), len(usable)):
        by_kind[usable[key].kind].append(key)
    turns = [key for turn in range(count) for keys in by_kind.values() for key in keys[turn : turn + 1]]
    return turns[:count]
