"""SQL tables and Parquet files that feature tables are copied from, page by page, as one state of them.

Errors:
    InfraError
    └── SourceUnusable   it cannot be reached, or has not what is asked of it
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from infra.errors import InfraError
from infra.plain_values import NotPlain, plain
from infra.settings_reading import Secret
from schemas.features import FeatureValue

PAGE = 500
"""Rows read, and written, at a time."""

CONNECT_S = 5


class SourceUnusable(InfraError):
    """A source that cannot be reached, or has not what is asked of it."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """What is copied.

    Args:
        name: Of the feature table, in errors.
        kind: Of the source.
        address: URL, or path of a Parquet file.
        table: Of a database; ``schema.name`` where it needs one.
        key: Columns of the primary key.
        columns: Those copied beside them; none is all.
        incremental_by: Column that grows with every change.
    """

    name: str
    kind: Literal["postgresql", "sqlite", "parquet"]
    address: Secret
    table: str | None
    key: tuple[str, ...]
    columns: tuple[str, ...] | None
    incremental_by: str | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row.

    Args:
        key: Parts of its key.
        values: Of its other columns, by name.
    """

    key: tuple[FeatureValue, ...]
    values: dict[str, FeatureValue]


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Some rows.

    Args:
        rows: In the order of their keys, of a database; of a file as they lie.
        newest: Largest value of the column that grows, so far; JSON for ``read_pages``.
    """

    rows: list[SourceRow]
    newest: bytes | None


def read_pages(source: SourceTable, since: bytes | None = None, size: int = PAGE) -> Iterator[SourcePage]:
    """Read a source as it stands at one moment; a database is read in one transaction that locks no row.

    Args:
        source: What is copied.
        since: Only rows whose growing column is at least that: what a page told before. A row that was written
            earlier than the largest value seen, but committed later, is not among them.
        size: Rows of a page.

    Raises:
        SourceUnusable: If it cannot be reached, or a column is not there or cannot be said in JSON.
    """
    read = _parquet_pages if source.kind == "parquet" else _sql_pages
    return read(source, None if since is None else _decoded(since), size)


def _sql_pages(source: SourceTable, since: Any, size: int) -> Iterator[SourcePage]:
    engine = _engine(source)
    try:
        with engine.connect() as connection:
            if source.kind == "sqlite":
                connection.exec_driver_sql("BEGIN")  # the driver begins none for reading
            table = _table(connection, source)
            newest = None
            if source.incremental_by is not None:  # the database compares: its order of texts may not be ours
                newest = connection.scalar(sa.select(sa.func.max(table.c[source.incremental_by])))
            query = sa.select(table).order_by(*(table.c[name] for name in source.key))
            if since is not None and source.incremental_by is not None:
                query = query.where(table.c[source.incremental_by] >= since)
            streaming = connection.execution_options(stream_results=True, max_row_buffer=size)
            for rows in streaming.execute(query).mappings().partitions(size):
                yield SourcePage([_row(source, row) for row in rows], _encoded(newest))
    except SQLAlchemyError as error:
        raise _failed(source, error) from error
    finally:
        engine.dispose()


def _engine(source: SourceTable) -> Engine:
    address = source.address.reveal()
    if source.kind == "sqlite":
        path = Path(address.removeprefix("sqlite:///").partition("?")[0])
        if not path.is_file():
            raise SourceUnusable(f"feature table {source.name}: there is no file {path}", "Correct its source.")

        def connect() -> sqlite3.Connection:
            place = f"file:{quote(str(path.resolve()))}?mode=ro"
            return sqlite3.connect(
                place, uri=True, timeout=CONNECT_S, isolation_level=None, check_same_thread=False
            )  # pages are read in whatever thread is free

        return sa.create_engine("sqlite://", creator=connect, hide_parameters=True, poolclass=NullPool)
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": CONNECT_S, "application_name": "millrace copying"}
        options = {"postgresql_readonly": True}
        return sa.create_engine(
            url, connect_args=arguments, hide_parameters=True, poolclass=NullPool,
            isolation_level="REPEATABLE READ", execution_options=options,
        )  # fmt: skip
    except ImportError as error:
        told = f"feature table {source.name}: the driver of Postgres is not installed"
        raise SourceUnusable(told, "Install it: pip install 'millrace[postgres]'.") from error
    except (ArgumentError, ValueError) as error:
        told = f"feature table {source.name}: its source is no URL of a database"
        raise SourceUnusable(told, "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE.") from error


def _table(connection: Connection, source: SourceTable) -> sa.TableClause:
    """Name the columns without their types: values come as the driver has them."""
    schema, _, name = (source.table or "").rpartition(".")
    try:
        known = [one["name"] for one in sa.inspect(connection).get_columns(name, schema or None)]
    except sa.exc.NoSuchTableError as error:
        told = f"feature table {source.name}: there is no table {source.table} in {source.address}"
        raise SourceUnusable(told, "Correct the table's name, or let us read it.") from error
    return sa.table(name, *(sa.column(one) for one in _columns(source, known)), schema=schema or None)


def _columns(source: SourceTable, known: list[str]) -> list[str]:
    """Choose what is read; SQLite would take a column that is not there for a text."""
    growing = [] if source.incremental_by is None else [source.incremental_by]
    wanted = list(dict.fromkeys([*source.key, *(known if source.columns is None else source.columns), *growing]))
    missing = [one for one in wanted if one not in known]
    if missing:
        told = f"feature table {source.name}: its source has no column {', '.join(missing)}"
        raise SourceUnusable(told, f"It has {', '.join(known)}.")
    return wanted


def _parquet_pages(source: SourceTable, since: Any, size: int) -> Iterator[SourcePage]:
    import pyarrow as pa  # here: only files need it
    from pyarrow import compute, dataset

    path = Path(source.address.reveal())
    if not path.is_file():
        raise SourceUnusable(f"feature table {source.name}: there is no file {path}", "Correct its source.")
    growing = source.incremental_by
    newest = since
    try:
        file = dataset.dataset(path, format="parquet")
        columns = _columns(source, file.schema.names)
        chosen = None
        if since is not None and growing is not None:
            chosen = dataset.field(growing) >= pa.scalar(since, file.schema.field(growing).type)
        for batch in file.scanner(columns=columns, filter=chosen, batch_size=size).to_batches():
            if growing is not None and batch.num_rows:
                largest = compute.max(batch.column(columns.index(growing))).as_py()
                newest = largest if newest is None else newest if largest is None else max(newest, largest)
            yield SourcePage([_row(source, row) for row in batch.to_pylist()], _encoded(newest))
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        told = f"feature table {source.name}: {path} cannot be read: {_line(error)}"
        raise SourceUnusable(told, "Is it whole, and of Parquet?") from error


def _row(source: SourceTable, row: Any) -> SourceRow:
    values: dict[str, FeatureValue] = {}
    for name, value in row.items():
        try:
            values[name] = plain(value)
        except NotPlain as error:
            told = f"feature table {source.name}: column {name}: {error}"
            raise SourceUnusable(told, "Name the columns you need without it: columns=[...].") from error
    key = tuple(values.pop(name) for name in source.key)
    if source.columns is not None and source.incremental_by not in source.columns:
        values.pop(source.incremental_by or "", None)
    return SourceRow(key, values)


def _failed(source: SourceTable, error: SQLAlchemyError) -> SourceUnusable:
    told = _line(getattr(error, "orig", None) or error)
    password = None
    if source.kind == "postgresql":
        password = make_url(source.address.reveal()).password
    told = told.replace(str(password), "***") if password else told
    return SourceUnusable(
        f"feature table {source.name}: {source.address} cannot be read: {told}",
        "See whether it runs, and whether we may read the table.",
    )


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


_KINDS: dict[str, Any] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat, "decimal": Decimal}


def _encoded(newest: Any) -> bytes | None:
    """Keep a value with its kind: a database compares no text with a time."""
    if newest is None:
        return None
    if isinstance(newest, datetime | date):
        return msgspec.json.encode(["datetime" if isinstance(newest, datetime) else "date", newest.isoformat()])
    if isinstance(newest, Decimal):
        return msgspec.json.encode(["decimal", str(newest)])
    return msgspec.json.encode(["plain", plain(newest)])


def _decoded(newest: bytes) -> Any:
    kind, value = msgspec.json.decode(newest)
    return _KINDS[kind](value) if kind in _KINDS else value
