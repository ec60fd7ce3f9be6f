"""``millrace features list``: the feature tables that stand, and the specs that are served from them."""

import time
from collections.abc import Collection, Iterator

import click
import msgspec

from streams.cli.context import load_settings
from streams.cli.feature_commands.list_view import Listed, Spec, list_lines
from streams.cli.feature_commands.listing import standing_tables
from streams.cli.feature_commands.sources import EMPTY, quiet_module
from streams.cli.render import make_console, print_lines
from streams.features.module import FeatureModule


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one table or spec a line.")
def command(as_json: bool) -> None:
    """List feature tables with what is known of them, and the specs that are served.

    \b
    keys      rows that stand
    newest    how long ago the newest event happened
    readable  how long events took from Kafka to their row, half of them and 99 of 100
    null      share of values that are null, of some keys

    \b
    Example:
      millrace features list
      millrace features list --json | jq 'select(.kind == "table") | {name, keys, readable_p99_s}'
    """
    settings, now = load_settings(), time.time()
    module = quiet_module(settings)
    tables, specs = standing_tables(settings), list(_specs(module))
    tables += _defined(module, [one.name for one in tables])
    if as_json:
        for one in (*tables, *specs):
            click.echo(msgspec.json.encode(one))
    elif not tables and not specs:
        click.echo(EMPTY)
    else:
        console = make_console()
        print_lines(console, list_lines(tables, specs, now, min(console.width, 120)))


def _defined(module: FeatureModule | None, standing: Collection[str]) -> Iterator[Listed]:
    """List the tables of the module that do not stand yet."""
    if module is None:
        return
    for name in (*module.tables, *module.synced):
        if name not in standing:
            yield Listed(name=name, state="defined", version=None, synced=name in module.synced)


def _specs(module: FeatureModule | None) -> Iterator[Spec]:
    for name, spec in {} if module is None else module.specs.items():
        tables = list(dict.fromkeys(lookup.table_name for lookup in spec.lookups))
        yield Spec(name=name, inputs=list(spec.inputs), outputs=list(spec.outputs), tables=tables)
