"""The tables of version 0.1.0."""

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade(groups: Collection[str]) -> None:
    """Make the tables of some groups in an empty store."""
    makers = {"delivery": (_delivery, _work, _timers, _ledger), "digest": (_digest,), "summarize": (_summarize,)}
    for group, makes in makers.items():
        for make in makes if group in groups else ():
            make()


def _delivery() -> None:
    op.create_table(
        "fences",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("cluster_id", sa.String, nullable=False),
        sa.Column("topic_id", sa.String, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("input_topic", sa.String, nullable=False),
        sa.Column("input_partition", sa.Integer, nullable=False),
        sa.Column("input_offset", sa.BigInteger, nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_by_input", "outbox", ["input_topic", "input_partition", "seq"])


def _work() -> None:
    op.create_table(
        "work",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("input_topic", sa.String, nullable=False),
        sa.Column("input_partition", sa.Integer, nullable=False),
        sa.Column("input_offset", sa.BigInteger, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("deadline", sa.Float, nullable=False),
        sa.Column("lease_owner", sa.String),
        sa.Column("lease_until", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.String),
    )
    op.create_index("work_by_time", "work", ["kind", "not_before"])
    op.create_table(
        "work_inputs",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("leased", sa.Boolean, primary_key=True),
        sa.Column("oldest_offset", sa.BigInteger, nullable=False),
    )


def _timers() -> None:
    op.create_table(
        "timers",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("deadline", sa.Float, nullable=False),
    )
    op.create_index("timers_by_time", "timers", ["due_at"])
    op.create_table(
        "timer_inputs",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("oldest_offset", sa.BigInteger, nullable=False),
    )


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("ledger_key", sa.String, primary_key=True),
        sa.Column("engine", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("prompt_version", sa.String, nullable=False),
        sa.Column("output", sa.String, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )


def _digest() -> None:
    op.create_table(
        "products",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("review_count", sa.BigInteger, nullable=False),
        sa.Column("sources", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "product_parts",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("part", sa.String, primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("review_id", sa.String, primary_key=True),
        sa.Column("ordinal", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("trace", sa.LargeBinary, nullable=False),
    )
    op.create_index("reviews_by_arrival", "reviews", ["product_id", "ordinal"], unique=True)


def _summarize() -> None:
    op.create_table(
        "summaries",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("points_revision", sa.BigInteger, nullable=False),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.Column("text_points", sa.LargeBinary),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("review_count", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
    op.create_index("summaries_by_time", "summaries", ["updated_at"])
