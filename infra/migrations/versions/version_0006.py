"""The store of features, made by code kept as it was then."""

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade(groups: Collection[str]) -> None:
    """Add the tables; no store held anything of them before."""
    if "featurize" in groups:
        _definitions()
        _log()
        _rows()
        _copies()


def _definitions() -> None:
    op.create_table(
        "feature_definitions",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("shape", sa.LargeBinary, nullable=False),
        sa.Column("described", sa.LargeBinary, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("goal", sa.BigInteger, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("live_at", sa.Float),
    )


def _log() -> None:
    op.create_table(
        "feature_log",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("record_id", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("op", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("happened_us", sa.BigInteger, nullable=False),
        sa.Column("sent_us", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary),
    )
    op.create_index("feature_log_by_number", "feature_log", ["number"], unique=True)
    op.create_index("feature_log_by_sent", "feature_log", ["sent_us"])
    op.create_table(
        "feature_members",
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("record_id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("happened_us", sa.BigInteger, nullable=False),
    )
    op.create_index("feature_members_by_key", "feature_members", ["version", "key", "happened_us"])


def _rows() -> None:
    op.create_table(
        "feature_rows",
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("newest_us", sa.BigInteger, nullable=False),
        sa.Column("sent_us", sa.BigInteger, nullable=False),
        sa.Column("written_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("sources", sa.LargeBinary, nullable=False),
    )
    op.create_index("feature_rows_by_expiry", "feature_rows", ["expires_us"])


def _copies() -> None:
    op.create_table(
        "feature_copies",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("round", sa.BigInteger, nullable=False),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feature_copyings",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("round", sa.BigInteger, nullable=False),
        sa.Column("newest", sa.LargeBinary),
        sa.Column("copied_at", sa.Float, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String),
    )
