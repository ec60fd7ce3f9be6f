"""See whether registry, words and vectors of the index agree, while workers go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from infra import index_pages
from infra.rows import collection_rows
from infra.rows.collection_rows import CollectionRow
from infra.stores import AgentStore
from infra.vectors.vector_store import VectorStore
from infra.words import words
from streams.cli.errors import CommandError, Exit
from streams.cli.indexes.examining import Examined, examine, load_documents
from streams.cli.indexes.vector_differences import differences
from streams.index import INDEXING
from streams.index_reviews import review_words_of

DOCUMENTS = 50
"""Documents of one page; 20,000 characters each at most."""

ROWS = 2_000
"""Reviews, or rows of words, of one page."""

Advance = Callable[[int], None]
Show = Callable[[str, int | None], Advance]
"""Begins to show something, with how much there is of it if that is known; then told how much more is done."""


@dataclass(slots=True)
class Tally:
    """How many there are of one kind."""

    standing: int = 0
    missing: int = 0
    stale: int = 0
    pending: int = 0


@dataclass(slots=True)
class Verified:
    """What was found."""

    collection: CollectionRow
    documents: Tally = field(default_factory=Tally)
    chunks: Tally = field(default_factory=Tally)
    words: Tally = field(default_factory=Tally)
    vectors: Tally = field(default_factory=Tally)
    reviews: Tally = field(default_factory=Tally)

    @property
    def tallies(self) -> dict[str, Tally]:
        """By name, in the order people read them."""
        names = ("documents", "chunks", "words", "vectors", "reviews")
        return {name: getattr(self, name) for name in names}

    @property
    def agree(self) -> bool:
        """Whether nothing is wrong; what is pending is not."""
        return not any(tally.missing or tally.stale for tally in self.tallies.values())


class Verifying:
    """Compares everything once. Whatever one transaction writes is compared in one transaction.

    Args:
        store: The index's, to read.
        vectors: The vector store.
        longest: Characters of a chunk, as documents are cut today.
        show: Told how far it is.
    """

    def __init__(self, store: AgentStore, vectors: VectorStore, longest: int, show: Show) -> None:
        self._store = store
        self._vectors = vectors
        self._longest = longest
        self._show = show

    def run(self) -> Verified:
        """Compare.

        Raises:
            CommandError: If there is no index yet.
            infra.errors.InfraError: If store or vector store cannot be read.
        """
        with self._store.transaction() as connection:
            serving = collection_rows.serving(connection)
            self._count, self._chunk_count = index_pages.count_rows(connection)
            self._review_count = index_pages.count_reviews(connection)
        if serving is None:
            remedy = "Start its worker with `millrace up`, or make one: millrace index rebuild."
            raise CommandError("there is no index yet", remedy, Exit.NOT_FOUND)
        verified = Verified(serving)
        self._compare_documents(verified)
        self._compare_strays(verified)
        self._compare_reviews(verified)
        self._compare_vectors(verified)
        return verified

    def _compare_documents(self, verified: Verified) -> None:
        advance, after = self._show("documents", self._count), None
        while True:
            with self._store.transaction() as connection:
                rows = index_pages.document_page(connection, after, DOCUMENTS)
                found = load_documents(connection, rows)
            for one in found:
                _tell(examine(one, self._longest), verified)
            advance(len(rows))
            if len(rows) < DOCUMENTS:
                return
            after = rows[-1].document_key

    def _compare_strays(self, verified: Verified) -> None:
        """Find what belongs to nothing: chunks and access without a document, words without a chunk."""
        with self._store.transaction() as connection:
            verified.chunks.stale += len(index_pages.stray_chunks(connection, self._chunk_count + 1))
            verified.documents.stale += len(index_pages.stray_access(connection))
            verified.documents.pending += index_pages.count_work(connection, INDEXING)
        verified.words.stale += self._count_strays("chunk_words", self._chunk_count)

    def _compare_reviews(self, verified: Verified) -> None:
        advance, after = self._show("reviews", self._review_count), 0
        while True:
            with self._store.transaction() as connection:
                page = index_pages.review_page(connection, after, ROWS)
                wrong = words.differing_review_words(connection, [review_words_of(row) for row in page])
            verified.reviews.standing += len(page) - len(wrong)
            verified.reviews.stale += sum(wrong.values())
            verified.reviews.missing += len(wrong) - sum(wrong.values())
            advance(len(page))
            if len(page) < ROWS:
                break
            after = page[-1].row_id
        verified.reviews.stale += self._count_strays("review_words", self._review_count)

    def _count_strays(self, table: str, expected: int) -> int:
        advance, after, strays = self._show("words", expected), 0, 0
        while True:
            with self._store.transaction() as connection:
                page = words.page_of_words(connection, table, after, ROWS)
                strays += len(stray_words(connection, table, page))
            advance(len(page))
            if len(page) < ROWS:
                return strays
            after = page[-1]

    def _compare_vectors(self, verified: Verified) -> None:
        name, tally = verified.collection.name, verified.vectors
        with self._store.transaction() as connection:
            tally.pending = index_pages.count_pending(connection, name)
            tally.missing = index_pages.count_unplaced(connection, name)
        advance = self._show("vectors", self._chunk_count)
        for one in differences(self._store, self._vectors, name):
            tally.standing += one.standing
            tally.missing += len(one.lost)
            tally.stale += len(one.nobodys)
            advance(one.standing + len(one.lost))


def stray_words(connection: Connection, table: str, row_ids: Sequence[int]) -> list[int]:
    """Return those rows of words that are nobody's."""
    among = index_pages.chunks_among if table == "chunk_words" else index_pages.reviews_among
    known = among(connection, row_ids)
    return [one for one in row_ids if one not in known]


def _tell(one: Examined, verified: Verified) -> None:
    stands = one.found.row.op == "upsert"
    verified.documents.standing += stands and not one.misjudged
    verified.documents.stale += one.misjudged
    displaced = one.misplaced and not (one.missing or one.unsound)
    verified.chunks.standing += len(one.sound)
    verified.chunks.missing += one.missing
    verified.chunks.stale += len(one.unsound) + displaced
    wrong = one.found.words
    verified.words.standing += len(one.found.chunks) - len(wrong)
    verified.words.stale += sum(wrong.values())
    verified.words.missing += len(wrong) - sum(wrong.values())
