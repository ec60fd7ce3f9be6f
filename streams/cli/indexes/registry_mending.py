"""Put right what the index's registry and words say, document by document, while workers go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from infra import index_pages
from infra.database import ATTEMPTS
from infra.fences import Moved
from infra.rows import chunk_rows, collection_rows, document_rows
from infra.rows.document_rows import Access
from infra.stores import AgentStore
from infra.words import words
from streams.cli.indexes.examining import Examined, examine, load_documents
from streams.cli.indexes.verifying import ROWS, Show, stray_words
from streams.document_changes import words_of, write_changes
from streams.index_reviews import review_words_of

DOCUMENTS = 20
"""Documents put right in one transaction; workers wait for it."""


@dataclass(slots=True)
class Mended:
    """What was done."""

    documents: int = 0  # whose chunks, or who may see them, were not right
    words: int = 0  # rows of chunks, written or removed
    reviews: int = 0  # rows of words of reviews, written or removed


class RegistryMending:
    """Cuts documents anew and writes what differs; remembers which version of each is right.

    Args:
        reader: The index's store, to read.
        writer: The same, to write.
        model: Identity of today's.
        longest: Characters of a chunk.
        show: Told how far it is.
        now: Unix seconds.
    """

    def __init__(
        self,
        reader: AgentStore,
        writer: AgentStore,
        *,
        model: str,
        longest: int,
        show: Show,
        now: Callable[[], float],
    ) -> None:
        self.mended = Mended()
        self.right: dict[str, int] = {}  # versions, by document
        self._reader = reader
        self._writer = writer
        self._model = model
        self._longest = longest
        self._show = show
        self._now = now

    def mend_all(self) -> None:
        """Look at everything once."""
        self._mend_documents()
        while self._writer.change(_remove_strays):
            pass
        self.mended.words += self._remove_stray_words("chunk_words", words.drop_words)
        self._mend_reviews()

    def catch_up(self) -> None:
        """Look at the documents that are new, or have changed since."""
        with self._reader.transaction() as connection:
            late = self.late(connection)
        for start in range(0, len(late), DOCUMENTS):
            self._mend(late[start : start + DOCUMENTS])

    def late(self, connection: Connection) -> list[str]:
        """Name the documents that are new, or have changed since."""
        versions = index_pages.document_versions(connection)
        return [key for key, version in versions if self.right.get(key) != version]

    def mend_in(self, connection: Connection, keys: Sequence[str]) -> list[Examined]:
        """Put some documents right in a transaction that lets no worker write; ``note`` what it returns after it."""
        known = document_rows.known_documents(connection, keys)
        found = [examine(one, self._longest) for one in load_documents(connection, list(known.values()))]
        self._write(connection, found)
        return found

    def note(self, examined: Sequence[Examined]) -> None:
        """Remember what is right now."""
        for one in examined:
            change = one.mended()
            row = one.found.row if change is None else change.row
            self.right[row.document_key] = row.version
            self.mended.documents += change is not None
            self.mended.words += len(one.found.words)

    def _mend_documents(self) -> None:
        with self._reader.transaction() as connection:
            advance, after = self._show("documents", index_pages.count_rows(connection)[0]), None
        while True:
            with self._reader.transaction() as connection:
                keys = [row.document_key for row in index_pages.document_page(connection, after, DOCUMENTS)]
            self._mend(keys)
            advance(len(keys))
            if len(keys) < DOCUMENTS:
                return
            after = keys[-1]

    def _mend(self, keys: Sequence[str]) -> None:
        """Compare some documents, and write what differs; again when a worker was first."""
        for attempt in range(ATTEMPTS):
            with self._reader.transaction() as connection:
                found = load_documents(connection, list(document_rows.known_documents(connection, keys).values()))
            examined = [examine(one, self._longest) for one in found]
            try:
                if any(one.mended() or one.found.words for one in examined):
                    with self._writer.transaction(retried=True) as connection:
                        self._write(connection, examined)
            except Moved:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            self.note(examined)
            return

    def _write(self, connection: Connection, examined: Sequence[Examined]) -> None:
        """Write what makes documents right.

        Raises:
            Moved: If a worker changed one of them.
        """
        wrong = [one for one in examined if one.mended() or one.found.words]
        collection_rows.list_collections(connection, hold=True)  # first, as workers do
        for one in sorted(wrong, key=lambda one: one.found.row.document_key.encode()):
            standing = document_rows.hold_document(connection, one.found.row.document_key)
            if standing is None or standing.version != one.found.row.version:
                raise Moved("a document was changed by a worker")
        changes = [change for one in wrong if (change := one.mended()) is not None]
        write_changes(connection, self._model, changes, self._now())
        removed = {chunk.row_id for change in changes for chunk in change.removed}
        rows = [
            words_of(one.found.row, chunk)
            for one in wrong
            for chunk in one.found.chunks
            if chunk.row_id in one.found.words and chunk.row_id not in removed
        ]
        words.put_words(connection, rows)

    def _remove_stray_words(self, table: str, drop: Callable[[Connection, Sequence[int]], None]) -> int:
        """Remove words that are nobody's: their row ids never come back, so this may be done at any time."""
        after, removed = 0, 0
        while True:
            with self._reader.transaction() as connection:
                page = words.page_of_words(connection, table, after, ROWS)
                strays = stray_words(connection, table, page)
            if strays:
                self._writer.change(lambda connection, strays=strays: drop(connection, strays))  # type: ignore[misc]  # mypy cannot infer the default
            removed += len(strays)
            if len(page) < ROWS:
                return removed
            after = page[-1]

    def _mend_reviews(self) -> None:
        with self._reader.transaction() as connection:
            advance, after = self._show("reviews", index_pages.count_reviews(connection)), 0
        while True:
            with self._reader.transaction() as connection:
                page = index_pages.review_page(connection, after, ROWS)
                wrong = words.differing_review_words(connection, [review_words_of(row) for row in page])
            if wrong:
                self._writer.change(lambda connection, ids=list(wrong): _write_review_words(connection, ids))  # type: ignore[misc]  # as above
            self.mended.reviews += len(wrong)
            advance(len(page))
            if len(page) < ROWS:
                break
            after = page[-1].row_id
        self.mended.reviews += self._remove_stray_words("review_words", words.drop_review_words)


def _remove_strays(connection: Connection) -> int:
    """Remove some chunks, and all access, of documents nobody ever heard of; returns how many chunks."""
    strays = index_pages.stray_chunks(connection, ROWS)
    chunk_rows.remove_chunks(connection, strays)
    document_rows.put_access(connection, [Access(key, (), ()) for key in index_pages.stray_access(connection)])
    return len(strays)


def _write_review_words(connection: Connection, row_ids: Sequence[int]) -> None:
    rows = index_pages.hold_reviews(connection, row_ids)
    words.put_review_words(connection, [review_words_of(row) for row in rows])
