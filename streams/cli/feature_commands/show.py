"""``millrace features show``: how a feature table is defined, and what is kept for it."""

from collections.abc import Iterator

import click
import msgspec

from infra.kept_store import KeptStore
from infra.rows.feature_definition_rows import RETIRED, DefinitionRow, list_definitions
from infra.settings import Settings
from infra.store_errors import StoreMissing
from processors.features.definitions.tables import FeatureTable
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.feature_commands.definition import Definition, of_shape, of_synced, of_table
from streams.cli.feature_commands.definition_view import definition_lines
from streams.cli.feature_commands.sources import AGENT, quiet_module
from streams.cli.render import make_console, print_lines, printable
from streams.features.reading import nearest_table
from streams.featurizing.definitions import described, shape_of
from streams.places import store_place


@click.command("show")
@click.argument("table")
@click.option("--json", "as_json", is_flag=True, help="Print one definition a line.")
def command(table: str, as_json: bool) -> None:
    """Show how a feature table is defined: its source, its key, each feature with window and default.

    It is the definition that stands, and a newer one that is being built; what your module would change is told by
    `millrace features diff`.

    \b
    Example:
      millrace features show customer_orders
    """
    settings = load_settings()
    every = list(definitions(settings))
    found = [one for one in every if one.name == table]
    if not found:
        remedy = nearest_table(table, [one.name for one in every])
        raise CommandError(f"there is no feature table {printable(table)!r}", remedy, Exit.NOT_FOUND)
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
        return
    console = make_console()
    for place, one in enumerate(found):
        if place:
            console.print()
        print_lines(console, definition_lines(one, min(console.width, 120)))


def definitions(settings: Settings) -> Iterator[Definition]:
    """Tell all definitions: those that stand, then those of the module that do not.

    Raises:
        infra.store_errors.StoreError: If the store cannot be read.
    """
    module = quiet_module(settings)
    tables = {} if module is None else module.tables
    standing = standing_definitions(settings)
    for row in standing:
        yield _standing(row, tables.get(row.name))
    for name, table in tables.items():
        if name not in {row.name for row in standing}:
            yield of_table(table, state="defined")
    for synced in () if module is None else module.synced.values():
        yield of_synced(synced, state="synced")


def standing_definitions(settings: Settings) -> list[DefinitionRow]:
    """List definitions that are read or being built, the one that is read first; none before featurize ran.

    Raises:
        infra.store_errors.StoreError: If the store cannot be read.
    """
    store = KeptStore(store_place(settings, AGENT))
    try:
        with store.transaction() as connection:
            rows = [row for row in list_definitions(connection) if row.state != RETIRED]
    except StoreMissing:
        return []
    finally:
        store.close()
    return sorted(rows, key=lambda row: (row.name, row.state != "live"))


def _standing(row: DefinitionRow, table: FeatureTable | None) -> Definition:
    told, same = described(row), table is not None and table.version == row.version
    return of_shape(
        shape_of(row), table if same else None, state=row.state, version=row.version, source=told.source,
        types=list(told.types), description=told.description, place=told.place,
    )  # fmt: skip
