"""Search the reviews of one product: words and cheap vectors of all of them, the model for the best few."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
from sqlalchemy import Connection

from infra.rows.visible_rows import load_reviews, review_vectors
from infra.words.words import find_review_words
from processors.search.fusion import Fused, fuse
from processors.search.terms import terms_of
from schemas.hits import Passage
from streams.found_passages import review_passages
from streams.reranking import Reranker

FOUND = 100
"""Reviews asked of words and of vectors each."""

LOOKED_AT = 48
"""Of these, so many are judged by the model, by the one sentence each that looks most like the question."""


class ReviewSearch:
    """Finds reviews of one product that fit a question.

    Args:
        store: Begins a read transaction on the index's store.
        reranker: Looks closely at the best.
    """

    def __init__(self, store: Callable[[], AbstractContextManager[Connection]], reranker: Reranker) -> None:
        self._store = store
        self._reranker = reranker

    def search(self, question: str, product_id: str, limit: int) -> list[Passage]:
        """Return the best reviews, best first.

        Raises:
            infra.store_errors.StoreError: If the index's store cannot be read.
        """
        terms = terms_of(question)
        with self._store() as connection:
            words = {one.row_id: one.score for one in find_review_words(connection, product_id, terms, FOUND)}
            near = self._near(question, review_vectors(connection, product_id))
            found = fuse(near, words)[: max(LOOKED_AT, limit)]
            reviews = load_reviews(connection, [one.row_id for one in found], product_id)
        found = [one for one in found if one.row_id in reviews]
        texts = [reviews[one.row_id].text for one in found]
        best = dict(
            zip((one.row_id for one in found), self._reranker.best(question, texts, LOOKED_AT, each=1), strict=True)
        )
        judged = {row_id: one.similarity for row_id, one in best.items() if one.similarity is not None}
        ranked = self._ranked(found, judged)[:limit]
        return review_passages([(one, reviews[one.row_id], best[one.row_id]) for one in ranked])

    def _near(self, question: str, vectors: Sequence[tuple[int, bytes]]) -> dict[int, float]:
        if not vectors:
            return {}
        rows = np.frombuffer(b"".join(vector for _, vector in vectors), np.int8).reshape(len(vectors), -1)
        near = self._reranker.near_vectors(question, rows)
        best = np.argsort(-near, kind="stable")[:FOUND]
        return {vectors[place][0]: float(near[place]) for place in best}

    def _ranked(self, found: Sequence[Fused], judged: dict[int, float]) -> list[Fused]:
        """Let the model's judgment take the place of the cheap vectors, where it was asked."""
        if not judged:
            return list(found)
        words = {one.row_id: one.words for one in found if one.row_id in judged and one.words}
        ranked = fuse(judged, words)
        return [*ranked, *(one for one in found if one.row_id not in judged)]
