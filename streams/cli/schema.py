"""``millrace schema``: hand the topics' contracts out, and hold on to them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec

from streams.cli.context import read_settings
from streams.cli.errors import CommandError
from streams.contracts import broken, exported


@click.group("schema")
def command() -> None:
    """Hand the contracts of all topics out."""


@command.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--breaking", is_flag=True, help="Write even what breaks those who rely on the files in DIR.")
@click.option("--json", "as_json", is_flag=True, help="One file a line.")
def export(folder: Path, breaking: bool, as_json: bool) -> None:
    """Write a JSON Schema for each topic's record, and one AsyncAPI document, into DIR.

    Where DIR holds an earlier export, a change that breaks producers or readers is refused, and nothing is written.

    \b
    Example:
      millrace schema export contracts
    """
    files = exported(read_settings().kafka)
    try:
        standing = {name: (folder / name).read_bytes() for name in files if (folder / name).exists()}
    except OSError as error:
        raise _unusable(error, "read", folder) from error
    if not breaking:
        _refuse_breaks(standing, files, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise _unusable(error, "write", folder) from error
    for line in _lines(standing, files, folder, as_json=as_json):
        click.echo(line)


def _unusable(error: OSError, verb: str, folder: Path) -> CommandError:
    told = f"cannot {verb} {error.filename or folder}: {error.strerror}"
    return CommandError(told, "Name a folder that is yours to write to.")


def _refuse_breaks(standing: Mapping[str, bytes], files: Mapping[str, bytes], folder: Path) -> None:
    try:
        found = broken(standing, files)
    except ValueError as error:
        raise CommandError(f"{folder}: {error}", "Name another folder, or write over it with --breaking.") from error
    for one in found:
        click.echo(str(one), err=True)
    if found:
        changes = "1 change breaks" if len(found) == 1 else f"{len(found)} changes break"
        told = f"{changes} those who rely on {folder}; nothing was written"
        raise CommandError(told, "Make it a new version of the topic, or write it all the same with --breaking.")


def _lines(standing: Mapping[str, bytes], files: Mapping[str, bytes], folder: Path, *, as_json: bool) -> Iterable[str]:
    width = max(map(len, files))
    for name, content in files.items():
        outcome = "new" if name not in standing else "unchanged" if standing[name] == content else "changed"
        if as_json:
            yield msgspec.json.encode({"path": str(folder / name), "outcome": outcome}).decode()
        else:
            yield f"{name:{width}}  {outcome}"
