"""What streams ask of a model. Adapters live beside this file; none is imported here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.hits import Passage
from schemas.points import Reading

Vectors = npt.NDArray[np.int8]
"""``(N, D)`` int8: unit vectors times 127, rounded, so that every dot product is an exact integer."""


Embeddings = npt.NDArray[np.float32]
"""``(N, D)`` float32, every row of length 1."""


class Encoder(Protocol):
    """Turns short texts into vectors."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one row a text, same order; a text without known words is all zeros."""
        ...


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a summary is to be written from."""

    product_id: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Written:
    """A finished text."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """A call that brought no text."""

    error: str
    retryable: bool
    retry_after_s: float | None = None


class Writer(Protocol):
    """Turns readings into paragraphs."""

    engine: str
    model: str
    prompt_version: str
    parameters: str  # decode parameters, canonical; part of the ledger key
    refreshes: bool  # cheap enough to write again whenever a product falls quiet

    async def write(self, requests: Sequence[WriteRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how alike two texts are in meaning."""

    identity: str
    """Hash of weights, precision and graph version: vectors of two identities never meet in one collection."""

    dimensions: int

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one row a text, same order; shape ``(0, D)`` for none."""
        ...


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """What an answer is to be written from: nothing else may be in it."""

    request_id: str
    question: str
    passages: tuple[Passage, ...]  # best first; the first is [1]


class Answerer(Protocol):
    """Turns a question and passages into sentences that say after each what they rest on: ``... [1]``.

    What it returns is checked: a sentence that cites nothing, or quotes what is not there, is cut.
    """

    engine: str
    model: str
    prompt_version: str
    parameters: str  # decode parameters, canonical; part of the ledger key

    async def answer(self, requests: Sequence[AnswerRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text abstains."""
        ...
