"""Chunks to make questions from: of a file of documents, or of the standing index as one person sees it."""

from collections.abc import Collection, Iterable, Iterator

import sqlalchemy as sa

from infra.stores import AgentStore
from processors.documents.formats import read_text
from processors.documents.sentences import sentences
from processors.evaluation.synthesis import Source
from schemas.documents import Document, document_key
from schemas.index_tables import chunks, document_principals, documents
from schemas.records import Unreadable
from streams.cli.errors import CommandError, Exit
from streams.document_changes import Cut, cut_document, kept_title


def cut_readable(document: Document, longest: int) -> list[Cut]:
    """Cut a document as the index does.

    Args:
        document: An upsert.
        longest: Characters of a chunk.

    Raises:
        CommandError: If it is in no format we can read.
    """
    key = document_key(document.tenant, document.document_id)
    try:
        return cut_document(key, kept_title(document), read_text(document), longest)
    except Unreadable as problem:
        told = f"document {document.document_id!r} cannot be indexed: {problem.error}"
        raise CommandError(
            told, "Take it out of the file, or send it as text, Markdown or HTML.", Exit.USAGE
        ) from problem


def sources_of_documents(found: Iterable[Document], longest: int) -> Iterator[Source]:
    """Cut documents as the index does.

    Raises:
        CommandError: If one is in no format we can read.
    """
    for document in found:
        title = kept_title(document)
        for one in cut_readable(document, longest):
            yield Source(document.document_id, one.chunk_id, title, one.breadcrumb, tuple(sentences(one.text)))


def sources_of_index(store: AgentStore, principals: Collection[str], tenant: str | None) -> Iterator[Source]:
    """Read the chunks of one tenant that one of some principals may see, in the order of their documents.

    Raises:
        infra.store_errors.StoreError: If the store cannot be read.
    """
    query = (
        sa.select(documents.c.document_id, documents.c.title, chunks.c.chunk_id, chunks.c.breadcrumb, chunks.c.text)
        .join(chunks, chunks.c.document_key == documents.c.document_key)
        .where(*may_see(principals, tenant))
        .order_by(documents.c.document_key, chunks.c.position)
    )
    with store.transaction() as connection:
        for row in connection.execute(query):
            yield Source(row.document_id, row.chunk_id, row.title, row.breadcrumb, tuple(sentences(row.text)))


def may_see(principals: Collection[str], tenant: str | None) -> list[sa.ColumnElement[bool]]:
    """Say which documents one of some principals may see, of one tenant; none is those of no tenant."""
    theirs = document_principals.c.document_key == documents.c.document_key
    permitted = sa.exists().where(theirs, document_principals.c.principal.in_(principals))
    return [documents.c.tenant.is_not_distinct_from(tenant), permitted]
