"""``millrace summaries``: what stands, read straight from the store of ``summarize``."""

import difflib
import sys
import time
from collections.abc import Sequence

import click
import msgspec
import sqlalchemy as sa

from infra.stores import StoreFile
from schemas.summaries import Summary
from schemas.tables import summaries
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.render import make_console, print_lines, printable
from streams.cli.summary_view import POINTS_SHOWN, product_lines, table_lines

AGENT = "summarize"


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
@click.option("--json", "as_json", is_flag=True, help="Print the records exactly as published, one a line.")
def command(product: str | None, limit: int, points: int, quotes: int, order: str, as_json: bool) -> None:
    """Show the standing summary of PRODUCT, or a table of many.

    \b
    Example:
      millrace summaries
      millrace summaries B000HD1278 --quotes 2
      millrace summaries --sort reviews --limit 100 --json
    """
    store = StoreFile(load_settings().home, AGENT)
    records = [read_record(store, product)] if product else newest_records(store, limit, order)
    if as_json:
        sys.stdout.buffer.writelines(record + b"\n" for record in records)
        return
    read = [msgspec.json.decode(record, type=Summary) for record in records]
    console = make_console()
    if product:
        print_lines(console, product_lines(read[0], time.time(), console.width, points, quotes))
    elif read:
        print_lines(console, table_lines(read, time.time(), console.width))
    else:
        console.print("No summary stands yet. Send reviews: millrace produce reviews FILE")


def read_record(store: StoreFile, product: str) -> bytes:
    """Read one product's summary as published.

    Raises:
        CommandError: If it has none; names the nearest ids.
    """
    with store.transaction() as connection:
        found = connection.scalar(sa.select(summaries.c.record).where(summaries.c.product_id == product))
        if found is not None:
            return bytes(found)
        near = nearest(product, list(connection.scalars(sa.select(summaries.c.product_id))))
    remedy = f"Nearest: {', '.join(map(printable, near))}" if near else "See `millrace summaries` for those that have."
    raise CommandError(f"no summary stands for {printable(product)!r}", remedy, code=Exit.NOT_FOUND)


def newest_records(store: StoreFile, limit: int, order: str = "newest") -> list[bytes]:
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
