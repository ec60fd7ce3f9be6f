"""``millrace produce``: check a file's rows one by one and send those that are good."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TextIO

import click
import msgspec

from infra.errors import BrokerUnreachable
from infra.kafka_admin import Broker
from infra.kafka_producer import BulkProducer, Receipt
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.files import Format, InputFile
from streams.cli.kinds import KINDS, Shaper
from streams.cli.sending import Order, Receipts, Sending, Tally
from streams.cli.sending_view import Rejections, progress, tally_line
from streams.topics import topic_name


def _read_map(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    wrong = [
        value for value, (field, sign, column) in zip(values, pairs, strict=True) if not (field and sign and column)
    ]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not field=column")
    return {field: column for field, _, column in pairs}


@click.command("produce")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_read_map,
    help="Read a field from a column of another name; as often as needed.",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Records a second at most.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Rows read at most, of all files together.")
@click.option(
    "--receipts",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write topic:partition:offset of each record, in order, one a line.",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the rows that were not taken, and why, one a line.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="How to read the files; otherwise their names tell, and - is jsonl.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(
    kind: str,
    files: tuple[str, ...],
    columns: dict[str, str],
    rate: float | None,
    limit: int | None,
    receipts: Path | None,
    rejects: Path | None,
    form: Format | None,
    as_json: bool,
) -> None:
    """Send records from FILE... to Kafka: KIND is reviews, documents, events, requests or feedback.

    Files are jsonl or csv, as they are or packed (.gz, .xz, .zst); - reads standard input. Every record is
    checked before it is sent; a missing id is made from the file's content and the row's number, so
    sending a file twice changes nothing. Dates may be unix numbers. Exit code 3: some rows were not taken.

    \b
    Example:
      millrace produce reviews reviews.jsonl.gz
      millrace produce reviews shop.csv --map author_id=customer --map created_at=day --rate 500
    """
    order = Order(KINDS[kind], _shaper(kind, columns), list(columns.values()), rate, limit)
    _produce(order, [InputFile(name, form) for name in files], receipts, rejects, as_json)


def _shaper(kind: str, columns: dict[str, str]) -> Shaper:
    shaper = Shaper(KINDS[kind], columns)
    unknown = sorted(set(columns) - set(shaper.fields))
    if unknown:
        told = f"{kind} have no field {', '.join(unknown)}"
        raise CommandError(told, f"They have: {', '.join(shaper.fields)}", Exit.USAGE)
    return shaper


def _produce(order: Order, files: list[InputFile], receipts: Path | None, rejects: Path | None, as_json: bool) -> None:
    kind, tally = order.kind.topic, Tally()
    with _writing(receipts) as receipts_file, _writing(rejects) as rejects_file:
        rejections = Rejections(rejects_file)
        try:
            asyncio.run(_send(order, files, tally, Receipts(receipts_file) if receipts_file else None, rejections))
        except BrokerUnreachable as error:
            told = f"{tally.produced:,} records were confirmed, then {error.message}"
            raise CommandError(told, "Send the same files again when it answers: nothing counts twice.") from error
    click.echo(msgspec.json.encode(_outcome(kind, tally)).decode() if as_json else tally_line(kind, tally))
    rejections.tell_rest(tally.rejected)
    if tally.interrupted or tally.rejected:
        raise SystemExit(Exit.INTERRUPTED if tally.interrupted else Exit.REJECTED)


def _writing(path: Path | None) -> contextlib.AbstractContextManager[TextIO | None]:
    try:
        return contextlib.nullcontext() if path is None else path.open("w", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}", "Name a file that can be.", Exit.USAGE) from error


async def _send(
    order: Order, files: list[InputFile], tally: Tally, receipts: Receipts | None, rejections: Rejections
) -> None:
    settings = load_settings().kafka
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # thousands of lines while a broker is away
    topic = topic_name(settings.prefix, order.kind.topic)
    with Broker(settings) as broker:
        partitions = broker.identify([topic])[topic].partitions

    def confirmed(number: int, receipt: Receipt) -> None:
        tally.produced += 1
        tally.end[str(receipt.partition)] = receipt.offset + 1
        if receipts is not None:
            receipts.add(number, receipt)

    with progress(order.kind.topic, files, tally) as shown:
        async with BulkProducer(settings, topic, partitions, confirmed) as producer:
            await Sending(order, producer, tally, rejections.tell, shown).run(files)


def _outcome(kind: str, tally: Tally) -> dict[str, object]:
    return {
        "produced": tally.produced,
        "rejected": tally.rejected,
        "seconds": round(tally.seconds, 3),
        "rate": round(tally.rate, 1),
        "end": {kind: dict(sorted(tally.end.items()))},
    }
