"""``millrace features diff``: what would become of what stands if featurize started with your module now."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import click
import msgspec
import sqlalchemy as sa
from rich.text import Text

from infra.kept_store import KeptStore
from infra.rows.feature_definition_rows import DefinitionRow
from infra.settings import Settings
from infra.store_errors import StoreMissing
from processors.features.definitions.compiling import feature_prints
from processors.features.definitions.tables import FeatureTable
from schemas.feature_tables import feature_log
from streams.cli.context import load_settings
from streams.cli.errors import Exit
from streams.cli.feature_commands.show import standing_definitions
from streams.cli.feature_commands.sources import AGENT, needed_module
from streams.cli.render import FAILING, LATE, OK, QUIET, make_console, plural, print_lines, wrapped
from streams.featurizing.definitions import described
from streams.places import store_place

Change = Literal["new", "changed", "gone", "building", "same"]

_STYLES: Mapping[Change, str] = {"new": OK, "changed": LATE, "gone": FAILING, "building": LATE, "same": QUIET}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one table."""

    table: str
    change: Change
    version: str | None  # that stands
    becomes: str | None  # in the module
    place: str | None  # of the module's
    added: list[str]  # features
    changed: list[str]
    removed: list[str]
    events: int  # of the log, to be gone through


@click.command("diff")
@click.option("--json", "as_json", is_flag=True, help="Print one table a line.")
def command(as_json: bool) -> None:
    """Compare your module with the feature tables that stand. Exit 1: they differ.

    Nothing is changed: featurize does it when it is started with the module. A changed table is built anew from the
    log of events, beside the one that is read, and then takes its place.

    \b
    Example:
      millrace features diff && echo nothing to build
    """
    settings = load_settings()
    module = needed_module(settings)
    found = list(differences(standing_definitions(settings), module.tables, count_log(settings)))
    differs = any(one.change not in ("same", "building") for one in found)
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
    else:
        console = make_console()
        print_lines(console, difference_lines(found, min(console.width, 120)))
    if differs:
        raise click.exceptions.Exit(Exit.FAILED)


def differences(
    standing: Sequence[DefinitionRow], tables: Mapping[str, FeatureTable], events: int
) -> Iterator[Difference]:
    """Compare what stands with a module, table by table.

    Args:
        standing: Definitions that are read or being built, the one that is read first.
        tables: Of the module.
        events: In the log.
    """
    rows = {one.name: one for one in reversed(standing)}
    building = {(one.name, one.version) for one in standing if one.state == "building"}
    for name, table in tables.items():
        row = rows.get(name)
        before = described(row).features if row is not None else {}
        after = feature_prints(table)
        change: Change = "new" if row is None else "same" if row.version == table.version else "changed"
        if (name, table.version) in building:
            change = "building"
        yield Difference(
            table=name,
            change=change,
            version=None if row is None else row.version,
            becomes=table.version,
            place=str(table.place),
            added=[one for one in after if one not in before],
            changed=[one for one in after if one in before and before[one] != after[one]],
            removed=[one for one in before if one not in after],
            events=events if change in ("new", "changed") else 0,
        )
    for name, row in rows.items():
        if name not in tables:
            gone = list(described(row).features)
            yield Difference(
                table=name, change="gone", version=row.version, becomes=None, place=None, added=[], changed=[],
                removed=gone, events=0,
            )  # fmt: skip


def difference_lines(found: Sequence[Difference], width: int) -> Iterator[Text]:
    """Lay differences out, and what they cost."""
    if not found:
        yield Text("Your module has no feature table, and none stands.")
    for one in sorted(found, key=lambda one: one.change == "same"):
        versions = " → ".join(version for version in dict.fromkeys((one.version, one.becomes)) if version)
        yield Text.assemble((f"{one.change:<9}", _STYLES[one.change]), (one.table, "bold"), (f"  {versions}", QUIET))
        for words in _told(one):
            for place, line in enumerate(wrapped(words, max(width - 11, 40))):
                yield Text(" " * (11 if place else 9) + line)


def count_log(settings: Settings) -> int:
    """Count the events of the log; 0 before featurize ever ran."""
    store = KeptStore(store_place(settings, AGENT))
    try:
        with store.transaction() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(feature_log)) or 0)
    except StoreMissing:
        return 0
    finally:
        store.close()


def _told(one: Difference) -> Iterator[str]:
    if one.change == "gone":
        yield "nobody defines it any more: its rows will be removed"
    if one.change in ("gone", "same"):
        return
    for sign, names in (("+", one.added), ("~", one.changed), ("-", one.removed)):
        if names:
            yield f"{sign} {', '.join(names)}"
    if one.change == "building":
        yield "is being built: see `millrace features list`"
    else:
        yield f"goes through {plural(one.events, 'event')} of the log"
        yield f"written at {one.place}"
