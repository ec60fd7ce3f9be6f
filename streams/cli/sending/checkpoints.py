"""How far an interrupted ``millrace produce`` came, so that the same command goes on there.

A checkpoint is rewritten about once a second. After a kill, at most what was under way and what was
confirmed since the last one is sent twice, which changes nothing: the ids are the same.
"""

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from infra.kafka.admin import TopicIdentity
from streams.cli.errors import CommandError, Exit
from streams.cli.sending.files import BLOCK_BYTES, InputFile
from streams.cli.sending.frontier import Frontier

KEEP_S = 1.0
"""How often a checkpoint is rewritten at most."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a file of lines belongs to a checkpoint."""

    bytes: int
    sha256: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run came."""

    rows: int  # of all files together: every row before is confirmed or rejected
    rejected: int  # of them
    receipts: Kept | None
    rejects: Kept | None


class LineFile:
    """A file of lines that a later run can go on with.

    Args:
        path: Where.
        kept: What stands in it already, and stays; none begins anew.

    Raises:
        CommandError: If it cannot be written.
    """

    def __init__(self, path: Path, kept: Kept | None = None) -> None:
        self._path = path
        kept = kept if path.is_file() else None  # a terminal or a pipe keeps nothing
        self._hash = hashlib.sha256() if kept is None else _hash(path, kept.bytes)
        self._bytes = 0 if kept is None else kept.bytes
        with self._told():
            self._file: BinaryIO = path.open("wb" if kept is None else "r+b")
            self._whole = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
            if kept is not None:
                self._file.truncate(kept.bytes)
                self._file.seek(kept.bytes)

    def add(self, lines: Sequence[str]) -> None:
        """Write lines.

        Raises:
            CommandError: If the disk is full, or gone.
        """
        if not lines:
            return
        data = "".join(f"{line}\n" for line in lines).encode()
        with self._told():
            self._file.write(data)
            self._file.flush()
        self._hash.update(data)
        self._bytes += len(data)

    def kept(self) -> Kept | None:
        """Make what was written outlive a crash, and say how much it is; none of what is no file on a disk.

        Raises:
            CommandError: If the disk is full, or gone.
        """
        if not self._whole:
            return None
        with self._told():
            os.fsync(self._file.fileno())
        return Kept(bytes=self._bytes, sha256=self._hash.hexdigest())

    def close(self) -> None:
        """Let it go."""
        self._file.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            told = f"cannot write {self._path}: {error.strerror}"
            raise CommandError(told, "Name a file that can be.", Exit.USAGE) from error


class CheckpointFile:
    """One command's checkpoint under ``MILLRACE_HOME/produce``.

    Args:
        home: ``MILLRACE_HOME``.
        name: What ``run_name`` says.
    """

    def __init__(self, home: Path, name: str) -> None:
        self._path = home / "produce" / f"{name}.json"
        self._broken = False

    def read(self) -> Checkpoint | None:
        """Read what an interrupted run left, if one did."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Checkpoint)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            click.echo(f"the checkpoint {self._path} cannot be read: {error}; sending everything", err=True)
            return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace it as a whole; where that fails, sending goes on without, and says so once."""
        fresh = self._path.with_suffix(f".{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            if not self._broken:
                told = f"cannot keep {self._path}: {error.strerror}; if interrupted, this run will not be gone on with"
                click.echo(told, err=True)
            self._broken = True

    def remove(self) -> None:
        """Forget it: the run is complete."""
        with contextlib.suppress(OSError):  # never written, or where nothing can be
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()  # unless it keeps others


class Journal:
    """Writes down what is settled: receipts and rejects in the order of the rows, now and then the checkpoint.

    Args:
        checkpoints: Where the checkpoint is; none keeps none.
        before: The run to go on with, if there is one.
        receipts: File of receipts, if wanted.
        rejects: File of rejects, if wanted.

    Raises:
        CommandError: If a file cannot be written.
    """

    def __init__(
        self, checkpoints: CheckpointFile | None, before: Checkpoint | None, receipts: Path | None, rejects: Path | None
    ) -> None:
        self._checkpoints = checkpoints
        self._receipts = None if receipts is None else LineFile(receipts, None if before is None else before.receipts)
        self._rejects = None if rejects is None else LineFile(rejects, None if before is None else before.rejects)
        self.resumed_at = None if before is None else before.rows
        self.rows = self.resumed_at or 0  # every row before is settled, and written down
        self.rejected = 0 if before is None else before.rejected  # of them
        self.frontier = Frontier(self.rows)
        self._kept_rows, self._kept_at = self.rows, time.monotonic()
        self._open = True

    @property
    def keeps_rejects(self) -> bool:
        """Whether rejected rows are written to a file."""
        return self._rejects is not None

    def keep(self) -> None:
        """Write what is settled, and the checkpoint if the last one is old enough.

        Raises:
            CommandError: If receipts or rejects cannot be written.
        """
        self._write()
        if time.monotonic() - self._kept_at >= KEEP_S:
            self._save()

    def close(self, *, complete: bool) -> None:
        """Write the rest, once; a complete run needs no checkpoint any more.

        Raises:
            CommandError: If receipts or rejects cannot be written.
        """
        if not self._open:
            return
        self._open = False
        with contextlib.ExitStack() as closing:
            for file in (self._receipts, self._rejects):
                if file is not None:
                    closing.callback(file.close)
            self._write()
            if not complete:
                self._save()
            elif self._checkpoints is not None:
                self._checkpoints.remove()

    def remedy(self) -> str:
        """Say what to do after an interruption."""
        if self._checkpoints is None or not self.rows:
            return "send the same records again, nothing counts twice."
        return f"run the same command, it goes on after row {self.rows:,}."

    def _write(self) -> None:
        settled = self.frontier.take()
        self.rows = settled.rows
        self.rejected += settled.rejected
        if self._receipts is not None:
            self._receipts.add(settled.receipts)
        if self._rejects is not None:
            self._rejects.add(settled.rejects)

    def _save(self) -> None:
        if self._checkpoints is None or self.rows == self._kept_rows:
            return
        receipts = None if self._receipts is None else self._receipts.kept()
        rejects = None if self._rejects is None else self._rejects.kept()
        standing = Checkpoint(rows=self.rows, rejected=self.rejected, receipts=receipts, rejects=rejects)
        self._checkpoints.write(standing)
        self._kept_rows, self._kept_at = self.rows, time.monotonic()


def run_name(files: Sequence[InputFile], kind: str, columns: Mapping[str, str], topic: TopicIdentity) -> str | None:
    """Name a command by what it sends and where to; none when a file can be read only once.

    Args:
        files: What is sent; each is read to its end for its hash.
        kind: Kind of record.
        columns: Field to column.
        topic: Where to: a recreated one is another.

    Raises:
        CommandError: If a file is damaged.
    """
    contents = [(file.form, file.content_hash) for file in files]
    if any(content is None for _, content in contents):
        return None
    told = (contents, kind, sorted(columns.items()), topic.cluster_id, topic.topic_id)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]


def holds(path: Path | None, kept: Kept | None) -> bool:
    """Tell whether a file still begins with what a checkpoint says of it; what is no file on a disk need not."""
    if path is None or (path.exists() and not path.is_file()):
        return True
    if kept is None or not path.exists() or path.stat().st_size < kept.bytes:
        return False
    return _hash(path, kept.bytes).hexdigest() == kept.sha256


def _hash(path: Path, size: int) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, BLOCK_BYTES))):
            digest.update(block)
            size -= len(block)
    return digest
