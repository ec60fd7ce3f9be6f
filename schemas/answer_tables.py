"""Tables of answer's store: what was asked, what was answered, and what each answer rests on."""

import sqlalchemy as sa

answer = sa.MetaData()

requests = sa.Table(
    "requests",
    answer,
    sa.Column("request_id", sa.String, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Request as JSON
    sa.Column("at", sa.Float, nullable=False),  # unix seconds, Kafka's timestamp
    sa.Column("deadline", sa.Float, nullable=False),  # unix seconds
    sa.Column("sources", sa.LargeBinary, nullable=False),  # JSON, see schemas.records.Sources
)

answers = sa.Table(
    "answers",
    answer,
    sa.Column("request_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Answer as published
    sa.Column("withdrawn", sa.Boolean, nullable=False),
    sa.Column("answered_at", sa.Float, nullable=False),  # unix seconds
    sa.Index("answers_by_time", "answered_at"),
)

answer_basis = sa.Table(
    "answer_basis",
    answer,
    sa.Column("request_id", sa.String, primary_key=True),
    sa.Column("source_key", sa.String, primary_key=True),  # schemas.documents.document_key or review_key
    sa.Column("chunk_id", sa.String, primary_key=True),  # of what it was written from; not the row's: see schemas.hits
    sa.Column("cited", sa.Boolean, nullable=False),
    sa.Index("answer_basis_by_source", "source_key"),
)

gate = sa.Table(
    "gate",
    answer,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)
"""One row that answers and withdrawals lock first: no answer slips past a deletion it does not see."""
