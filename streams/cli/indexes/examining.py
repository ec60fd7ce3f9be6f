"""Compare what the index's registry says of documents with what their texts say, cut anew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import msgspec
from sqlalchemy import Connection

from infra import index_pages
from infra.rows import chunk_rows
from infra.rows.chunk_rows import ChunkRow
from infra.rows.document_rows import Access, DocumentRow
from infra.words import words
from processors.documents.formats import read_text
from schemas.documents import Document
from schemas.records import Unreadable
from streams.document_changes import (
    Cut,
    DocumentChange,
    Standing,
    access_of,
    change_document,
    cut_document,
    words_of,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds of one document, as one transaction saw it."""

    row: DocumentRow
    access: Access  # as searches read it
    chunks: Sequence[ChunkRow]
    words: dict[int, bool]  # chunks whose words are not as they should be, and whether they have any


@dataclass(frozen=True, slots=True)
class Examined:
    """What is right and wrong about one document."""

    found: Found
    cuts: Sequence[Cut]  # what its text says
    sound: Sequence[ChunkRow]
    unsound: Sequence[ChunkRow]
    access: Access  # as it should be
    readable: bool  # if not, its chunks count as they are

    @property
    def missing(self) -> int:
        """How many chunks it lacks."""
        return len(self.cuts) - len(self.sound)

    @property
    def misplaced(self) -> bool:
        """Whether chunks stand in another order."""
        order = {cut.chunk_id: position for position, cut in enumerate(self.cuts)}
        return any(order[chunk.chunk_id] != chunk.position for chunk in self.sound)

    @property
    def misjudged(self) -> bool:
        """Whether searches think that others may see it, or of other labels."""
        return self.found.access != self.access

    @property
    def cut_well(self) -> bool:
        """Whether its chunks are what its text says."""
        return not (self.missing or self.unsound or self.misplaced)

    def mended(self) -> DocumentChange | None:
        """Say what makes it right; None if its rows are, words and vectors aside."""
        if self.cut_well and not self.misjudged:
            return None
        row = replace(self.found.row, version=self.found.row.version + 1)
        change = change_document(Standing(self.found.row, self.sound), row, self.cuts)
        access = self.access if self.misjudged else None
        return replace(change, access=access, removed=[*change.removed, *self.unsound])


def load_documents(connection: Connection, rows: Sequence[DocumentRow]) -> list[Found]:
    """Read what the store holds of some documents; same order.

    Args:
        connection: In the transaction that the rows were read in.
        rows: Of the documents.
    """
    keys = [row.document_key for row in rows]
    chunks = chunk_rows.load_chunks(connection, keys)
    access = index_pages.access_of_documents(connection, keys)
    wanted = [words_of(row, chunk) for row in rows for chunk in chunks.get(row.document_key, ())]
    differing = words.differing_words(connection, wanted)
    return [
        Found(
            row,
            access[row.document_key],
            chunks.get(row.document_key, ()),
            {one.row_id: differing[one.row_id] for one in chunks.get(row.document_key, ()) if one.row_id in differing},
        )
        for row in rows
    ]


def examine(found: Found, longest: int) -> Examined:
    """Cut a document anew and compare; a chunk is what it says, wherever it stands.

    Args:
        found: What the store holds.
        longest: Characters of a chunk.
    """
    wanted = access_of(found.row)
    access = replace(wanted, principals=tuple(sorted(wanted.principals)), labels=tuple(sorted(wanted.labels)))
    try:
        cuts = _cut(found.row, longest)
    except Unreadable:  # it was readable for whoever took it: what stands of it stands
        cuts, readable = [_as_cut(chunk) for chunk in sorted(found.chunks, key=attrgetter("position"))], False
    else:
        readable = True
    wanted_cuts = {cut.chunk_id: cut for cut in cuts}
    sound: list[ChunkRow] = []
    unsound: list[ChunkRow] = []
    for chunk in found.chunks:
        right = wanted_cuts.pop(chunk.chunk_id, None) == _as_cut(chunk)
        (sound if right else unsound).append(chunk)
    return Examined(found, cuts, sound, unsound, access, readable)


def _cut(row: DocumentRow, longest: int) -> list[Cut]:
    if row.op == "delete":
        return []
    document = Document(
        document_id=row.document_id,
        text=row.text or "",
        title=row.title,
        uri=row.uri,
        metadata=msgspec.json.decode(row.metadata, type=dict),
    )
    return cut_document(row.document_key, row.title, read_text(document), longest)


def _as_cut(chunk: ChunkRow) -> Cut:
    return Cut(chunk.chunk_id, chunk.text_hash, chunk.breadcrumb, chunk.text)
