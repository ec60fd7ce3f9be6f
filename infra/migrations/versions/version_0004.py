"""What calls of models cost, made by code kept as it was then."""

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade(groups: Collection[str]) -> None:
    """Add costs to the ledger, and the tables that stay when it forgets."""
    op.add_column("ledger", sa.Column("cost", sa.Float, nullable=False, server_default="0"))
    op.add_column("ledger", sa.Column("said", sa.String))
    op.add_column("ledger", sa.Column("failure", sa.String))
    op.create_table(
        "usage",
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("engine", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("prompt_version", sa.String, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("tokens_in", sa.BigInteger, nullable=False),
        sa.Column("tokens_out", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
    )
    op.create_table(
        "spending",
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
    )
