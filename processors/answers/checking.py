"""Hold every sentence of an answer against the passages it points to, whoever wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processors.answers.assessment import Assessment
from processors.answers.citing import Cited, Citer, Cut
from processors.answers.parts import READ_LIMIT, Sentence, take_apart
from processors.answers.rendering import rendered
from processors.answers.sources import Source
from processors.answers.stated import Stated, StatedSource
from processors.answers.support import Facts
from schemas.answers import CITATION_LIMIT, FEATURES_LABEL, Citation
from schemas.hits import Passage

ANSWER_LIMIT: Final = 2_000
"""Characters of an answer's text."""
REASONS_LIMIT: Final = 20
_NOTHING_KNOWN: Final = Assessment(confidence=0.0)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is left of an answer.

    Args:
        text: Sentences whose markers count through ``citations``, from [1]; [F1] is the features.
        citations: Every one stands in a passage, word for word.
        cut: Why sentences are missing, one line each, at most 20.
    """

    text: str
    citations: list[Citation]
    cut: list[str]


def check(
    text: str, passages: Sequence[Passage], assessment: Assessment = _NOTHING_KNOWN, stated: Stated | None = None
) -> Checked | None:
    """Keep the sentences of an answer that are borne out by the passages they point to.

    A sentence stays if it has markers, all of passages that exist; if everything between its quotation marks
    stands in one of them, word for word; and if its own words do too: every number and name, most other
    words, nothing affirmed that is denied there. What passages say about how to answer changes nothing.

    Args:
        text: As written; ``[1]`` is the first passage, ``[F1]`` the features.
        passages: What the writer was given.
        assessment: What else a writer may say (``facts``), and the citations' scores.
        stated: What features say: a sentence that cites them is held against that, and quotes whole sentences or
            values of it.

    Returns:
        None if no sentence is left.

    Example:
        >>> from schemas.hits import Hit
        >>> hit = Hit(document_id="d", chunk_id="c", title=None, quote="", score=1.0, parts={})
        >>> passages = [Passage(key="/d", row_id=1, hit=hit, text="The port is 9042. It cannot be changed.")]
        >>> checked = check('The port is 9042 [1]. It is 80 [1]. "It cannot be changed." [1][7]', passages)
        >>> checked.text, [citation.quote for citation in checked.citations]
        ('The port is 9042 [1].', ['The port is 9042.'])
        >>> checked.cut
        ['says "80", which is not in what it cites', 'points to [7], which is no passage']
    """
    checking = _Checking(passages, assessment, stated)
    reasons = [checking.add(sentence) for sentence in take_apart(text)]
    if len(text) > READ_LIMIT:
        reasons.append(f"only the first {READ_LIMIT:,} characters were read")
    return checking.result([reason for reason in reasons if reason][:REASONS_LIMIT])


class _Checking:
    """What is kept of one answer so far."""

    def __init__(self, passages: Sequence[Passage], assessment: Assessment, stated: Stated | None) -> None:
        self._passages = passages
        self._scores = assessment.scores
        self._sources = [Source(passage.text) for passage in passages]
        source = None if stated is None else StatedSource(stated)
        self._citer = Citer(self._sources, Facts(assessment.facts), self._best, source)
        self._kept: dict[str, None] = {}
        self._numbers: dict[Cited, int] = {}

    def add(self, sentence: Sentence) -> str | None:
        """Keep a sentence; returns why not."""
        citing = self._citer.cite(sentence)
        if isinstance(citing, Cut):
            return citing.reason
        numbers = dict(self._numbers)
        for cited in (cited for place, _ in sentence.markers for cited in citing[place] if cited.passage is not None):
            numbers.setdefault(cited, len(numbers) + 1)
        labels = {
            place: [str(numbers.get(cited, FEATURES_LABEL)) for cited in found] for place, found in citing.items()
        }
        shown = rendered(sentence, labels)
        if len(numbers) > CITATION_LIMIT or len(shown) + sum(len(kept) + 1 for kept in self._kept) > ANSWER_LIMIT:
            return "would make the answer too long"
        self._kept.setdefault(shown)
        self._numbers = numbers
        return None

    def result(self, cut: list[str]) -> Checked | None:
        """Return what was kept."""
        if not self._kept:
            return None
        citations = [self._citation(cited, cited.passage) for cited in self._numbers if cited.passage is not None]
        return Checked(" ".join(self._kept), citations, cut)

    def _best(self, passage: int) -> str:
        sentences = self._sources[passage].sentences
        return max(sentences, key=lambda sentence: self._score(Cited(passage, sentence)), default="")

    def _score(self, cited: Cited) -> float:
        fitting = (
            score
            for (passage, sentence), score in self._scores.items()
            if passage == cited.passage and (sentence in cited.quote or cited.quote in sentence)
        )
        return max(fitting, default=0.0)

    def _citation(self, cited: Cited, passage: int) -> Citation:
        hit = self._passages[passage].hit
        return Citation(
            document_id=hit.document_id,
            chunk_id=hit.chunk_id,
            quote=cited.quote,
            score=round(self._score(cited), 4),
            tenant=hit.tenant,
            title=hit.title,
            uri=hit.uri,
            kind=hit.kind,
            product_id=hit.product_id,
        )
