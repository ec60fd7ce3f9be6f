"""What a search finds: shown to people, and handed to whoever answers."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.indexed import IndexedKind

ChunkPlace = tuple[str, str]
"""Where words stand: a key of schemas.documents and, within it, a chunk_id; whoever may see them, it is the same."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk that fits a query; ``millrace search --json`` prints one a line."""

    document_id: str  # of a review: its review_id
    chunk_id: str  # another one with other words; of a review, too
    title: str | None
    quote: str  # the sentence that fits best, at most 240 characters
    score: Annotated[float, Meta(ge=0)]
    parts: dict[str, float]  # what the score is made of: vector, words, whole, sentence
    tenant: str | None = None
    uri: str | None = None
    breadcrumb: str = ""  # headings above the chunk, outermost first
    kind: IndexedKind = "document"
    product_id: str | None = None


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A hit with its text, checked against the registry: the only thing an answer is made from."""

    key: str  # schemas.documents.document_key or review_key
    row_id: int
    hit: Hit
    text: str  # of the whole chunk, without its breadcrumb
    rating: float | None = None  # of a review, 1 to 5
    at: float | None = None  # unix seconds: of a review, when it was written

    @property
    def place(self) -> ChunkPlace:
        """Where its words stand."""
        return self.key, self.hit.chunk_id
