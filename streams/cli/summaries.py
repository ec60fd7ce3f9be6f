"""``millrace summaries``: what stands, read straight from the store of ``summarize``."""

import difflib
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import click
import msgspec
import sqlalchemy as sa

from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from schemas.summaries import Summary
from schemas.tables import summaries
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.render import make_console, print_lines, printable
from streams.cli.summary_view import POINTS_SHOWN, product_lines, table_lines
from streams.cli.waits.standing import METAVAR
from streams.places import store_place

AGENT = "summarize"
TIMEOUT_S = 60.0
OTHERS = "See `millrace summaries` for those that have."


class NoSummary(CommandError):
    """The product has none."""


@click.command("summaries")
@click.argument("product", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Products in the table.")
@click.option(
    "--points", default=POINTS_SHOWN, show_default=True, type=click.IntRange(1, 10), help="Points shown a rating band."
)
@click.option(
    "--sort",
    "order",
    default="newest",
    show_default=True,
    type=click.Choice(["newest", "reviews"]),
    help="Of the table.",
)
@click.option("--quotes", default=0, type=click.IntRange(0, 6), metavar="N", help="Quotes under each point.")
@click.option(
    "--at-least", "receipts", multiple=True, metavar=METAVAR, help="Wait until this receipt is in it; repeatable."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), help=f"Seconds to wait at most. [default: {TIMEOUT_S:g}]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the records exactly as published, one a line.")
def command(
    product: str | None,
    limit: int,
    points: int,
    quotes: int,
    order: str,
    receipts: tuple[str, ...],
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Show the standing summary of PRODUCT, or a table of many.

    With --at-least it first waits until that is in them; timers become due at once. At the timeout it
    shows what stands all the same, says on stderr how far that is behind, and exits with 4.

    \b
    Example:
      millrace summaries
      millrace summaries B000HD1278 --quotes 2
      millrace summaries --sort reviews --limit 100 --json
      millrace summaries B000HD1278 --at-least millrace.reviews.v1:3:1041 --timeout 10
    """
    if timeout_s is not None and not receipts:
        raise click.UsageError("--timeout says how long to wait for --at-least, which is missing.")
    settings = load_settings()
    late = None
    if receipts:
        from streams.cli.waits.receipts import await_receipts  # here: a plain read needs no broker

        patience_s = TIMEOUT_S if timeout_s is None else timeout_s
        late = await_receipts(settings, AGENT, receipts, patience_s, quiet=as_json)
    with suppress(*([] if late is None else [StoreMissing, NoSummary])):  # it may stand when what is missing does
        store = AgentStore(store_place(settings, AGENT))
        records = [read_record(store, product)] if product else newest_records(store, limit, order)
        if as_json:
            sys.stdout.buffer.writelines(record + b"\n" for record in records)
            sys.stdout.flush()
        else:
            show([msgspec.json.decode(record, type=Summary) for record in records], product, points, quotes)
    if late is not None:
        from streams.cli.waits.lateness import tell_late  # here: as above

        tell_late(settings, late, as_json=as_json)


def show(found: Sequence[Summary], product: str | None, points: int, quotes: int) -> None:
    """Print summaries for people: one product's in full, or a table.

    Raises:
        NoSummary: If the product's last review was deleted.
    """
    if product and found[0].op == "delete":
        raise NoSummary(f"{printable(product)!r} has no reviews any more", OTHERS, code=Exit.NOT_FOUND)
    console = make_console()
    if product:
        print_lines(console, product_lines(found[0], time.time(), console.width, points, quotes))
    elif found:
        print_lines(console, table_lines(found, time.time(), console.width))
    else:
        console.print("No summary stands yet. Send reviews: millrace produce reviews FILE")


def read_record(store: AgentStore, product: str) -> bytes:
    """Read one product's summary as published.

    Raises:
        NoSummary: If it has none; names the nearest ids.
    """
    with store.transaction() as connection:
        found = connection.scalar(sa.select(summaries.c.record).where(summaries.c.product_id == product))
        if found is not None:
            return bytes(found)
        known = connection.scalars(sa.select(summaries.c.product_id).where(summaries.c.review_count > 0))
        near = nearest(product, list(known))
    remedy = f"Nearest: {', '.join(map(printable, near))}" if near else OTHERS
    raise NoSummary(f"no summary stands for {printable(product)!r}", remedy, code=Exit.NOT_FOUND)


def newest_records(store: AgentStore, limit: int, order: str = "newest") -> list[bytes]:
    """Read many summaries as published, the newest or the most reviewed first."""
    by = summaries.c.updated_at if order == "newest" else summaries.c.review_count
    query = sa.select(summaries.c.record).where(summaries.c.review_count > 0)
    with store.transaction() as connection:
        return [bytes(record) for record in connection.scalars(query.order_by(by.desc(), "product_id").limit(limit))]


def nearest(wanted: str, known: Sequence[str], limit: int = 3) -> list[str]:
    """List the ids most like ``wanted``: spelled alike, or holding it.

    Example:
        >>> nearest("b0o1", ["B001", "B0019", "dress"])
        ['B001', 'B0019']
    """
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=limit, cutoff=0.5)
    holding = (one for one in folded if wanted.casefold() in one and one not in close)
    return [folded[one] for one in [*close, *holding][:limit]]
