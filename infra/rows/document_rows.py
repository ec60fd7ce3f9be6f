"""Rows of the index's documents: what stands, who may see it, and what must not come back."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infra.fences import Moved
from infra.locking import hold
from infra.rows.product_rows import chunks
from schemas.index_tables import document_labels, document_principals, documents


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One document as it is kept; a deleted one has neither title, uri, text nor metadata."""

    document_key: str
    document_id: str
    tenant: str | None
    revision: int
    version: int
    op: str
    title: str | None
    uri: str | None
    text: str | None
    principals: bytes  # JSON [str], sorted
    metadata: bytes  # JSON object
    changed_at: float  # unix seconds
    indexed_version: int
    sources: bytes


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see a document, and by what it can be filtered."""

    document_key: str
    principals: tuple[str, ...]
    labels: tuple[str, ...]


def known_documents(connection: Connection, keys: Sequence[str]) -> dict[str, DocumentRow]:
    """Tell what stands of some documents, tombstones among them; those never heard of are absent."""
    known = {}
    for some in chunks(keys):
        for row in connection.execute(sa.select(documents).where(documents.c.document_key.in_(some))):
            known[row.document_key] = DocumentRow(**row._mapping)
    return known


def write_documents(connection: Connection, changes: Sequence[tuple[DocumentRow, int]]) -> None:
    """Write documents whose versions are still the expected ones, in the order of their keys.

    Args:
        connection: A write transaction.
        changes: Each row with the version it was made from; 0 = not there yet.

    Raises:
        Moved: If another worker changed one of them.
    """
    rows = [{**_values(row), "expected": expected} for row, expected in sorted(changes, key=_key)]
    if rows and connection.execute(_PUT, rows).rowcount != len(rows):
        raise Moved("a document was changed by another worker")


def hold_document(connection: Connection, key: str) -> DocumentRow | None:
    """Keep others from changing a document until the transaction ends; None if nobody ever heard of it."""
    hold(connection, documents.c.document_key, documents.c.document_key == key)
    return known_documents(connection, [key]).get(key)


def put_access(connection: Connection, accesses: Sequence[Access]) -> None:
    """Write who may see some documents from now on. The caller holds their rows."""
    keys = [access.document_key for access in accesses]
    for table in (document_principals, document_labels):
        for some in chunks(keys):
            connection.execute(table.delete().where(table.c.document_key.in_(some)))
    principals = [{"document_key": one.document_key, "principal": name} for one in accesses for name in one.principals]
    labels = [{"document_key": one.document_key, "label": label} for one in accesses for label in one.labels]
    if principals:
        connection.execute(document_principals.insert(), principals)
    if labels:
        connection.execute(document_labels.insert(), labels)


def labels_of_documents(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """List the labels of some documents, sorted."""
    found: dict[str, list[str]] = {key: [] for key in keys}
    for some in chunks(keys):
        for row in connection.execute(sa.select(document_labels).where(document_labels.c.document_key.in_(some))):
            found[row.document_key].append(row.label)
    return {key: tuple(sorted(labels)) for key, labels in found.items()}


def mark_indexed(connection: Connection, key: str, version: int) -> None:
    """Say that the vectors of a document's version stand."""
    older = sa.and_(documents.c.document_key == key, documents.c.indexed_version < version)
    connection.execute(documents.update().where(older).values(indexed_version=version))


_COLUMNS = tuple(column.name for column in documents.columns)
_SET = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("document_key", "indexed_version"))
# Every name in it is that of a column of ours.
_PUT = sa.text(
    f"INSERT INTO documents ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "  # noqa: S608
    f"ON CONFLICT (document_key) DO UPDATE SET {_SET} WHERE documents.version = :expected"
)


def _values(row: DocumentRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in _COLUMNS}


def _key(change: tuple[DocumentRow, int]) -> bytes:
    return change[0].document_key.encode()
