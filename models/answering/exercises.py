"""What is exercised: a question, passages, and the sentences there that answer it."""

from dataclasses import dataclass

from schemas.hits import Hit, Passage
from schemas.indexed import IndexedKind


@dataclass(frozen=True, slots=True)
class Exercise:
    """One invented question.

    Args:
        question: As somebody might type it.
        passages: Best first.
        answers: Parts of passages; a sentence that shares one answers. None: nothing here answers.
        related: Parts that speak of the matter without naming it: neither right nor wrong.
    """

    question: str
    passages: tuple[Passage, ...]
    answers: frozenset[str]
    related: frozenset[str] = frozenset()

    @property
    def answerable(self) -> bool:
        """Whether the passages answer."""
        return bool(self.answers)

    def label(self, sentence: str) -> float | None:
        """Return 1.0 for a sentence that answers, 0.0 for one that does not, None where that is open."""
        if _shares(sentence, self.answers):
            return 1.0
        return None if _shares(sentence, self.related) else 0.0


def _shares(sentence: str, parts: frozenset[str]) -> bool:
    return any(part in sentence or sentence in part for part in parts)


def passage(number: int, text: str, title: str | None, score: float, kind: IndexedKind) -> Passage:
    """Return a passage as a search would: ``number`` is its rank from 0."""
    name = f"invented-{number}"
    hit = Hit(document_id=name, chunk_id=name, title=title, quote="", score=score, parts={}, kind=kind)
    return Passage(key=f"/{name}", row_id=number, hit=hit, text=text)
