"""Rows of what calls of models cost: a day's calls by model and prompt, and what each key spent on it.

They hold numbers, names of models and keys, nothing that was written: they stay when the ledger forgets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from schemas.tables import spending, usage


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Calls of one model with one prompt on one day."""

    day: str  # UTC, as 2026-11-22
    engine: str
    model: str
    prompt_version: str
    calls: int = 0
    failures: int = 0  # of these calls
    hits: int = 0  # calls not made: the ledger had them, or the same call was under way
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    latency_ms: float = 0.0  # of all calls together


@dataclass(frozen=True, slots=True)
class SpendingRow:
    """What one key's calls cost on one day."""

    day: str
    key: str
    tokens: int
    cost: float


def day_of(now: float) -> str:
    """Name the day of a moment, UTC.

    Args:
        now: Unix seconds.

    Example:
        >>> day_of(1_700_000_000.0)
        '2023-11-14'
    """
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def add_usage(connection: Connection, row: UsageRow) -> None:
    """Add calls to what is counted of their day."""
    _add(connection, usage, row)


def add_spending(connection: Connection, rows: Iterable[SpendingRow]) -> None:
    """Add costs to what keys spent; in the order of their keys, so that no two workers wait for each other."""
    for row in sorted(rows, key=lambda row: row.key.encode("utf-8", "surrogatepass")):
        _add(connection, spending, row)


def spent_on(connection: Connection, day: str) -> tuple[float, int]:
    """Read what all calls of a day cost, and their tokens."""
    tokens = sa.func.coalesce(sa.func.sum(usage.c.tokens_in + usage.c.tokens_out), 0)
    query = sa.select(sa.func.coalesce(sa.func.sum(usage.c.cost), 0.0), tokens).where(usage.c.day == day)
    cost, count = connection.execute(query).one()
    return float(cost), int(count)


def spent_for(connection: Connection, day: str, key: str) -> tuple[float, int]:
    """Read what one key's calls of a day cost, and their tokens."""
    query = sa.select(spending.c.cost, spending.c.tokens).where(spending.c.day == day, spending.c.key == key)
    found = connection.execute(query).first()
    return (0.0, 0) if found is None else (found.cost, found.tokens)


def usage_since(connection: Connection, day: str) -> Sequence[UsageRow]:
    """Read what is counted of a day and all after it, in order."""
    query = sa.select(usage).where(usage.c.day >= day).order_by(*usage.primary_key.columns)
    return [UsageRow(**row._mapping) for row in connection.execute(query)]


def _add(connection: Connection, table: sa.Table, row: UsageRow | SpendingRow) -> None:
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    sums = ", ".join(f'"{name}" = "{table.name}"."{name}" + excluded."{name}"' for name in names if name not in keys)
    columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    target = ", ".join(f'"{name}"' for name in keys)
    # Every name in it is that of a table of ours.
    statement = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values}) ON CONFLICT ({target}) DO UPDATE SET {sums}'  # noqa: S608
    connection.execute(sa.text(statement), {name: getattr(row, name) for name in names})
