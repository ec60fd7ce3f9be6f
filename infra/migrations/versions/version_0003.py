"""Stores of the index and of answers, made by code kept as it was then."""

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade(groups: Collection[str]) -> None:
    """Add the tables; no store held anything of them before."""
    if "index" in groups:
        _documents()
        _chunks()
        _rest()
        _words()
    if "answer" in groups:
        _answer()


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("document_key", sa.String, primary_key=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("tenant", sa.String),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("op", sa.String, nullable=False),
        sa.Column("title", sa.String),
        sa.Column("uri", sa.String),
        sa.Column("text", sa.String),
        sa.Column("principals", sa.LargeBinary, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("indexed_version", sa.BigInteger, nullable=False),
        sa.Column("sources", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "document_principals",
        sa.Column("document_key", sa.String, primary_key=True),
        sa.Column("principal", sa.String, primary_key=True),
    )
    op.create_table(
        "document_labels",
        sa.Column("document_key", sa.String, primary_key=True),
        sa.Column("label", sa.String, primary_key=True),
    )
    op.create_index("document_labels_by_label", "document_labels", ["label"])


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document_key", sa.String, nullable=False),
        sa.Column("chunk_id", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("breadcrumb", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("text_hash", sa.String, nullable=False),
        sa.Column("introduced", sa.BigInteger, nullable=False),
    )
    op.create_index("chunks_by_document", "chunks", ["document_key", "position"])
    op.create_index("chunks_by_text", "chunks", ["text_hash"])
    op.create_table(
        "placements",
        sa.Column("collection", sa.String, primary_key=True),
        sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document_key", sa.String, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
    )
    op.create_index("placements_by_document", "placements", ["document_key"])
    op.create_table(
        "vectors",
        sa.Column("text_hash", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("orphaned_at", sa.Float),
    )
    op.create_index("vectors_by_orphaned", "vectors", ["orphaned_at"])


def _rest() -> None:
    op.create_table(
        "collections",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("chunking", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "review_texts",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("review_id", sa.String, primary_key=True),
        sa.Column("row_id", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("op", sa.String, nullable=False),
        sa.Column("title", sa.String),
        sa.Column("text", sa.String),
        sa.Column("rating", sa.Float),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("vector", sa.LargeBinary),
    )
    op.create_index("review_texts_by_row", "review_texts", ["row_id"], unique=True)


def _answer() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("deadline", sa.Float, nullable=False),
        sa.Column("sources", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("answered_at", sa.Float, nullable=False),
    )
    op.create_index("answers_by_time", "answers", ["answered_at"])
    op.create_table(
        "answer_basis",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("source_key", sa.String, primary_key=True),
        sa.Column("chunk_id", sa.String, primary_key=True),
        sa.Column("cited", sa.Boolean, nullable=False),
    )
    op.create_index("answer_basis_by_source", "answer_basis", ["source_key"])
    op.create_table(
        "gate",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )


def _words() -> None:
    """Full text of chunks and reviews, each database's own way; a row's id is that of its chunk or review."""
    if op.get_bind().dialect.name == "sqlite":
        tokens = "tokenize = 'porter unicode61 remove_diacritics 2'"
        op.execute(f"CREATE VIRTUAL TABLE chunk_words USING fts5(title, body, {tokens})")
        op.execute(f"CREATE VIRTUAL TABLE review_words USING fts5(entity, title, body, {tokens})")
        return
    for table in ("chunk_words", "review_words"):
        op.execute(f"CREATE TABLE {table} (row_id BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)")
        op.execute(f"CREATE INDEX {table}_by_word ON {table} USING gin (words)")
