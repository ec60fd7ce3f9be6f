"""What a model's process is never given, because it would end it or fail for ever."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.ports import Decoding, WriteFailure

BLOCK_TOKENS = 32  # of the cache of continuous batching
SPARE_BLOCKS = 1  # a row that needs the last one ends the library's thread


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for.

    Args:
        vocabulary: Tokens the model knows.
        context: Tokens of prompt and text together the model was made for; None where it does not say.
        batch_tokens: Tokens of one batch, ``local.batch_tokens``.
        cache_blocks: Blocks of the cache of continuous batching, ``local.cache_blocks``.

    Example:
        >>> limits = Limits(vocabulary=100, context=64, batch_tokens=512, cache_blocks=16)
        >>> limits.refuse([1, 2, 3], Decoding(max_tokens=10), joins=True)
        >>> limits.refuse([1] * 60, Decoding(max_tokens=10), joins=True).error
        'prompt of 60 tokens and 10 to say are more than the 64 this model was made for'
    """

    vocabulary: int
    context: int | None
    batch_tokens: int
    cache_blocks: int

    def refuse(self, tokens: Sequence[int], decoding: Decoding, joins: bool) -> WriteFailure | None:
        """Return why a request cannot be done; None if it can.

        What the model itself cannot take fails for ever. What only a setting forbids is not kept in the ledger: it was
        not paid for, and a larger setting makes it possible.

        Args:
            tokens: Its prompt.
            decoding: How words are chosen.
            joins: Whether continuous batching does it, else a batch of its own.
        """
        if error := _wrong(decoding) or self._unknown(tokens):
            return WriteFailure(error, retryable=False, lasting=True, asked=False)
        needed = len(tokens) + decoding.max_tokens
        asked = f"prompt of {len(tokens)} tokens and {decoding.max_tokens} to say are more than"
        if self.context is not None and needed > self.context:
            return WriteFailure(
                f"{asked} the {self.context} this model was made for", retryable=False, lasting=True, asked=False
            )
        room = (self.cache_blocks - SPARE_BLOCKS) * BLOCK_TOKENS
        if joins and needed > room:
            return WriteFailure(
                f"{asked} the {room} that local.cache_blocks = {self.cache_blocks} hold; set it higher",
                retryable=False,
                asked=False,
            )
        if not joins and needed > self.batch_tokens:
            return WriteFailure(
                f"{asked} local.batch_tokens = {self.batch_tokens}; set it higher", retryable=False, asked=False
            )
        return None

    def _unknown(self, tokens: Sequence[int]) -> str | None:
        if not tokens:
            return "the prompt is empty"
        if max(tokens) >= self.vocabulary:
            return f"its tokenizer knows token {max(tokens)}, the model {self.vocabulary}: they do not belong together"
        return None


def _wrong(decoding: Decoding) -> str | None:
    if decoding.max_tokens < 1:
        return f"{decoding.max_tokens} tokens to say: at least 1"
    if not (math.isfinite(decoding.temperature) and decoding.temperature >= 0):
        return f"temperature {decoding.temperature}: not a number from 0 up"
    if not 0 < decoding.top_p <= 1:
        return f"top_p {decoding.top_p}: not above 0 and up to 1"
    return None
