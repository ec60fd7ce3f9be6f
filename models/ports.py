"""What streams ask of a model. Adapters live beside this file; none is imported here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.points import Reading

Vectors = npt.NDArray[np.int8]
"""``(N, D)`` int8: unit vectors times 127, rounded, so that every dot product is an exact integer."""


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
