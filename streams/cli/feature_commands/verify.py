"""``millrace features verify``: are the features that are read those that the events say?"""

import time
from collections.abc import Callable, Iterator, Sequence

import click
import msgspec
from rich.text import Text

from infra.kept_store import KeptStore
from infra.settings import Settings
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.feature_commands.row_view import value_text
from streams.cli.feature_commands.sources import AGENT, EMPTY, needed_module
from streams.cli.render import FAILING, LATE, OK, QUIET, make_console, plural, print_lines, printable
from streams.cli.waits.lateness import shown_line
from streams.features.past import StreamTables
from streams.features.reading import nearest_table
from streams.features.standing import read_kept
from streams.features.verifying import Mismatch, Verified, verify_table
from streams.places import store_place

SHOWN = 20
"""Mismatches printed for people."""


@click.command("verify")
@click.argument("table", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="Keys of a table at most, spread over all. [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print one mismatch a line, then one line a table.")
def command(table: str | None, limit: int | None, as_json: bool) -> None:
    """Compute features anew from the log, event by event, and compare them with what is read. Exit 1: they differ.

    Nothing of how rows are kept is used. Values must be equal to the last bit; quantiles, distinct counts of more
    than 512 values, and decayed rates within the error they are stated with. Events may go on coming: rows and log
    are read from one state.

    \b
    Example:
      millrace features verify
      millrace features verify customer_orders --limit 1000
    """
    settings = load_settings()
    module = needed_module(settings)
    shown: list[Mismatch] = []

    def found(mismatch: Mismatch) -> None:
        if as_json:
            click.echo(msgspec.json.encode(mismatch))
        elif len(shown) < SHOWN:
            shown.append(mismatch)

    with shown_line(as_json) as show:
        told, unchecked = run_verify(settings, StreamTables(module.tables), table, limit, show, found)
    if as_json:
        for one in told:
            click.echo(msgspec.json.encode(one))
    else:
        print_lines(make_console(), verified_lines(told, unchecked, shown))
    wrong = sum(one.mismatches for one in told)
    if wrong:
        differ = "value differs" if wrong == 1 else "values differ"
        raise CommandError(
            f"{wrong:,} {differ} from what the events say", "Send us the table and the key: it is a bug."
        )
    if unchecked:
        raise CommandError(
            f"not checked: {', '.join(unchecked)}", "`millrace features diff` tells why: start featurize."
        )


def run_verify(
    settings: Settings,
    functions: StreamTables,
    name: str | None,
    limit: int | None,
    show: Callable[[str], None],
    found: Callable[[Mismatch], None],
) -> tuple[list[Verified], list[str]]:
    """Hold one table or all against the log.

    Args:
        settings: Where the store is.
        functions: Of the module.
        name: Of the table; None is all.
        limit: Keys of a table at most.
        show: Told how far it is.
        found: Told of every mismatch.

    Returns:
        What came of each, and the names of those of which the module has no or another version, or that are not live.

    Raises:
        CommandError: If there is no such table.
        infra.store_errors.StoreError: If the store cannot be read.
    """
    store = KeptStore(store_place(settings, AGENT))
    try:
        with store.transaction() as connection:
            tables = read_kept(connection, {})
            if name is not None and name not in tables:
                raise CommandError(
                    f"there is no feature table {printable(name)!r}", nearest_table(name, list(tables)), Exit.NOT_FOUND
                )
            chosen = [one for one in tables.values() if name in (None, one.name)]
            checked = [one for one in chosen if one.live and functions.knows(one.name, one.version)]
            at_us = int(time.time() * 1e6)
            told = [
                verify_table(connection, one, functions, at_us, limit=limit, show=show, found=found) for one in checked
            ]
    finally:
        store.close()
    return told, [one.name for one in chosen if one not in checked]


def verified_lines(told: Sequence[Verified], unchecked: Sequence[str], shown: Sequence[Mismatch]) -> Iterator[Text]:
    """Lay out what came of it: the mismatches, then a line a table.

    Args:
        told: Of each table.
        unchecked: Names of the others.
        shown: The first mismatches.
    """
    for one in shown:
        key, kept, true = printable(one.key), value_text(one.kept), value_text(one.true)
        yield Text(f"{one.table} {key} {one.feature}: read {kept}, the events say {true}", style=FAILING)
    if len(shown) < sum(one.mismatches for one in told):
        yield Text(f"... the first {len(shown)}; all with --json", style=QUIET)
    if not told and not unchecked:
        yield Text(EMPTY)
    for table in told:
        state = ("differs", FAILING) if table.mismatches else ("ok", OK)
        what = f"{plural(table.values, 'value')} of {plural(table.keys, 'key')}, {plural(table.events, 'event')}"
        yield Text.assemble((f"{state[0]:<8}", state[1]), (table.table, "bold"), f"  {what}")
        if table.forgotten:
            rest = f"{plural(table.forgotten, 'value')} of all time not compared: their oldest events are forgotten"
            yield Text(f"        {rest}", style=LATE)
        if table.unfit:
            yield Text(f"        {plural(table.unfit, 'event')} left out: your functions fail on them", style=LATE)
