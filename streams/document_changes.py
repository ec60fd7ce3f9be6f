"""What one event, or a new way to cut, makes of a document: the registry's rows and which chunks come, go or move."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from infra.rows import chunk_rows, collection_rows, document_rows, placement_rows, vector_rows
from infra.rows.chunk_rows import ChunkRow, Move
from infra.rows.document_rows import Access, DocumentRow
from infra.words import words
from infra.words.words import WordRow
from processors.documents.characters import clean
from processors.documents.chunking import cut
from processors.documents.identity import chunk_id, embedded_text, labels_of, row_id, text_hash
from schemas.documents import Document
from schemas.records import Sources


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry says of a document."""

    row: DocumentRow
    chunks: Sequence[ChunkRow]


@dataclass(frozen=True, slots=True)
class Cut:
    """One chunk of a document, by what it says: where it stands and who may see it aside."""

    chunk_id: str
    text_hash: str
    breadcrumb: str
    text: str


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What one transaction makes of one document."""

    row: DocumentRow
    expected: int  # version it was made from; 0 = not there yet
    access: Access | None  # none when it is as it was
    added: Sequence[ChunkRow]
    moved: Sequence[Move]
    removed: Sequence[ChunkRow]


def cut_document(key: str, title: str | None, markdown: str, longest: int) -> list[Cut]:
    """Cut a document into chunks and name them.

    Args:
        key: See ``schemas.documents.document_key``.
        title: As it is kept, see ``kept_title``.
        markdown: See ``processors.documents.formats.read_text``.
        longest: Characters of a chunk.
    """
    occurrences: Counter[str] = Counter()
    cuts = []
    for piece in cut(title, markdown, longest):
        hashed = text_hash(embedded_text(title, piece.breadcrumb, piece.text))
        cuts.append(Cut(chunk_id(key, hashed, occurrences[hashed]), hashed, piece.breadcrumb, piece.text))
        occurrences[hashed] += 1
    return cuts


def kept_title(document: Document) -> str | None:
    """Return a document's title without characters nobody sees; None if nothing is left."""
    return " ".join(clean(document.title or "").split()) or None


def register(document: Document, key: str, version: int, changed_at: float, sources: Sources) -> DocumentRow:
    """Make the row of a document that was sent; a deleted one keeps nothing but its name and revision."""
    gone = document.op == "delete"
    return DocumentRow(
        document_key=key,
        document_id=document.document_id,
        tenant=document.tenant,
        revision=document.revision,
        version=version,
        op=document.op,
        title=None if gone else kept_title(document),
        uri=None if gone or document.uri is None else clean(document.uri),
        text=None if gone else clean(document.text or ""),
        principals=msgspec.json.encode([] if gone else sorted(set(document.principals))),
        metadata=msgspec.json.encode({} if gone else document.metadata),
        changed_at=changed_at,
        indexed_version=0,
        sources=msgspec.json.encode(sources),
    )


def access_of(row: DocumentRow) -> Access:
    """Tell who may see a document, and its labels."""
    metadata = msgspec.json.decode(row.metadata, type=dict)
    return Access(row.document_key, tuple(msgspec.json.decode(row.principals, type=list[str])), labels_of(metadata))


def change_document(before: Standing | None, row: DocumentRow, cuts: Sequence[Cut]) -> DocumentChange:
    """Compare a document with what stands: a chunk that says the same to the same people keeps its row.

    Args:
        before: What stands.
        row: What shall stand.
        cuts: Its chunks; none of a deleted one.
    """
    access, was = access_of(row), None if before is None else access_of(before.row)
    kept = {} if before is None or access != was else {chunk.chunk_id: chunk for chunk in before.chunks}
    added, moved = [], []
    for position, one in enumerate(cuts):
        standing = kept.pop(one.chunk_id, None)
        if standing is None:
            added.append(_chunk(row, access, position, one))
        elif standing.position != position:
            moved.append(Move(standing.row_id, position))
    stay = {one.chunk_id for one in cuts} if access == was else set()
    removed = [] if before is None else [chunk for chunk in before.chunks if chunk.chunk_id not in stay]
    indexed_version = 0 if before is None else before.row.indexed_version
    return DocumentChange(
        row=replace(row, indexed_version=indexed_version),
        expected=0 if before is None else before.row.version,
        access=None if access == was else access,
        added=added,
        moved=moved,
        removed=removed,
    )


def _chunk(row: DocumentRow, access: Access, position: int, one: Cut) -> ChunkRow:
    number = row_id(row.document_key, one.chunk_id, access.principals, access.labels, row.version)
    return ChunkRow(
        number, row.document_key, one.chunk_id, position, one.breadcrumb, one.text, one.text_hash, row.version
    )


def write_changes(connection: Connection, model: str, changes: Sequence[DocumentChange], now: float) -> None:
    """Write the registry, the words, and which rows are about to be sent to the collections of a model.

    Args:
        connection: A write transaction.
        model: Identity of the model of today.
        changes: At most one a document.
        now: Unix seconds.

    Raises:
        infra.fences.Moved: If another worker changed one of the documents.
    """
    changes = sorted(changes, key=lambda change: change.row.document_key.encode())
    live = collection_rows.list_collections(connection, hold=True)
    document_rows.write_documents(connection, [(change.row, change.expected) for change in changes])
    document_rows.put_access(connection, [change.access for change in changes if change.access is not None])
    removed = [chunk for change in changes for chunk in change.removed]
    added = [chunk for change in changes for chunk in change.added]
    chunk_rows.remove_chunks(connection, [chunk.row_id for chunk in removed])
    chunk_rows.put_chunks(connection, added)
    chunk_rows.move_chunks(connection, [move for change in changes for move in change.moved])
    words.drop_words(connection, [chunk.row_id for chunk in removed])
    words.put_words(connection, [words_of(change.row, chunk) for change in changes for chunk in change.added])
    rows = [(chunk.row_id, chunk.document_key) for chunk in added]
    placement_rows.place(connection, [one.name for one in live if one.model == model], rows)
    hashes: Mapping[bool, list[str]] = {
        came: [chunk.text_hash for chunk in (added if came else removed)] for came in (False, True)
    }
    vector_rows.follow_texts(connection, hashes[False], hashes[True], now)


def words_of(row: DocumentRow, chunk: ChunkRow) -> WordRow:
    """Say by what words a chunk is found."""
    head = [row.title] if row.title and not chunk.breadcrumb.startswith(row.title) else []
    return WordRow(chunk.row_id, " > ".join([*head, *filter(None, [chunk.breadcrumb])]), chunk.text)
