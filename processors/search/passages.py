"""The sentence of a chunk that fits a question best, and what it is worth beside the chunk as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from processors.search.terms import shared_words
from schemas.records import QUOTE_LIMIT

WHOLE: Final = 0.5
"""Weight of the chunk as a whole against its best sentence: chosen in each of five folds of 809 public claims."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of one of several chunks.

    Args:
        chunk: Number of the chunk.
        text: Word for word as it stands there.
    """

    chunk: int
    text: str


def promising(
    sentences: Sequence[Sentence], terms: Sequence[str], near: npt.NDArray[np.float32], per_chunk: int
) -> list[int]:
    """Choose the sentences that are worth a closer look: those with the question's words, or near it.

    Args:
        sentences: Of all chunks, in order.
        terms: Words of the question.
        near: ``(N,)`` float32, a cheap similarity of each sentence, 0 to 1.
        per_chunk: Most sentences of one chunk.

    Returns:
        Their numbers, chunk by chunk, the most promising first.

    Example:
        >>> found = [Sentence(0, "It stops."), Sentence(0, "The index is built."), Sentence(1, "Nothing.")]
        >>> promising(found, ("index",), np.array([0.2, 0.1, 0.0], np.float32), 1)
        [1, 2]
    """
    worth = [shared_words(terms, one.text) + float(cheap) for one, cheap in zip(sentences, near, strict=True)]
    chosen: list[int] = []
    taken: dict[int, int] = {}
    for number in sorted(range(len(sentences)), key=lambda number: (sentences[number].chunk, -worth[number], number)):
        chunk = sentences[number].chunk
        taken[chunk] = taken.get(chunk, 0) + 1
        if taken[chunk] <= per_chunk:
            chosen.append(number)
    return chosen


def best_sentences(sentences: Sequence[Sentence], scores: Sequence[float]) -> dict[int, tuple[str, float]]:
    """Return each chunk's best sentence with its score; of equal ones the first.

    Example:
        >>> best_sentences([Sentence(0, "a"), Sentence(0, "b"), Sentence(2, "c")], [0.1, 0.3, -0.2])
        {0: ('b', 0.3), 2: ('c', 0.0)}
    """
    best: dict[int, tuple[str, float]] = {}
    for one, score in zip(sentences, scores, strict=True):
        if one.chunk not in best or score > best[one.chunk][1]:
            best[one.chunk] = (one.text, max(score, 0.0))
    return best


def mixed(whole: float, sentence: float) -> float:
    """Return what a chunk is worth: half as a whole, half by its best sentence.

    Example:
        >>> round(mixed(1.0, 0.5), 6), mixed(0.0, 0.0)
        (0.75, 0.0)
    """
    return WHOLE * whole + (1 - WHOLE) * sentence


def clipped(text: str) -> str:
    """Return the first words of a text that may be quoted: 240 characters at most, word for word.

    Example:
        >>> len(clipped("word " * 100)), clipped("short")
        (239, 'short')
    """
    if len(text) <= QUOTE_LIMIT:
        return text.strip()
    head, _, _ = text[: QUOTE_LIMIT + 1].rpartition(" ")
    return (head or text[:QUOTE_LIMIT]).strip()
