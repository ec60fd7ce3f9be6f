"""Write with the buyers' own words: no model, no cost, no invention."""

import asyncio
from collections.abc import Sequence

from models.ports import Encoder, WriteFailure, WriteRequest, Written
from processors.texts.paragraph import VERSION, compose


class ExtractiveWriter:
    """A ``Writer`` that puts a paragraph together from headlines and quotes.

    Args:
        encoder: Compares sentences.
        model: The encoder's version: another table may choose other sentences.

    Example:
        >>> import numpy as np
        >>> class Blind:
        ...     def encode(self, texts):
        ...         return np.zeros((len(texts), 4), np.int8)
        >>> ExtractiveWriter(Blind(), "table-1").engine
        'extractive'
    """

    engine = "extractive"
    prompt_version = VERSION
    parameters = ""
    endpoint = ""
    refreshes = True

    def __init__(self, encoder: Encoder, model: str) -> None:
        self._encoder = encoder
        self.model = model

    async def write(self, requests: Sequence[WriteRequest]) -> Sequence[Written | WriteFailure]:
        """Return one text a request, same order; empty where there is nothing to say.

        Works in a thread, so the event loop stays free.
        """
        return await asyncio.to_thread(self._compose, requests)

    def _compose(self, requests: Sequence[WriteRequest]) -> list[Written | WriteFailure]:
        return [Written(compose(request.reading, self._encoder.encode)) for request in requests]
