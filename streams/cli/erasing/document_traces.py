"""What the stores hold of one document: counted before and after it is erased."""

from collections import Counter
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.chunk_rows import load_chunks
from infra.rows.document_rows import DocumentRow, known_documents
from infra.words.words import count_stray_words, count_words
from processors.language.cleaning import lower_case
from processors.language.wording import Run, Wording
from schemas.index_tables import chunks, document_labels, document_principals, documents, placements, vectors
from streams.cli.erasing.answer_traces import calls_on, citing, find_sayings
from streams.cli.erasing.sought import SoughtDocument

PAGE = 500
"""Rows read or removed in one go."""


def find_document(connection: Connection, key: str) -> DocumentRow | None:
    """Tell what stands of a document, on index's store."""
    return known_documents(connection, [key]).get(key)


def count_index(connection: Connection, key: str, hashes: Sequence[str]) -> Counter[str]:
    """Count what index's store holds of a document, its tombstone aside.

    Words that are no chunk's count, whosever they were: once its chunks are gone nobody can tell.

    Args:
        connection: On that store, in a transaction.
        key: The document's.
        hashes: Of the texts of its chunks, as far as they are known.

    Returns:
        How many rows, by table; ``access`` is who may see it and its labels.
    """
    document = find_document(connection, key)
    cuts = load_chunks(connection, [key]).get(key, [])
    counts: Counter[str] = Counter()
    counts["documents"] = int(document is not None and document.text is not None)
    counts["chunks"] = len(cuts)
    counts["words"] = count_words(connection, [one.row_id for one in cuts]) + count_stray_words(connection)
    counts["placements"] = _rows(connection, placements, key)
    counts["access"] = _rows(connection, document_principals, key) + _rows(connection, document_labels, key)
    counts["vectors"] = _own_vectors(connection, key, hashes)
    return counts


def _rows(connection: Connection, table: sa.Table, key: str) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.document_key == key)
    return connection.scalar(query) or 0


def _own_vectors(connection: Connection, key: str, hashes: Sequence[str]) -> int:
    shared = sa.exists().where(chunks.c.text_hash == vectors.c.text_hash, chunks.c.document_key != key)
    own, found = sorted(set(hashes)), 0
    for start in range(0, len(own), PAGE):
        some = vectors.c.text_hash.in_(own[start : start + PAGE])
        found += connection.scalar(sa.select(sa.func.count()).select_from(vectors).where(some, ~shared)) or 0
    return found


def count_answers(connection: Connection, key: str, sought: SoughtDocument) -> tuple[Counter[str], set[Run]]:
    """Count what answer's store holds of a document.

    Args:
        connection: On that store, in a transaction.
        key: The document's.
        sought: The document; with words, what says them counts, too.

    Returns:
        The counts by place, and the words that were said.
    """
    counts: Counter[str] = Counter()
    counts["answers"] = len(citing(connection, key))
    counts["ledger"] = len(calls_on(connection, key))
    sayings = find_sayings(connection, sought)
    counts.update({f"words in {table}": count for table, count in sayings.counts.items()})
    return counts, sayings.words


def said_by_others(connection: Connection, key: str, wording: Wording, said: Collection[Run]) -> frozenset[Run]:
    """Tell which words of a document, of those that were said, others say, too: a copy of those may be theirs.

    Args:
        connection: On index's store, in a transaction.
        key: The document's.
        wording: Its words.
        said: Those in question.
    """
    longest = {max(run, key=len) for run in said}  # looked for first: most chunks have none
    shared: frozenset[Run] = frozenset()
    after = 0
    query = sa.select(chunks.c.row_id, chunks.c.document_key, chunks.c.breadcrumb, chunks.c.text, documents.c.title)
    others = query.join(documents, documents.c.document_key == chunks.c.document_key).order_by(chunks.c.row_id)
    while rows := connection.execute(others.where(chunks.c.row_id > after).limit(PAGE)).all():
        for row in rows:
            text = f"{row.title or ''} \n {row.breadcrumb} \n {row.text}"
            lowered = lower_case(text)
            if row.document_key != key and any(word in lowered for word in longest):
                shared |= wording.found_in(text)
        after = rows[-1].row_id
    return shared
