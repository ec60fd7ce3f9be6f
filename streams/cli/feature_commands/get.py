"""``millrace features get``: what stands of some keys of a table."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click
import msgspec

from infra.store_errors import StoreMissing
from processors.features.records import microseconds, moment
from processors.features.serving.ports import Lookup
from schemas.features import FeatureValue
from schemas.records import Op, Sources
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.feature_commands.row_view import row_lines
from streams.cli.feature_commands.sources import AGENT, open_reader
from streams.cli.render import make_console, print_lines, printable
from streams.cli.waits.standing import METAVAR
from streams.features.reading import FeatureReader, NoSuchTable, Standing
from streams.features.standing import Table

TIMEOUT_S = 60.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A ``schemas.features.Features`` record as it is read now, with how old it is."""

    table: str
    key: str
    revision: int  # 0 of a missing key
    op: Op
    values: dict[str, FeatureValue]
    as_of: str | None  # none of a missing key
    version: str
    sources: Sources
    age_s: float | None  # of the newest event when it was read
    missing: bool
    partial: bool  # read at a moment before its newest event, without the functions to do it exactly


@click.command("get")
@click.argument("table")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option(
    "--at-least", "receipts", multiple=True, metavar=METAVAR, help="Wait until this receipt is in it; repeatable."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), help=f"Seconds to wait at most. [default: {TIMEOUT_S:g}]"
)
@click.option("--at", metavar="TIME", help="Read as of this moment: RFC 3339, as 2026-11-22T09:30:00Z. [default: now]")
@click.option("--json", "as_json", is_flag=True, help="Print the records with age_s and missing, one a line.")
def command(
    table: str, keys: tuple[str, ...], receipts: tuple[str, ...], timeout_s: float | None, at: str | None, as_json: bool
) -> None:
    """Show the features of one KEY of a table, or of several.

    A key of several parts is written with | between them. A key without events has defaults and is marked
    missing; where no key that was asked for has any, exit 5. Windows end now, or at --at.

    \b
    Example:
      millrace features get customer_orders c-1042
      millrace features get customer_orders c-1042 c-1043 --json
      millrace features get customer_orders c-1042 --at-least millrace.events.v1:3:1041
    """
    if timeout_s is not None and not receipts:
        raise click.UsageError("--timeout says how long to wait for --at-least, which is missing.")
    at_us = None if at is None else _moment(at)
    settings = load_settings()
    late = None
    if receipts:
        from streams.cli.waits.receipts import await_receipts  # here: a plain read needs no broker

        late = await_receipts(settings, AGENT, receipts, TIMEOUT_S if timeout_s is None else timeout_s, quiet=as_json)
    rows: list[Standing] = []
    with open_reader(settings) as reader, suppress(*([] if late is None else [StoreMissing, CommandError])):
        rows, standing = _read(reader, table, keys, at_us)  # it may stand when what is missing does
        show(rows, standing, as_json=as_json)
    if late is not None:
        from streams.cli.waits.lateness import tell_late  # here: as above

        tell_late(settings, late, as_json=as_json)
    if all(row.missing for row in rows):
        raise click.exceptions.Exit(Exit.NOT_FOUND)


def show(rows: Sequence[Standing], table: Table, *, as_json: bool) -> None:
    """Print rows."""
    if as_json:
        sys.stdout.buffer.writelines(msgspec.json.encode(told(row)) + b"\n" for row in rows)
        sys.stdout.flush()
        return
    console = make_console()
    print_lines(console, row_lines(rows, table, min(console.width, 120)))


def told(row: Standing) -> Told:
    """Make the record of a row."""
    return Told(
        table=row.table,
        key=row.key,
        revision=row.revision,
        op="delete" if row.missing else "upsert",
        values=dict(row.values),
        as_of=None if row.as_of_us is None else moment(row.as_of_us).isoformat(timespec="microseconds"),
        version=row.version,
        sources=row.sources,
        age_s=row.age_s,
        missing=row.missing,
        partial=row.partial,
    )


def _read(reader: FeatureReader, table: str, keys: Sequence[str], at_us: int | None) -> tuple[list[Standing], Table]:
    try:
        rows = reader.stand([Lookup(table, key) for key in keys], at_us)
    except NoSuchTable as error:
        raise CommandError(printable(error.message), error.remedy, Exit.NOT_FOUND) from error
    return rows, reader.tables()[table]


def _moment(told: str) -> int:
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise click.BadParameter(f"{told!r} is no time; write 2026-11-22T09:30:00Z", param_hint="--at") from error
    return microseconds(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
