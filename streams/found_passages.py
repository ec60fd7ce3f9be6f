"""Passages out of what was found: looked at closely, in order, each with the sentence to quote."""

from collections.abc import Sequence

from infra.rows.visible_rows import VisibleChunk, VisibleReview
from infra.vectors.vector_store import Floats
from processors.search.fusion import Fused
from processors.search.passages import mixed
from schemas.documents import review_key
from schemas.hits import Hit, Passage
from streams.reranking import LOOKED_AT, Best, Reranker


def document_passages(
    reranker: Reranker,
    question: str,
    found: Sequence[tuple[Fused, VisibleChunk]],
    limit: int,
    asked: Floats | None = None,
) -> list[Passage]:
    """Look closely at the best chunks and return passages of them, best first.

    Args:
        reranker: Finds their best sentences.
        question: As it was asked.
        found: Best first.
        limit: Most passages.
        asked: The question's vector by the reranker's model, if it is known.
    """
    found = found[: max(limit, LOOKED_AT)]
    best = reranker.best(question, [chunk.text for _, chunk in found], asked=asked)
    passages = [_of_chunk(fused, chunk, one) for (fused, chunk), one in zip(found, best, strict=True)]
    return sorted(passages, key=lambda one: (-one.hit.score, one.row_id))[:limit]


def review_passages(found: Sequence[tuple[Fused, VisibleReview, Best]]) -> list[Passage]:
    """Return passages of reviews, in the same order."""
    return [_of_review(fused, review, best) for fused, review, best in found]


def _of_chunk(fused: Fused, chunk: VisibleChunk, best: Best) -> Passage:
    sentence = best.similarity or 0.0
    hit = Hit(
        document_id=chunk.document_id,
        chunk_id=chunk.chunk_id,
        title=chunk.title,
        quote=best.quote,
        score=mixed(fused.score, sentence),
        parts={"vector": fused.vector, "words": fused.words, "whole": fused.score, "sentence": sentence},
        tenant=chunk.tenant,
        uri=chunk.uri,
        breadcrumb=chunk.breadcrumb,
    )
    return Passage(key=chunk.document_key, row_id=chunk.row_id, hit=hit, text=chunk.text)


def _of_review(fused: Fused, review: VisibleReview, best: Best) -> Passage:
    hit = Hit(
        document_id=review.review_id,
        chunk_id=review.chunk_id,
        title=review.title,
        quote=best.quote,
        score=fused.score,
        parts={
            "vector": fused.vector,
            "words": fused.words,
            "whole": fused.score,
            "sentence": best.similarity or 0.0,
        },
        kind="review",
        product_id=review.product_id,
    )
    key = review_key(review.product_id, review.review_id)
    return Passage(key=key, row_id=review.row_id, hit=hit, text=review.text, rating=review.rating, at=review.at)
