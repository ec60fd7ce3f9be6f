"""Parquet files of rows whose types only show once all were seen: spooled beside the file, then written in groups.

Errors:
    InfraError
    └── FileUnwritable   the file, or the spool beside it, cannot be written
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Literal, Self

import msgspec

from infra.errors import InfraError

Kind = Literal["bool", "int", "float", "text", "time", "json"]

_KINDS: Mapping[type, Kind] = {bool: "bool", int: "int", float: "float", str: "text", datetime: "time"}
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")


class FileUnwritable(InfraError):
    """A file that cannot be written."""


class ColumnFile:
    """A Parquet file on its way; nothing of it is seen under its name before it is whole.

    Args:
        path: Of the file.
        hints: Kinds of columns that may stay empty, by name.
    """

    def __init__(self, path: Path, hints: Mapping[str, Kind]) -> None:
        self._path = path
        self._hints = hints
        self._kinds: dict[str, set[Kind]] = {}
        self._guessed: set[str] = set()
        self._counts: list[int] = []

    def __enter__(self) -> Self:
        """Open the spool, which has no name and goes with the process."""
        try:
            self._spool: IO[bytes] = TemporaryFile(dir=self._path.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the spool."""
        self._spool.close()

    def append(self, columns: Mapping[str, Sequence[Any]], guessed: Sequence[str] = ()) -> None:
        """Add rows.

        Args:
            columns: Values by column, all of one length: None, bool, int, float, str, datetime with a zone, or what
                JSON can say.
            guessed: Columns of texts that become numbers if all of them are, as csv has them.
        """
        self._counts.append(max(map(len, columns.values()), default=0))
        self._guessed.update(guessed)
        for name, values in columns.items():
            kinds = self._kinds.setdefault(name, set())
            if name in self._guessed:
                kinds.update(_guess(one) for one in values if one is not None)
            else:
                kinds.update(_KINDS.get(one, "json") for one in set(map(type, values)) - {type(None)})
        block = msgspec.msgpack.encode(columns)
        try:
            self._spool.write(len(block).to_bytes(8) + block)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self, metadata: Mapping[str, bytes], tell: Callable[[int], None]) -> None:
        """Write the file.

        Args:
            metadata: Of the whole file.
            tell: Called with the number of rows written so far.

        Raises:
            FileUnwritable: If it cannot be written.
        """
        import pyarrow as pa  # here: few commands need it
        from pyarrow import parquet

        kinds = {name: _one(found, self._hints.get(name)) for name, found in self._kinds.items()}
        fields = [pa.field(name, _arrow(kind), metadata=_note(kind)) for name, kind in kinds.items()]
        schema = pa.schema(fields, metadata=dict(metadata))
        partial = self._path.with_name(f".{self._path.name}.partial")
        written = 0
        try:
            with parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
                for columns, count in zip(self._blocks(), self._counts, strict=True):
                    arrays = [
                        pa.array(self._cast(kind, name, columns.get(name), count), _arrow(kind))
                        for name, kind in kinds.items()
                    ]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=count or 1)
                    written += count
                    tell(written)
            partial.replace(self._path)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            partial.unlink(missing_ok=True)

    def _blocks(self) -> Iterator[dict[str, list[Any]]]:
        self._spool.seek(0)
        while head := self._spool.read(8):
            yield msgspec.msgpack.decode(self._spool.read(int.from_bytes(head)))

    def _cast(self, kind: Kind, name: str, values: list[Any] | None, count: int) -> list[Any]:
        if values is None:
            return [None] * count
        if kind == "json":
            return [None if one is None else msgspec.json.encode(one).decode() for one in values]
        if kind in ("int", "float") and (name in self._guessed or kind == "float"):
            make = int if kind == "int" else float
            return [None if one is None else make(one) for one in values]
        return values

    def _unwritable(self, error: OSError) -> FileUnwritable:
        remedy = "See who may write there, and whether there is room."
        return FileUnwritable(f"{self._path} cannot be written: {error.strerror or error}", remedy)


def _guess(text: str) -> Kind:
    return "int" if _WHOLE.fullmatch(text) else "float" if _NUMBER.fullmatch(text) else "text"


def _one(found: set[Kind], hint: Kind | None) -> Kind:
    """Choose one kind for a column; what does not go together is written as JSON."""
    if not found:
        return hint or "text"
    if found <= {"int", "float"}:
        return "float" if "float" in found else "int"
    if len(found) == 1:
        return next(iter(found))
    return "json"


def _arrow(kind: Kind) -> Any:
    import pyarrow as pa

    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "time": pa.timestamp("us", tz="UTC")}
    return types.get(kind, pa.string())


def _note(kind: Kind) -> dict[str, str] | None:
    return {"encoding": "json"} if kind == "json" else None
