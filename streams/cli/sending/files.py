"""Rows out of the files people have: jsonl or csv, compressed or not, or from a pipe."""

import csv
import functools
import gzip
import hashlib
import io
import json
import lzma
import sys
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import msgspec
import zstandard

from schemas.records import Unreadable
from streams.cli.errors import CommandError
from streams.cli.sending.zstd import ZstdFile

Format = Literal["jsonl", "csv"]
BLOCK_BYTES = 1 << 20
CELL_LIMIT = 64 << 20
"""Characters of one csv cell; Python's own limit is 131,072."""

_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, csv.Error)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row of a file: its values, or why there are none."""

    number: int  # from 1, header and empty lines not counted
    line: int  # where it starts in the file, from 1
    values: dict[str, Any]
    raw: bytes | None  # the line as it stands; none of csv, whose values tell all
    problem: Unreadable | None = None

    @property
    def text(self) -> str:
        """The row for people and for the file of rejects."""
        return json.dumps(self.values) if self.raw is None else self.raw.decode("utf-8", "backslashreplace").rstrip()


class InputFile:
    """One file a person named, or ``-`` for standard input.

    Args:
        name: Its path.
        form: How to read it; none goes by the name.
    """

    def __init__(self, name: str, form: Format | None = None) -> None:
        self.name = name
        self.bytes_total = Path(name).stat().st_size if name != "-" and Path(name).is_file() else None
        self.form: Format = form or ("csv" if ".csv" in Path(name).suffixes else "jsonl")
        self._disk: BinaryIO | None = None

    @property
    def bytes_read(self) -> int:
        """How much of the file, as it lies on disk, is behind us."""
        return self._disk.tell() if self._disk is not None and not self._disk.closed else self.bytes_total or 0

    def rows(self, columns: Collection[str] = ()) -> Iterator[FoundRow]:
        """Read row by row; empty lines are skipped.

        Args:
            columns: Those a csv file must have.

        Raises:
            CommandError: If the file is damaged, or lacks a column.
        """
        with self._open() as content:
            yield from self._json_rows(content) if self.form == "jsonl" else self._csv_rows(content, columns)

    @functools.cached_property
    def content_hash(self) -> str | None:
        """The hash of the whole content, uncompressed; none of standard input and pipes, which can be read only once.

        Raises:
            CommandError: If the file is damaged.
        """
        if self.bytes_total is None:
            return None
        digest = hashlib.sha256()
        with InputFile(self.name)._open() as content:
            while block := content.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if self.name == "-":
            yield sys.stdin.buffer
            return
        try:
            with Path(self.name).open("rb") as self._disk, _unpacked(self._disk, Path(self.name).suffix) as content:
                yield content
        except _DAMAGE as error:
            told = f"{self.name} cannot be read: {error}"
            raise CommandError(told, "Is it whole, and named as it is packed?") from error

    def _json_rows(self, content: BinaryIO) -> Iterator[FoundRow]:
        number = 0
        for line, raw in enumerate(content, 1):
            bare = raw.removeprefix(b"\xef\xbb\xbf").strip()
            if not bare:
                continue
            if line == 1 and bare.startswith(b"["):
                raise CommandError(
                    f"{self.name} is a JSON array; one object a line is needed", "Convert it: jq -c '.[]' FILE"
                )
            number += 1
            try:
                values, problem = _OBJECT.decode(bare), None
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                values, problem = {}, Unreadable("not_json", f"no JSON object in UTF-8: {error}")
            yield FoundRow(number, line, values, raw, problem)

    def _csv_rows(self, content: BinaryIO, columns: Collection[str]) -> Iterator[FoundRow]:
        csv.field_size_limit(CELL_LIMIT)
        # Bytes that are no UTF-8 must reject their own row, not end the file.
        text = io.TextIOWrapper(content, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            reader = csv.reader(text)
            header = next(reader, [])
            missing = sorted(set(columns) - set(header))
            if missing:
                raise CommandError(f"{self.name} has no column {', '.join(missing)}", f"It has: {', '.join(header)}")
            line = reader.line_num + 1
            for number, cells in enumerate(filter(None, reader), 1):
                yield FoundRow(number, line, dict(zip(header, cells, strict=False)), None)
                line = reader.line_num + 1
        finally:
            text.detach()  # the file is closed by who opened it


def _unpacked(disk: BinaryIO, suffix: str) -> BinaryIO:
    match suffix:
        case ".gz":
            return cast(BinaryIO, gzip.open(disk))
        case ".xz":
            return cast(BinaryIO, lzma.open(disk))
        case ".zst":
            return cast(BinaryIO, io.BufferedReader(ZstdFile(disk), BLOCK_BYTES))
    return disk
