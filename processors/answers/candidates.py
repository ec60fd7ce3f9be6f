"""Sentences of passages that could be an answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.answers.signs import is_code
from processors.answers.sources import ABBREVIATED, Source, parts
from processors.answers.visible import visible
from processors.answers.words import content, words_of
from processors.documents.sentences import sentences
from schemas.hits import Passage

PASSAGE_READ_LIMIT: Final = 20_000
"""Characters of a passage that are read."""
PER_PASSAGE: Final = 60
IN_ALL: Final = 400
_REVIEW_END: Final = re.compile(r"[.!?]+[\"')\]]*(?:\s+|(?=[A-Z][a-z]))|\n+")
SHORTEST: Final = 3
"""Words of a sentence that says something."""
VARIETY: Final = 0.4
"""Of its words that are different ones: less is a word repeated to be found."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence of one passage.

    Args:
        passage: 0 is the first.
        place: Among the passage's sentences, from 0.
        text: Visible; white space apart it stands in the passage word for word.
        stems: Of its content words.
        words: How many.
        code: Whether it is a line of code or a row of a table.
    """

    passage: int
    place: int
    text: str
    stems: frozenset[str]
    words: int
    code: bool


def candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """List the sentences of passages, at most 60 of each and 400 in all; headings and questions are none.

    Example:
        >>> from schemas.hits import Hit
        >>> hit = Hit(document_id="d", chunk_id="c", title=None, quote="", score=1.0, parts={})
        >>> text = "# Ports of the server\\n\\nThe port is 9042. Why? It is open to all."
        >>> [candidate.text for candidate in candidates([Passage(key="/d", row_id=1, hit=hit, text=text)])]
        ['The port is 9042.', 'It is open to all.']
    """
    found = [candidate for number, passage in enumerate(passages) for candidate in _of(number, passage)]
    return found[:IN_ALL]


def review_sentences(text: str) -> list[str]:
    """Return the sentences of a review, word for word: buyers begin them with small letters, or without a space.

    Example:
        >>> review_sentences("love it!Runs small. i took a size up, e.g. a large one... happy")
        ['love it!', 'Runs small.', 'i took a size up, e.g. a large one...', 'happy']
    """
    found: list[str] = []
    start = 0
    for end in [*(mark.end() for mark in _REVIEW_END.finditer(text) if not _abbreviated(text, mark)), len(text)]:
        if text[start:end].strip():
            found += parts(visible(text[start:end]))
        start = end
    return found


def _abbreviated(text: str, mark: re.Match[str]) -> bool:
    return bool(ABBREVIATED.search(text, max(0, mark.start() - 12), mark.start() + 1))


def _of(number: int, passage: Passage) -> list[Candidate]:
    text = passage.text[:PASSAGE_READ_LIMIT]
    headings = {visible(line.lstrip("# ")) for line in text.splitlines() if line.lstrip().startswith("#")}
    headings |= {visible(passage.hit.title or ""), visible(passage.hit.breadcrumb)}
    source, kept = Source(text), []
    split = review_sentences if passage.hit.kind == "review" else sentences
    for place, sentence in enumerate(map(visible, split(text)[:PER_PASSAGE])):
        words = words_of(sentence)
        varied = len(words) >= SHORTEST and len(set(words)) >= VARIETY * len(words)
        told = varied and sentence not in headings and not sentence.endswith("?")
        if told and source.quote(sentence) is not None:
            kept.append(Candidate(number, place, sentence, frozenset(content(sentence)), len(words), is_code(sentence)))
    return kept
