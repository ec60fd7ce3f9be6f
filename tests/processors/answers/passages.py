"""Passages and an embedder for tests of answers."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from schemas.hits import Hit, Passage


def document(number: int, text: str, title: str | None = None) -> Passage:
    """Return one chunk of a document."""
    hit = Hit(
        document_id=f"d{number}", chunk_id=f"c{number}", title=title, quote="", score=1.0 / (number + 1), parts={}
    )
    return Passage(key=f"/d{number}", row_id=number, hit=hit, text=text)


def review(number: int, text: str) -> Passage:
    """Return one review."""
    name = f"r{number}"
    hit = Hit(document_id=name, chunk_id=name, title=None, quote="", score=1.0, parts={}, kind="review", product_id="p")
    return Passage(key=f"review:p/{name}", row_id=number, hit=hit, text=text)


class WordEmbedder:
    """An ``Embedder`` that compares words: each adds a direction of its own."""

    identity = "words"
    dimensions = 64

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit rows."""
        rows = np.stack([self._sum(text) for text in texts]) if texts else np.zeros((0, self.dimensions))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _sum(self, text: str) -> np.ndarray:
        words = re.findall(r"[a-z]{3,}", text[:2_000].lower()) or [""]
        return np.sum([self._direction(word[:5]) for word in words], axis=0)

    def _direction(self, word: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
        return np.random.default_rng(seed).normal(size=self.dimensions)
