"""What texts that are wanted are to be written from, made by code kept as it was then."""

from collections.abc import Collection

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

CHUNK = 500
"""Summaries that wait for a text, looked into at once."""


class _Forgotten(msgspec.Struct):
    count: int = 0


class _Points(msgspec.Struct):
    bands: msgspec.Raw
    value_for_money: msgspec.Raw
    flags: msgspec.Raw
    flag_counts: msgspec.Raw
    metrics: msgspec.Raw
    forgotten: _Forgotten = msgspec.field(default_factory=_Forgotten)


def upgrade(groups: Collection[str]) -> None:
    """Add the column; texts that are to be written will be written from the points that stand, as they would have."""
    if "summarize" not in groups:
        return
    op.add_column("summaries", sa.Column("wanted", sa.LargeBinary))
    bind = op.get_bind()
    page = sa.text(
        "SELECT summaries.product_id, summaries.revision, points_revision, points, reason FROM summaries "
        "JOIN work ON work.kind = 'summary' AND work.key = summaries.product_id "
        "WHERE summaries.product_id > :after ORDER BY summaries.product_id LIMIT :chunk"
    )
    put = sa.text("UPDATE summaries SET wanted = :wanted WHERE product_id = :product")
    name = sa.text("UPDATE work SET revision = :revision WHERE kind = 'summary' AND key = :product")
    after: str | None = ""
    while after is not None:
        rows = bind.execute(page, {"after": after, "chunk": CHUNK}).all()
        if rows:
            bind.execute(put, [{"product": row.product_id, "wanted": _wanted(row)} for row in rows])
            bind.execute(name, [{"product": row.product_id, "revision": row.points_revision} for row in rows])
        after = rows[-1].product_id if len(rows) == CHUNK else None


def _wanted(row: sa.Row[tuple[str, int, int, bytes, str]]) -> bytes:
    points = msgspec.json.decode(row.points, type=_Points)
    names = ("bands", "value_for_money", "flags", "flag_counts", "metrics")
    return msgspec.json.encode(
        {
            "reading": {name: getattr(points, name) for name in names},
            "forgotten": points.forgotten.count,
            "points_revision": row.points_revision,
            "shown_revision": row.revision,
            "reason": row.reason,
        }
    )
