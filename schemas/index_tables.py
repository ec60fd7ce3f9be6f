"""Tables of the index's store: which documents stand, who may see them, and how they were cut.

Permissions, deletions and words bind with the transaction that reads the event; vectors follow, and
whatever they say is checked against these tables before anybody sees it.
"""

import sqlalchemy as sa

index = sa.MetaData()

WORD_TABLES = ("chunk_words", "review_words")
"""Full text, made by the migration: FTS5 in SQLite, tsvector in Postgres; see ``infra/words.py``."""

documents = sa.Table(
    "documents",
    index,
    sa.Column("document_key", sa.String, primary_key=True),  # schemas.documents.document_key
    sa.Column("document_id", sa.String, nullable=False),
    sa.Column("tenant", sa.String),
    sa.Column("revision", sa.BigInteger, nullable=False),  # its owner's
    sa.Column("version", sa.BigInteger, nullable=False),  # moves with every change: compare before write
    sa.Column("op", sa.String, nullable=False),  # upsert or delete; a deleted one stays as a tombstone
    sa.Column("title", sa.String),
    sa.Column("uri", sa.String),
    sa.Column("text", sa.String),  # as it was sent; none of a tombstone
    sa.Column("principals", sa.LargeBinary, nullable=False),  # JSON [str], sorted
    sa.Column("metadata", sa.LargeBinary, nullable=False),  # JSON object
    sa.Column("changed_at", sa.Float, nullable=False),  # unix seconds: of the record, or Kafka's
    sa.Column("indexed_version", sa.BigInteger, nullable=False),  # of which the vectors stand; 0 = none yet
    sa.Column("sources", sa.LargeBinary, nullable=False),  # JSON, see schemas.records.Sources
)

document_principals = sa.Table(
    "document_principals",
    index,
    sa.Column("document_key", sa.String, primary_key=True),
    sa.Column("principal", sa.String, primary_key=True),
)

document_labels = sa.Table(
    "document_labels",
    index,
    sa.Column("document_key", sa.String, primary_key=True),
    sa.Column("label", sa.String, primary_key=True),  # "name=value" of flat metadata
    sa.Index("document_labels_by_label", "label"),
)

chunks = sa.Table(
    "chunks",
    index,
    sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),  # of the vector, too; never comes back
    sa.Column("document_key", sa.String, nullable=False),
    sa.Column("chunk_id", sa.String, nullable=False),  # hash of document, text and occurrence
    sa.Column("position", sa.Integer, nullable=False),  # in the document, from 0
    sa.Column("breadcrumb", sa.String, nullable=False),  # headings above it, joined by " > "
    sa.Column("text", sa.String, nullable=False),
    sa.Column("text_hash", sa.String, nullable=False),  # of what is embedded: title, breadcrumb and text
    sa.Column("introduced", sa.BigInteger, nullable=False),  # version of the document that brought this row
    sa.Index("chunks_by_document", "document_key", "position"),
    sa.Index("chunks_by_text", "text_hash"),
)

placements = sa.Table(
    "placements",
    index,
    sa.Column("collection", sa.String, primary_key=True),
    sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document_key", sa.String, nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),  # the vector store has acknowledged the row
    sa.Index("placements_by_document", "document_key"),
)
"""Every row a collection holds or may hold: written before the row is sent, removed after it is deleted there."""

vectors = sa.Table(
    "vectors",
    index,
    sa.Column("text_hash", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),  # identity: weights, precision, version
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little endian
    sa.Column("orphaned_at", sa.Float),  # unix seconds since when no chunk has this text; the sweeper takes it away
    sa.Index("vectors_by_orphaned", "orphaned_at"),
)

collections = sa.Table(
    "collections",
    index,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("chunking", sa.String, nullable=False),  # how documents were cut: version and sizes
    sa.Column("state", sa.String, nullable=False),  # serving, building or retired
    sa.Column("created_at", sa.Float, nullable=False),  # unix seconds
)

review_texts = sa.Table(
    "review_texts",
    index,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("review_id", sa.String, primary_key=True),
    sa.Column("row_id", sa.BigInteger, nullable=False),  # of its words
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("op", sa.String, nullable=False),  # a deleted one stays as a tombstone without text
    sa.Column("title", sa.String),
    sa.Column("text", sa.String),
    sa.Column("rating", sa.Float),
    sa.Column("at", sa.Float, nullable=False),  # unix seconds: created_at, or Kafka's
    sa.Column("vector", sa.LargeBinary),  # int8 of the sentence table, the whole text's
    sa.Index("review_texts_by_row", "row_id", unique=True),
)
