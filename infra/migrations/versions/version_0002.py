"""What forgetting and traces need."""

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

CHUNK = 500
"""Summaries looked into at once."""

NOTHING_FORGOTTEN = b'{"count":0,"newest":[]}'


class _Writer(msgspec.Struct):
    ledger_key: str


class _Summary(msgspec.Struct):
    writer: _Writer | None = None


def upgrade(groups: Collection[str]) -> None:
    """Add columns and the tombstones; what stands keeps its meaning."""
    op.add_column("work", sa.Column("trace", sa.LargeBinary))
    op.add_column("timers", sa.Column("trace", sa.LargeBinary))
    op.add_column("ledger", sa.Column("subject", sa.String))
    op.create_index("ledger_by_subject", "ledger", ["subject"])
    if "digest" in groups:
        _digest()
    if "summarize" in groups:
        _summarize()


def _digest() -> None:
    op.create_table(
        "tombstones",
        sa.Column("product_id", sa.String, primary_key=True),
        sa.Column("review_id", sa.String, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    columns: dict[str, sa.types.TypeEngine[Any]] = {
        "next_ordinal": sa.BigInteger(),
        "base_ordinal": sa.BigInteger(),
        "forgotten": sa.LargeBinary(),
    }
    for name, kind in columns.items():
        op.add_column("products", sa.Column(name, kind))
    arrived = "SELECT max(ordinal) + 1 FROM reviews WHERE reviews.product_id = products.product_id"
    op.get_bind().execute(
        sa.text(f"UPDATE products SET next_ordinal = coalesce(({arrived}), 0), base_ordinal = 0, forgotten = :nothing"),  # noqa: S608 - no value of others'
        {"nothing": NOTHING_FORGOTTEN},
    )
    with op.batch_alter_table("products") as products:
        for name, kind in columns.items():
            products.alter_column(name, existing_type=kind, nullable=False)


def _summarize() -> None:
    op.add_column("summaries", sa.Column("text_forgotten", sa.BigInteger))
    op.execute("UPDATE summaries SET text_forgotten = 0 WHERE text_points IS NOT NULL")
    _name_subjects()


def _name_subjects() -> None:
    """Say for which product each paid call was; one that no standing text names could never be forgotten, and goes."""
    bind = op.get_bind()
    after: str | None = ""
    page = sa.text(
        "SELECT product_id, record FROM summaries WHERE product_id > :after ORDER BY product_id LIMIT :chunk"
    )
    while after is not None:
        rows = bind.execute(page, {"after": after, "chunk": CHUNK}).all()
        named = [(row.product_id, msgspec.json.decode(row.record, type=_Summary).writer) for row in rows]
        subjects = [{"product": product, "key": writer.ledger_key} for product, writer in named if writer is not None]
        if subjects:
            bind.execute(sa.text("UPDATE ledger SET subject = :product WHERE ledger_key = :key"), subjects)
        after = rows[-1].product_id if rows else None
    op.execute("DELETE FROM ledger WHERE subject IS NULL")
