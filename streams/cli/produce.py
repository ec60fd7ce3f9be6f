"""``millrace produce``: check a file's rows one by one and send those that are good."""

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from infra.errors import BrokerUnreachable
from infra.kafka.admin import Broker, TopicIdentity
from infra.kafka.producer import BulkProducer, Receipt
from infra.settings import KafkaSettings, Settings
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.sending.checkpoints import Checkpoint, CheckpointFile, Journal, holds, run_name
from streams.cli.sending.files import Format, InputFile
from streams.cli.sending.kinds import KINDS, Shaper
from streams.cli.sending.sender import Order, Sending, Tally
from streams.cli.sending.view import Rejections, progress, tally_line
from streams.topics import topic_name


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go.

    Args:
        settings: Where the broker is and how to log in.
        topic: Full name.
        identity: Which topic of that name.
    """

    settings: KafkaSettings
    topic: str
    identity: TopicIdentity


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
@click.option("--from-start", is_flag=True, help="Send everything again, also what an interrupted run has sent.")
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
    from_start: bool,
    as_json: bool,
) -> None:
    """Send records from FILE... to Kafka: KIND is reviews, documents, events, requests or feedback.

    Files are jsonl or csv, as they are or packed (.gz, .xz, .zst); - reads standard input. Every record is
    checked before it is sent; a missing id is made from the file's content and the row's number, so
    sending a file twice changes nothing. Dates may be unix numbers. Exit code 3: some rows were not taken.

    After an interruption the same command goes on where it was, and so do the files of receipts and rejects.

    \b
    Example:
      millrace produce reviews reviews.jsonl.gz
      millrace produce reviews shop.csv --map author_id=customer --map created_at=day --rate 500
    """
    order = Order(KINDS[kind], _shaper(kind, columns), list(columns.values()), rate, limit)
    inputs = [InputFile(name, form) for name in files]
    settings = load_settings()
    target = _target(settings.kafka, kind)
    checkpoints = _checkpoints(settings, inputs, kind, columns, target.identity)
    before = None if checkpoints is None or from_start else _before(checkpoints, receipts, rejects)
    journal = Journal(checkpoints, before, receipts, rejects)
    _produce(order, inputs, target, journal, as_json)


def _shaper(kind: str, columns: dict[str, str]) -> Shaper:
    shaper = Shaper(KINDS[kind], columns)
    unknown = sorted(set(columns) - set(shaper.fields))
    if unknown:
        told = f"{kind} have no field {', '.join(unknown)}"
        raise CommandError(told, f"They have: {', '.join(shaper.fields)}", Exit.USAGE)
    return shaper


def _target(settings: KafkaSettings, kind: str) -> Target:
    topic = topic_name(settings.prefix, kind)
    with Broker(settings) as broker:
        return Target(settings, topic, broker.identify([topic])[topic])


def _checkpoints(
    settings: Settings, files: list[InputFile], kind: str, columns: dict[str, str], identity: TopicIdentity
) -> CheckpointFile | None:
    name = run_name(files, kind, columns, identity)
    return None if name is None else CheckpointFile(settings.home, name)


def _before(checkpoints: CheckpointFile, receipts: Path | None, rejects: Path | None) -> Checkpoint | None:
    """Find the run to go on with, and say so."""
    before = checkpoints.read()
    if before is None:
        return None
    for path, kept, what in ((receipts, before.receipts, "receipts"), (rejects, before.rejects, "rejects")):
        if not holds(path, kept):
            told = f"an interrupted run came to row {before.rows:,}, but {path} does not hold its {what}"
            click.echo(f"{told}: sending everything again", err=True)
            return None
    told = f"going on after row {before.rows:,} of an interrupted run (--from-start sends everything again)"
    click.echo(told, err=True)
    return before


def _produce(order: Order, files: list[InputFile], target: Target, journal: Journal, as_json: bool) -> None:
    kind, tally = order.kind.topic, Tally()
    rejections = Rejections(kept=journal.keeps_rejects)
    try:
        asyncio.run(_send(order, files, target, journal, tally, rejections))
        unfinished = tally.interrupted or (tally.limited and journal.resumed_at is not None)
        journal.close(complete=not unfinished)
    except BrokerUnreachable as error:
        journal.close(complete=False)
        told = f"{tally.produced:,} records were confirmed, then {error.message}"
        raise CommandError(told, f"When it answers again: {journal.remedy()}") from error
    except asyncio.CancelledError:  # told to end twice: at once, then
        raise KeyboardInterrupt from None
    finally:
        journal.close(complete=False)
    click.echo(msgspec.json.encode(_outcome(kind, tally, journal)).decode() if as_json else tally_line(kind, tally))
    rejections.tell_rest(tally.rejected)
    if tally.interrupted:
        click.echo(f"to go on: {journal.remedy()}", err=True)
        raise SystemExit(Exit.INTERRUPTED)
    if journal.rejected:
        raise SystemExit(Exit.REJECTED)


async def _send(
    order: Order, files: list[InputFile], target: Target, journal: Journal, tally: Tally, rejections: Rejections
) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # thousands of lines while a broker is away
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C does

    def confirmed(number: int, receipt: Receipt) -> None:
        tally.produced += 1
        tally.end[str(receipt.partition)] = receipt.offset + 1
        journal.frontier.confirmed(number, receipt)

    with progress(order.kind.topic, files, tally) as shown:

        def look(file: InputFile) -> None:
            shown(file)
            journal.keep()

        async with BulkProducer(target.settings, target.topic, target.identity.partitions, confirmed) as producer:
            sending = Sending(order, producer, tally, journal.frontier, rejections.tell, look)
            await sending.run(files, journal.resumed_at or 0)


def _outcome(kind: str, tally: Tally, journal: Journal) -> dict[str, object]:
    return {
        "produced": tally.produced,
        "rejected": tally.rejected,
        "seconds": round(tally.seconds, 3),
        "rate": round(tally.rate, 1),
        "end": {kind: dict(sorted(tally.end.items()))},
        "resumed_at": journal.resumed_at,
    }
