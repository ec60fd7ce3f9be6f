"""What a person sees of a sending: a bar while it runs, the first rejects, one line at the end."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.records import Unreadable
from streams.cli.render import printable
from streams.cli.sending.files import FoundRow, InputFile
from streams.cli.sending.sender import Tally

TOLD = 5
"""Rejects shown one by one."""

COLUMNS_TOLD = 15


@contextlib.contextmanager
def progress(kind: str, files: Sequence[InputFile], tally: Tally) -> Iterator[Callable[[InputFile], None]]:
    """Show a bar on stderr while records are sent; nothing where nobody watches.

    Args:
        kind: What is sent.
        files: All there is to send.
        tally: Read whenever the bar is drawn.
    """
    columns = (
        TextColumn(f"{kind}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(compact=True),
    )
    sizes = {file.name: file.bytes_total for file in files}
    total = sum(size for size in sizes.values() if size is not None) if None not in sizes.values() else None
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(kind, total=total, told="")
        done = {file.name: 0 for file in files}

        def show(file: InputFile) -> None:
            if not bar.disable:
                done[file.name] = file.bytes_read
                bar.update(task, completed=sum(done.values()), told=_told(tally))

        yield show


class Rejections:
    """Tells the first rejects, and how many more there were.

    Args:
        kept: Whether a file keeps them all.
    """

    def __init__(self, *, kept: bool) -> None:
        self._kept = kept
        self._told = 0

    def tell(self, file: InputFile, row: FoundRow, problem: Unreadable) -> str:
        """Take one reject and return the line that is kept of it, a JSON object."""
        if self._told < TOLD:
            click.echo(rejection_line(file, row, problem), err=True)
            self._told += 1
            self._advise(row, problem)
        kept = {"file": file.name, "line": row.line, "reason": problem.reason, "field": problem.field}
        return msgspec.json.encode(kept | {"error": problem.error, "row": row.text}).decode() if self._kept else ""

    def _advise(self, row: FoundRow, problem: Unreadable) -> None:
        if self._told == 1 and problem.reason == "missing_field" and row.values:
            names = ", ".join(printable(name) for name in list(row.values)[:COLUMNS_TOLD])
            click.echo(f"  the row has {names}; name the right one with --map {problem.field}=COLUMN", err=True)

    def tell_rest(self, rejected: int) -> None:
        """Say how many more there were."""
        if rejected > self._told:
            where = "" if self._kept else "; --rejects FILE keeps them all"
            click.echo(f"rejected {rejected - self._told:,} more{where}", err=True)


def rejection_line(file: InputFile, row: FoundRow, problem: Unreadable) -> str:
    """Say in one line which row is wrong, and how."""
    return f"rejected {Path(file.name).name}:{row.line}  {printable(problem.error)}"


def tally_line(kind: str, tally: Tally) -> str:
    """Say in one line how it ended."""
    ended = "interrupted: " if tally.interrupted else ""
    return (
        f"{ended}sent {tally.produced:,} {kind} in {tally.seconds:.1f} s ({tally.rate:,.0f}/s), "
        f"rejected {tally.rejected:,}"
    )


def _told(tally: Tally) -> str:
    return f"{tally.sent:,} sent  {tally.sent / max(tally.seconds, 0.001):,.0f}/s  {tally.rejected:,} rejected"
