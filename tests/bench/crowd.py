"""A large index of invented chunks with permissions, written straight into store and vector store.

Texts are drawn from MiniLM's whole words by Zipf's law; vectors are random and of length 1: they say how long a
search takes, and nothing about what it finds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from infra.database import Store
from infra.rows import collection_rows, placement_rows
from infra.vectors.vector_store import VectorRow, VectorStore
from models.sentence_table import WORD_PIECES
from processors.documents.identity import chunk_id, hash63, tenant_hash, text_hash
from schemas.documents import PUBLIC, Document, document_key
from streams.document_changes import Cut, DocumentChange, change_document, register, write_changes

GROUPS = 20
CHUNKS_PER_DOCUMENT = 5
WORDS_PER_CHUNK = 110
DOCUMENTS_AT_ONCE = 200
PUBLIC_SHARE = 0.2
ZIPF = 1.1


@dataclass(frozen=True, slots=True)
class Invented:
    """One document: who may see it, and what its chunks say."""

    document: Document
    texts: Sequence[str]


class Crowd:
    """Invents documents and questions; equal seeds invent equal ones.

    Args:
        seed: Of everything drawn.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        pieces = WORD_PIECES.read_text(encoding="utf-8").splitlines()
        self._words = np.array([piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 1])
        weights = 1 / np.arange(1, len(self._words) + 1) ** ZIPF
        self._weights = weights / weights.sum()
        self._words = self._random.permutation(self._words)

    def documents(self, chunks: int) -> Iterator[Invented]:
        """Invent documents of five chunks each; a fifth is public, the others belong to one to three groups."""
        for number in range(chunks // CHUNKS_PER_DOCUMENT):
            groups = self._random.choice(GROUPS, self._random.integers(1, 4), replace=False)
            public = self._random.random() < PUBLIC_SHARE
            principals = [PUBLIC] if public else [f"group-{group}" for group in sorted(groups)]
            texts = [self.text(WORDS_PER_CHUNK) for _ in range(CHUNKS_PER_DOCUMENT)]
            document = Document(document_id=f"doc-{number}", text="", title=self.text(4), principals=principals)
            yield Invented(document, texts)

    def text(self, words: int) -> str:
        """Invent a text, two sentences a dozen words each."""
        drawn = self._random.choice(self._words, words, p=self._weights)
        return " ".join(f"{word}." if place % 12 == 11 else str(word) for place, word in enumerate(drawn))

    def question(self) -> str:
        """Invent a question of six words, none of the 50 most frequent."""
        rare = self._weights[50:] / self._weights[50:].sum()
        return " ".join(self._random.choice(self._words[50:], 6, p=rare))

    def vectors(self, count: int, dimensions: int) -> npt.NDArray[np.float32]:
        """Draw ``(count, dimensions)`` float32 rows of length 1."""
        drawn = self._random.standard_normal((count, dimensions), np.float32)
        rows: npt.NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return rows


@dataclass(frozen=True, slots=True)
class Place:
    """Where an invented index goes."""

    store: Store
    vectors: VectorStore
    model: str  # identity
    dimensions: int


def fill(place: Place, crowd: Crowd, chunks: int, tell: Callable[[str], None]) -> None:
    """Write an index of so many chunks, words and permissions included; returns when it is sealed."""
    with place.store.write() as connection:
        collection_rows.begin(connection, "crowd", place.model, "crowd", 0.0)
        serving = collection_rows.serving(connection)
    assert serving is not None
    place.vectors.prepare(serving.name, place.model, place.dimensions)
    batch: list[Invented] = []
    for number, one in enumerate(crowd.documents(chunks), 1):
        batch.append(one)
        if len(batch) == DOCUMENTS_AT_ONCE or number == chunks // CHUNKS_PER_DOCUMENT:
            _write(place, serving.name, crowd, batch)
            batch = []
        if number * CHUNKS_PER_DOCUMENT % 20_000 == 0:
            tell(f"{number * CHUNKS_PER_DOCUMENT:,} chunks written")
    place.vectors.flush(serving.name)


def _write(place: Place, collection: str, crowd: Crowd, batch: Sequence[Invented]) -> None:
    changes = [_change(one) for one in batch]
    added = [(change, chunk) for change in changes for chunk in change.added]
    drawn = crowd.vectors(len(added), place.dimensions)
    rows = [
        VectorRow(chunk.row_id, chunk.document_key, tenant_hash(None), _principals(change), (), vector)
        for (change, chunk), vector in zip(added, drawn, strict=True)
    ]

    def write(connection: Connection) -> None:
        write_changes(connection, place.model, changes, 0.0)
        placement_rows.confirm(connection, [(collection, row.row_id) for row in rows])

    place.store.change(write)
    place.vectors.upsert(collection, rows)


def _change(invented: Invented) -> DocumentChange:
    document = invented.document
    key = document_key(document.tenant, document.document_id)
    hashes = [text_hash(text) for text in invented.texts]
    cuts = [Cut(chunk_id(key, name, 0), name, "", text) for name, text in zip(hashes, invented.texts, strict=True)]
    return change_document(None, register(document, key, 1, 0.0, {}), cuts)


def _principals(change: DocumentChange) -> tuple[int, ...]:
    return tuple(hash63(name) for name in msgspec.json.decode(change.row.principals, type=list[str]))
