"""Texts as MiniLM's token ids, and token ids as padded batches."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]

LONGEST_TOKENS = 256
"""What sentence-transformers reads of a text with this model, [CLS] and [SEP] included."""


class Tokens:
    """MiniLM's own tokenizer, uncased word pieces between [CLS] and [SEP].

    Args:
        tokenizer: The text of a ``tokenizer.json``; its truncation and padding are not used.
    """

    def __init__(self, tokenizer: str) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, all of them; the empty text has two."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

    def encode_truncated(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text's first 254 tokens between [CLS] and [SEP]."""
        return [truncate(ids) for ids in self.encode(texts)]


def truncate(ids: list[int]) -> list[int]:
    """Drop tokens before the last one ([SEP]) until the model can read the rest.

    Example:
        >>> truncated = truncate(list(range(999)))
        >>> len(truncated), truncated[-2:]
        (256, [254, 998])
    """
    return ids if len(ids) <= LONGEST_TOKENS else [*ids[: LONGEST_TOKENS - 1], ids[-1]]


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield the rows of each batch, shortest rows first, so that little is padded.

    Args:
        lengths: Tokens of each row.
        most_tokens: How many tokens a batch may hold, padding included; a row that is longer goes alone.

    Example:
        >>> list(batches([9, 3, 4, 3], most_tokens=10))
        [[1, 3], [2], [0]]
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    first = 0
    while first < len(order):
        batch: list[int] = []
        for row in islice(order, first, None):
            if batch and (len(batch) + 1) * lengths[row] > most_tokens:
                break
            batch.append(row)
        first += len(batch)
        yield batch


def pad(rows: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Return the rows filled up with 0 to the longest, and a mask of 1 where they were; both ``(B, S)`` int32.

    Example:
        >>> ids, mask = pad([[101, 102], [101, 7, 102]])
        >>> ids.tolist(), mask.tolist()
        ([[101, 102, 0], [101, 7, 102]], [[1, 1, 0], [1, 1, 1]])
    """
    lengths = np.array([len(row) for row in rows])
    filled = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(filled.shape, np.int32)
    ids[filled] = [token for row in rows for token in row]
    return ids, filled.astype(np.int32)
