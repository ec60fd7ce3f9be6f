"""What workers that share a Postgres must do, and SQLite's one write lock makes needless: hold rows in one order."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection


def hold(connection: Connection, key: sa.Column[str], condition: sa.ColumnElement[bool]) -> list[str]:
    """Keep others from changing some rows until the transaction ends.

    Rows are taken in the order of their keys, byte by byte, so that no two workers wait for each other.

    Args:
        connection: In a write transaction.
        key: The column that orders them, of the table whose rows they are.
        condition: Which rows.

    Returns:
        Their keys.
    """
    query = sa.select(key).where(condition)
    if connection.dialect.name == "sqlite":
        return list(connection.scalars(query.order_by(key)))
    return list(connection.scalars(query.order_by(sa.collate(key, "C")).with_for_update()))


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its key is there, or comes at the same time.

    Args:
        connection: In a write transaction.
        table: Where.
        row: A value for each of its columns.

    Returns:
        Whether it was inserted.
    """
    names = [f'"{column.name}"' for column in table.columns]
    values = [f":{column.name}" for column in table.columns]
    # Every name in it is that of a table of ours.
    statement = f'INSERT INTO "{table.name}" ({", ".join(names)}) VALUES ({", ".join(values)}) ON CONFLICT DO NOTHING'  # noqa: S608
    return connection.execute(sa.text(statement), dict(row)).rowcount == 1
