"""``millrace dead-letters``: the events we gave up on, read from their topic."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

from infra.kafka_admin import Broker
from infra.kafka_reading import read_ranges, topic_ranges
from infra.settings import Settings
from schemas.dead_letters import DeadLetter
from schemas.records import Unreadable, decode
from streams.cli.context import load_settings
from streams.cli.dead_letter_view import letter_lines, table_lines
from streams.cli.errors import CommandError, Exit
from streams.cli.render import make_console, plural, print_lines, printable
from streams.topics import topic_name


@dataclass(frozen=True, slots=True)
class Kept:
    """One dead letter as the topic keeps it, and decoded."""

    raw: bytes
    letter: DeadLetter


@click.group("dead-letters")
def command() -> None:
    """Look at events that changed nothing because they could not be read.

    \b
    Example:
      millrace dead-letters list --reason not_json
      millrace dead-letters show digest:millrace.reviews.v1:3:1041
    """


@command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="The newest so many.")
@click.option("--reason", help="Only with this reason code, such as invalid_field.")
@click.option("--agent", help="Only from this agent.")
@click.option("--json", "as_json", is_flag=True, help="Print the records exactly as published, one a line.")
def list_letters(limit: int, reason: str | None, agent: str | None, as_json: bool) -> None:
    """List dead letters, the newest last.

    \b
    Example:
      millrace dead-letters list --limit 100 --agent digest
    """
    narrowed = reason is not None or agent is not None
    kept = read_letters(load_settings(), newest=None if narrowed else limit)
    found = newest(pick(kept, reason, agent), limit)
    if as_json:
        for one in found:
            click.echo(one.raw)
    elif not found:
        click.echo("No dead letters." if not narrowed else "No dead letter is like that.")
    else:
        console = make_console()
        print_lines(console, table_lines([one.letter for one in found], time.time(), console.width))
        console.print(f"\n{plural(len(found), 'dead letter')}. Whole: millrace dead-letters show ID", style="dim")


@command.command("show")
@click.argument("dead_letter_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the record exactly as published.")
def show_letter(dead_letter_id: str, as_json: bool) -> None:
    """Show one dead letter with everything it was: payload, key, headers.

    ID is AGENT:TOPIC:PARTITION:OFFSET, or the TOPIC:PARTITION:OFFSET of the event itself.

    \b
    Example:
      millrace dead-letters show digest:millrace.reviews.v1:3:1041
    """
    found = [one for one in read_letters(load_settings()) if _is(one.letter, dead_letter_id)]
    if not found:
        what = f"no dead letter {printable(dead_letter_id)!r} is kept"
        raise CommandError(what, "See `millrace dead-letters list`.", code=Exit.NOT_FOUND)
    if as_json:
        click.echo(found[-1].raw)
        return
    console = make_console()
    print_lines(console, letter_lines(found[-1].letter, time.time(), console.width))


def read_letters(settings: Settings, newest: int | None = None) -> Iterator[Kept]:
    """Read the dead-letters topic from start to end as it is now.

    Args:
        settings: Where the broker is.
        newest: At least so many of the newest are enough; none reads all.

    Raises:
        TopicMissing: If the topic was never made.
        BrokerUnreachable: If nothing answers.
    """
    with Broker(settings.kafka) as broker:
        ranges = topic_ranges(broker, [topic_name(settings.kafka.prefix, "dead-letters")])
    if newest is not None:
        ranges = {place: (max(start, end - newest), end) for place, (start, end) in ranges.items()}
    for record in read_ranges(settings.kafka, ranges):
        try:
            yield Kept(record.value or b"", decode(record.value or b"", DeadLetter))
        except Unreadable as error:  # somebody else writes to our topic
            place = f"{record.topic}:{record.partition}:{record.offset}"
            click.echo(f"{place} is no dead letter of ours: {printable(error.error)}", err=True)


def pick(kept: Iterable[Kept], reason: str | None, agent: str | None) -> Iterator[Kept]:
    """Keep those with this reason and agent."""
    for one in kept:
        if reason in (None, one.letter.reason) and agent in (None, one.letter.agent):
            yield one


def newest(kept: Iterable[Kept], limit: int) -> list[Kept]:
    """Keep the newest by time of failure, in order; never holds much more than the limit."""
    best: list[Kept] = []
    for one in kept:
        best.append(one)
        if len(best) >= 4 * limit:
            best = _last(best, limit)
    return _last(best, limit)


def _last(kept: list[Kept], limit: int) -> list[Kept]:
    return sorted(kept, key=lambda one: one.letter.failed_at)[-limit:]


def _is(letter: DeadLetter, wanted: str) -> bool:
    source = letter.source
    return wanted in (letter.dead_letter_id, f"{source.topic}:{source.partition}:{source.offset}")
