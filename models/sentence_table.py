"""A sentence encoder without a network: one small vector a word piece, added up."""

import hashlib
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from kernels.pooling import pool

SHIPPED = Path(__file__).parent / "data" / "sentence_table.npy"
WORD_PIECES = Path(__file__).parent / "data" / "word_pieces.txt"
UNKNOWN = "[UNK]"
REMEMBERED_WORDS = 50_000
LONGEST_REMEMBERED_CHARACTERS = 24

_ASCII_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9 ]")
"""What the BERT pre-tokenizer makes of lower-case printable ASCII."""


def build_tokenizer(word_pieces: Sequence[str]) -> Tokenizer:
    """Return MiniLM's uncased word-piece tokenizer, without special tokens, padding or truncation.

    Args:
        word_pieces: The vocabulary in id order, ``[UNK]`` among it.
    """
    tokenizer = Tokenizer(WordPiece({piece: index for index, piece in enumerate(word_pieces)}, unk_token=UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


class WordTokens(dict[str, list[int]]):
    """Word pieces of words, remembered, because reviews repeat words: 7 times the tokenizer's own speed.

    Args:
        tokenizer: What splits a word the first time.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(word, add_special_tokens=False).ids
        if len(word) <= LONGEST_REMEMBERED_CHARACTERS:
            if len(self) >= REMEMBERED_WORDS:
                self.clear()
            self[word] = tokens
        return tokens

    def of(self, text: str) -> list[int]:
        """Return the word pieces of a text of any length."""
        if text.isascii() and text.isprintable():
            return list(chain.from_iterable(map(self.__getitem__, _ASCII_WORD.findall(text.lower()))))
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return tokens


class SentenceTable:
    """The fitted table: sums of word-piece rows imitate MiniLM's sentence vectors.

    Args:
        table: One row a word piece, ``(V, D)`` int8; the row of ``[UNK]`` is zero.
        word_pieces: The V word pieces in row order.

    Raises:
        ValueError: If the two differ in V.

    Example:
        >>> encoder = SentenceTable.load()
        >>> fits, sits, died = encoder.encode(["the fit is great", "fits very well", "battery died"]).astype(int)
        >>> bool(fits @ sits > fits @ died)
        True
    """

    def __init__(self, table: npt.NDArray[np.int8], word_pieces: Sequence[str]) -> None:
        if len(table) != len(word_pieces):
            raise ValueError(f"{len(table)} rows for {len(word_pieces)} word pieces")
        self.dimensions: int = table.shape[1]
        self.version = _digest(table, word_pieces)
        self._table = table
        self._words = WordTokens(build_tokenizer(word_pieces))

    @classmethod
    def load(cls, path: Path | None = None) -> "SentenceTable":
        """Read a table, the shipped one unless told otherwise.

        Args:
            path: A ``.npy`` file, ``(V, D)`` int8, of MiniLM's word pieces.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If the file is no table of these word pieces.
        """
        table = np.load(SHIPPED if path is None else path, allow_pickle=False)
        if table.dtype != np.int8 or table.ndim != 2:
            raise ValueError(f"table is {table.dtype} {table.shape}, want int8 (V, D)")
        return cls(table, WORD_PIECES.read_text(encoding="utf-8").splitlines())

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.int8]:
        """Return one row of length 127 a text, ``(N, D)`` int8; a text without known words is all zeros."""
        tokens = [self._words.of(text) for text in texts]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        flat = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
        return pool(self._table, flat, lengths)


def _digest(table: npt.NDArray[np.int8], word_pieces: Sequence[str]) -> str:
    """Return what names the vectors: 12 hex digits over rows and word pieces."""
    digest = hashlib.sha256(np.ascontiguousarray(table).data)
    digest.update("\n".join(word_pieces).encode())
    return digest.hexdigest()[:12]
