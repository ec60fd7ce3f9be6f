"""``millrace config``: write the documented settings file, show what stands."""

import dataclasses
from pathlib import Path

import click
import msgspec

from infra.settings import FILE_NAME
from infra.settings_text import default_file, shown
from streams.cli.context import read_settings
from streams.cli.errors import CommandError


@click.group("config")
def command() -> None:
    """Write and show the settings."""


@command.command("init")
@click.option("--print", "printed", is_flag=True, help="Print the file instead of writing it.")
@click.option("--json", "as_json", is_flag=True, help="Print the file's path as JSON.")
def init(printed: bool, as_json: bool) -> None:
    """Write millrace.toml with every setting explained.

    \b
    Example:
      millrace config init
    """
    if printed:
        click.echo(default_file(), nl=False)
        return
    path = Path(FILE_NAME)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(default_file())
    except FileExistsError:
        raise CommandError(f"{path} is there already", "Compare it with `millrace config init --print`.") from None
    told = f"wrote {path}; all of it is commented out, so nothing changes yet"
    click.echo(msgspec.json.encode({"path": str(path)}).decode() if as_json else told)


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="One setting a line.")
def show(as_json: bool) -> None:
    """Show every setting, its value and where the value comes from.

    \b
    Example:
      millrace config show
      MILLRACE_KAFKA=kafka.example:9092 millrace config show --json
    """
    rows = shown(read_settings())
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(dataclasses.asdict(row)).decode())
        return
    widths = max(len(row.name) for row in rows), max(len(_value(row.value)) for row in rows)
    for row in rows:
        click.echo(f"{row.name:{widths[0]}}  {_value(row.value):{widths[1]}}  {row.origin}")


def _value(value: str | int | float | None) -> str:
    return "-" if value is None else str(value)
