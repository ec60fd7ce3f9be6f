"""What streams ask of a model. Adapters live beside this file; none is imported here."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from processors.answers.stated import Stated
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
    """A finished text.

    Args:
        text: What is shown.
        tokens_in: Read by the model, all tries together.
        tokens_out: Said by it, all tries together.
        said: The model's own words where ``text`` was made out of them: sentences with what each rests on.
        model: Who said it, as its ``model`` was then; none where that cannot change during a call.
    """

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    said: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """A call that brought no text.

    Args:
        error: Why, in one line; it is logged and kept, so it holds no words of the model nor of what it was asked.
        retryable: Whether the same call may go well later.
        retry_after_s: How long the endpoint wants to be left alone, seconds.
        endpoint: Whether the endpoint failed, not this one request: such failures open its circuit breaker.
        lasting: Whether the same call would fail for ever, because of what the model says to this input: the
            ledger keeps it, so that it is not paid again.
        tokens_in: Read by the model all the same.
        tokens_out: Said by it all the same.
        asked: Whether a request left at all; one that waited for its turn in vain says nothing of the endpoint.
        over_budget: Whether the call was not made because a budget of the day is spent.
    """

    error: str
    retryable: bool
    retry_after_s: float | None = None
    endpoint: bool = False
    lasting: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    asked: bool = True
    over_budget: bool = False


class Writer(Protocol):
    """Turns readings into paragraphs."""

    engine: str
    prompt_version: str
    parameters: str  # decode parameters, canonical; part of the ledger key
    endpoint: str  # what fails together; empty for what runs in this process and cannot fail
    refreshes: bool  # cheap enough to write again whenever a product falls quiet

    @property
    def model(self) -> str:
        """Name and version of the model, with its adapter, as they are now."""
        ...

    async def write(self, requests: Sequence[WriteRequest]) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model chooses its words.

    Example:
        >>> Decoding(max_tokens=400).canonical
        '{"max_tokens":400,"seed":0,"temperature":0.0,"top_p":1.0}'
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = 0

    @property
    def canonical(self) -> str:
        """The same text for the same parameters: part of the ledger key."""
        told = {"max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Completion:
    """One prompt for a language model.

    Args:
        messages: The turns; the last is the user's.
        decoding: How words are chosen.
        schema: JSON Schema of what is to be said; None for free text.
        patience_s: How long somebody waits for it, seconds; None as long as the engine's own timeout.
        key: Completions of one key are done in order.
    """

    messages: tuple[Message, ...]
    decoding: Decoding
    schema: Mapping[str, Any] | None = None
    patience_s: float | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a language model said.

    Args:
        text: All of it.
        tokens_in: Read by the model.
        tokens_out: Said by it.
        model: Who said it, as ``Engine.model`` was when it was asked; none where that cannot change.
    """

    text: str
    tokens_in: int
    tokens_out: int
    model: str | None = None


class Engine(Protocol):
    """A language model, here or far away. Not a writer: it knows nothing of reviews."""

    engine: str  # openai, local
    endpoint: str  # what fails together

    @property
    def model(self) -> str:
        """Its name, with its adapter, if it has one: MODEL#ADAPTER; adapters may change while it runs."""
        ...

    async def complete(self, completion: Completion) -> Completed | WriteFailure:
        """Return what it says; with a schema it is JSON of that schema, or a failure."""
        ...

    def stream(self, completion: Completion) -> AsyncIterator[str | Completed | WriteFailure]:
        """Yield pieces of text as they come, and at last the whole or the failure."""
        ...

    async def close(self) -> None:
        """Give back what it holds; calls in flight fail."""
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
    stated: Stated | None = None  # what features say: [F1]


class Answerer(Protocol):
    """Turns a question and what is known into sentences that say after each what they rest on: ``[1]``, ``[F1]``.

    What it returns is checked: a sentence that cites nothing, or quotes what is not there, is cut.
    """

    engine: str
    prompt_version: str
    parameters: str  # decode parameters, canonical; part of the ledger key
    endpoint: str  # what fails together; empty for what runs in this process and cannot fail

    @property
    def model(self) -> str:
        """Name and version of the model, with its adapter, as they are now."""
        ...

    async def answer(
        self, requests: Sequence[AnswerRequest], patience_s: float | None = None
    ) -> Sequence[Written | WriteFailure]:
        """Return one result a request, same order; an empty text abstains.

        Args:
            requests: What to answer.
            patience_s: How long somebody waits, seconds; None as long as the model's own timeout.
        """
        ...
