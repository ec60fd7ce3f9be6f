"""``millrace simulate``: invented reviews on standard output, and the truth about them in a file."""

import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from processors.simulator import Scenario, Simulator, with_broken_lines
from schemas.records import Unreadable, decode
from schemas.reviews import Review

WIDTH = 80
TICK_S = 0.05


@click.command("simulate")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Equal seeds, equal reviews.")
@click.option("--count", type=click.IntRange(min=1), default=1_000, show_default=True, help="Readable reviews.")
@click.option("--products", type=click.IntRange(min=1), default=3, show_default=True, help="How many are reviewed.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Lines a second at most.")
@click.option(
    "--broken",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.0,
    metavar="SHARE",
    help="Share of unreadable lines among all, 0 to 1; they come on top of the reviews.",
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    default="2023-01-01",
    show_default=True,
    help="When the first review was written, in UTC.",
)
@click.option(
    "--spacing",
    type=click.FloatRange(min=0),
    default=900,
    show_default=True,
    help="Seconds between two reviews' dates.",
)
@click.option(
    "--truth",
    "truth_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write what the reviews really said, counted by product and rating band, as JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="One review a line, as always when not in a terminal.")
def command(
    seed: int,
    count: int,
    products: int,
    rate: float | None,
    broken: float,
    start: datetime,
    spacing: float,
    truth_file: Path | None,
    as_json: bool,
) -> None:
    """Invent reviews of invented products, the same ones for the same seed.

    In a terminal they are laid out to be read; through a pipe, or with --json, each is one line of JSON.

    \b
    Example:
      millrace simulate --count 20
      millrace simulate --count 1000 --truth truth.json | millrace produce reviews -
      millrace simulate --count 5000 --products 12 --broken 0.01 --seed 7 > reviews.jsonl
    """
    simulator = Simulator(seed, products, Scenario(start.replace(tzinfo=UTC), timedelta(seconds=spacing)))
    lines = with_broken_lines(simulator.reviews(count), broken, seed)
    readable = _in_terminal() and not as_json
    try:
        for line in lines if rate is None else _paced(lines, rate):
            click.echo(_laid_out(line, simulator) if readable else line)
    finally:  # a reader that leaves early still gets the truth about what it was given
        if truth_file:
            truth_file.write_bytes(msgspec.json.format(msgspec.json.encode(_truth(simulator)), indent=2) + b"\n")


def _in_terminal() -> bool:
    return sys.stdout.isatty()


def _paced(lines: Iterator[bytes], rate: float) -> Iterator[bytes]:
    started = time.monotonic()
    for number, line in enumerate(lines):
        ahead_s = number / rate - (time.monotonic() - started)
        if ahead_s > TICK_S:
            time.sleep(ahead_s)
        yield line


def _laid_out(line: bytes, simulator: Simulator) -> str:
    """Return a review as people read it, or what is wrong with a broken line."""
    try:
        review = decode(line, Review)
    except Unreadable as error:
        return click.style(textwrap.shorten(f"broken line: {error.error}", WIDTH) + "\n", fg="red")
    stars = "★" * (review.rating or 0) + "☆" * (5 - (review.rating or 0))
    day = f"{review.created_at:%d %b %Y}" if review.created_at else "undated"
    head = f"{stars}  {simulator.products[review.product_id]} · {review.author_id} · {day}"
    title = click.style(review.title, bold=True) + "\n" if review.title else ""
    return f"{head}\n{title}{textwrap.fill(review.text or '', WIDTH)}\n"


def _truth(simulator: Simulator) -> dict[str, object]:
    products = [simulator.truth(product_id).as_json() for product_id in simulator.products]
    return {"seed": simulator.seed, "products": products}
