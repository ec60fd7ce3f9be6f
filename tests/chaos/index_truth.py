"""What the index must hold when everything is at rest: made in memory from the topics, held against all there is."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from pymilvus import MilvusClient

from infra.rows.chunk_rows import ChunkRow, load_chunks
from infra.rows.document_rows import DocumentRow, known_documents
from infra.rows.vector_rows import find_vectors
from infra.stores import AgentStore
from infra.words.words import WordRow, differing_words, page_of_words
from models.ports import Embedder
from processors.documents.chunking import cut
from processors.documents.formats import read_text
from processors.documents.identity import chunk_id, embedded_text, hash63, labels_of, row_id, tenant_hash, text_hash
from schemas.documents import Document, document_key
from schemas.indexed import Indexed
from schemas.tables import GROUPS, STORES
from streams.indexed_records import revision_of
from tests.chaos.history import BROKEN
from tests.chaos.index_history import UNREADABLE_FROM, key_of, rank
from tests.chaos.truth import Truth, as_bytes
from tests.integration.harness import Workers, read_topic

LONGEST = 200
"""Characters of a chunk: the least there can be, so that most documents have several."""

ALL_ROWS = 16_000
"""More than any history has; Milvus wants a limit."""

MARKS = re.compile(r"z[qd][0-9a-f]{8}r\d+")
"""Words that only one revision of one document or review says."""


@dataclass
class DocumentTruth:
    """A small model of the documents: the newest readable record counts, a deletion wins over an equal revision."""

    standing: dict[str, Document] = field(default_factory=dict)  # by document_key
    unreadable: set[str] = field(default_factory=set)  # ids of dead letters
    marks: set[str] = field(default_factory=set)  # of every text that was ever sent

    @classmethod
    def of(cls, records: Sequence[Any]) -> "DocumentTruth":
        truth = cls()
        for record in records:
            document = None if record.value in BROKEN else msgspec.json.decode(record.value, type=Document)
            if document is None or document.revision >= UNREADABLE_FROM:
                truth.unreadable.add(f"index:{record.topic}:{record.partition}:{record.offset}")
                continue
            truth.marks.update(MARKS.findall(document.text or ""))
            before = truth.standing.get(key_of(document))
            if before is None or rank(document) > rank(before):
                truth.standing[key_of(document)] = document
        return truth

    @property
    def kept(self) -> dict[str, Document]:
        return {key: document for key, document in self.standing.items() if document.op == "upsert"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk of a document must be, whatever its row is called."""

    chunk_id: str
    position: int
    breadcrumb: str
    text: str
    text_hash: str


def cut_in_memory(key: str, document: Document) -> list[Chunk]:
    """Cut one document of the truth."""
    seen: Counter[str] = Counter()
    chunks = []
    for position, piece in enumerate(cut(document.title, read_text(document), LONGEST)):
        hashed = text_hash(embedded_text(document.title, piece.breadcrumb, piece.text))
        chunks.append(Chunk(chunk_id(key, hashed, seen[hashed]), position, piece.breadcrumb, piece.text, hashed))
        seen[hashed] += 1
    return chunks


class IndexStanding:
    """All that the index has made, read once it is at rest.

    Args:
        workers: Who made it.
        milvus: Address of the vector store.
        embedder: The workers'.
    """

    def __init__(self, workers: Workers, milvus: str, embedder: Embedder) -> None:
        self.workers = workers
        self.embedder = embedder
        self.milvus = milvus
        self.truth = DocumentTruth.of(read_topic(workers.settings, "documents"))
        self.reviews = Truth.of(read_topic(workers.settings, "reviews"), "index")
        self.expected = {key: cut_in_memory(key, document) for key, document in self.truth.kept.items()}
        with AgentStore(workers.place("index")).transaction() as connection:
            keys = [key for (key,) in self.query("SELECT document_key FROM documents")]
            self.documents = known_documents(connection, keys)
            self.chunks = load_chunks(connection, keys)
        self.rows = {chunk.row_id: chunk for chunks in self.chunks.values() for chunk in chunks}
        self.review_rows = {
            row[:2]: row[2:]
            for row in self.query("SELECT product_id, review_id, revision, op, text, row_id FROM review_texts")
        }

    def query(self, statement: str) -> list[tuple]:
        return self.workers.query("index", statement)

    @property
    def gone(self) -> set[str]:
        """Marks that nothing may hold any more."""
        texts = [document.text or "" for document in self.truth.kept.values()]
        texts += [review.text or "" for review in self.reviews.kept.values()]
        return (self.truth.marks | self.reviews.words) - {word for text in texts for word in MARKS.findall(text)}

    def told(self) -> str:
        """How much there is, for whoever reads the test's output."""
        kept, reviews = len(self.truth.kept), len(self.reviews.kept)
        return f"{kept} of {len(self.truth.standing)} documents, {len(self.rows)} chunks, {reviews} reviews kept"

    def check(self) -> None:
        """Hold everything against the truth."""
        self.check_documents()
        self.check_access()
        self.check_chunks()
        self.check_words()
        self.check_reviews()
        self.check_vectors()
        self.check_milvus()
        self.check_told()
        self.check_forgotten()

    def check_documents(self) -> None:
        assert self.documents.keys() == self.truth.standing.keys()
        for key, row in self.documents.items():
            document = self.truth.standing[key]
            gone = document.op == "delete"
            assert (row.document_id, row.tenant) == (document.document_id, document.tenant)
            assert (row.revision, row.op, row.title, row.text) == (
                document.revision, document.op, document.title, None if gone else document.text
            ), key  # fmt: skip
            assert msgspec.json.decode(row.principals) == ([] if gone else sorted(document.principals))
            assert msgspec.json.decode(row.metadata) == ({} if gone else document.metadata)
            assert row.indexed_version == row.version, key

    def check_access(self) -> None:
        """Who may see what, row by row."""
        kept = self.truth.kept
        found = self.query("SELECT document_key, principal FROM document_principals")
        assert sorted(found) == sorted((key, name) for key, one in kept.items() for name in one.principals)
        found = self.query("SELECT document_key, label FROM document_labels")
        assert sorted(found) == sorted((key, label) for key, one in kept.items() for label in labels_of(one.metadata))

    def check_chunks(self) -> None:
        """Each chunk once, under the id that its document, its readers and the version that brought it give it."""
        assert {key: [as_cut(chunk) for chunk in chunks] for key, chunks in self.chunks.items()} == self.expected
        for key, chunks in self.chunks.items():
            document, version = self.truth.kept[key], self.documents[key].version
            for chunk in chunks:
                given = (document.principals, labels_of(document.metadata), chunk.introduced)
                assert chunk.row_id == row_id(key, chunk.chunk_id, *given)
                assert 1 <= chunk.introduced <= version
        ((name, state),) = self.query("SELECT name, state FROM collections")
        assert state == "serving"
        placed = self.query("SELECT collection, row_id, document_key, confirmed FROM placements")
        assert sorted((*spot, bool(confirmed)) for *spot, confirmed in placed) == sorted(
            (name, one.row_id, one.document_key, True) for one in self.rows.values()
        )

    def check_words(self) -> None:
        words = [word_row(self.documents[chunk.document_key], chunk) for chunk in self.rows.values()]
        with AgentStore(self.workers.place("index")).transaction() as connection:
            assert page_of_words(connection, "chunk_words", 0, ALL_ROWS) == sorted(self.rows)
            assert differing_words(connection, words) == {}

    def check_reviews(self) -> None:
        found = {key: (revision, op, text) for key, (revision, op, text, _) in self.review_rows.items()}
        assert found == {key: (one.revision, one.op, one.text) for key, one in self.reviews.standing.items()}
        ids = sorted(number for _, op, _, number in self.review_rows.values() if op == "upsert")
        assert len(ids) == len(set(ids))
        with AgentStore(self.workers.place("index")).transaction() as connection:
            assert page_of_words(connection, "review_words", 0, ALL_ROWS) == ids

    def check_vectors(self) -> None:
        """The vector of every text that stands is kept, and is that of its text."""
        texts = {chunk.text_hash: self.embedded(chunk) for chunk in self.rows.values()}
        with AgentStore(self.workers.place("index")).transaction() as connection:
            kept = find_vectors(connection, self.embedder.identity, sorted(texts))
        assert kept.keys() == texts.keys()
        for hashed, vector in kept.items():
            assert np.array_equal(vector, self.embedder.embed([texts[hashed]])[0])

    def check_milvus(self) -> None:
        """Every chunk is one row there, and no row is anything else."""
        found = self.milvus_rows()
        assert Counter(row["id"] for row in found) == Counter(self.rows.keys())
        for row in found:
            chunk = self.rows[row["id"]]
            document = self.truth.kept[chunk.document_key]
            assert (row["document_key"], row["tenant"]) == (chunk.document_key, tenant_hash(document.tenant))
            assert sorted(row["principals"]) == sorted(map(hash63, document.principals))
            assert sorted(row["labels"]) == sorted(map(hash63, labels_of(document.metadata)))
            assert np.allclose(row["vector"], self.embedder.embed([self.embedded(chunk)])[0], atol=1e-6)

    def embedded(self, chunk: ChunkRow) -> str:
        return embedded_text(self.documents[chunk.document_key].title, chunk.breadcrumb, chunk.text)

    def milvus_rows(self) -> list[dict]:
        client = MilvusClient(self.milvus, dedicated=True)
        try:
            ((name,),) = self.query("SELECT name FROM collections")
            fields, strong = ["*"], {"consistency_level": "Strong", "timeout": 30}
            rows = client.query(name, "id > 0", output_fields=fields, limit=ALL_ROWS, **strong)
            (counted,) = client.query(name, "", output_fields=["count(*)"], **strong)
            assert counted["count(*)"] == len(rows)  # a row that is there twice is listed once
            return list(rows)
        finally:
            client.close()

    def check_told(self) -> None:
        """The newest word on each document says what stands of it."""
        newest: dict[str, Indexed] = {}
        for record in read_topic(self.workers.settings, "indexed"):
            told = msgspec.json.decode(record.value, type=Indexed)
            if told.kind == "document":
                key = document_key(told.tenant, told.document_id)
                newest[key] = max(newest.get(key, told), told, key=lambda one: one.revision)
        assert {key: (one.revision, one.document_revision, one.op, one.chunks) for key, one in newest.items()} == {
            key: (revision_of(row.version, vectors=True), row.revision, row.op, len(self.chunks.get(key, ())))
            for key, row in self.documents.items()
        }

    def check_forgotten(self) -> None:
        names = [table.name for group in STORES["index"] for table in GROUPS[group].sorted_tables]
        held = {name: self.query(f"SELECT * FROM {name}") for name in (*names, "chunk_words", "review_words")}
        check_no_mark(held, self.gone)


def check_no_mark(tables: dict[str, list[tuple]], gone: set[str]) -> None:
    """Nothing of what was deleted or edited away is said anywhere."""
    said = {
        name: set(MARKS.findall(" ".join(as_bytes(value).decode("utf-8", "replace") for row in rows for value in row)))
        for name, rows in tables.items()
    }
    assert {name: sorted(marks & gone)[:3] for name, marks in said.items() if marks & gone} == {}


def as_cut(chunk: ChunkRow) -> Chunk:
    return Chunk(chunk.chunk_id, chunk.position, chunk.breadcrumb, chunk.text, chunk.text_hash)


def word_row(document: DocumentRow, chunk: ChunkRow) -> WordRow:
    head = document.title or ""
    crumbs = chunk.breadcrumb if chunk.breadcrumb.startswith(head) else f"{head} > {chunk.breadcrumb}"
    return WordRow(chunk.row_id, crumbs if chunk.breadcrumb else head, chunk.text)
