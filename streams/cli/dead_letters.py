"""``millrace dead-letters``: the events we gave up on, read from their topic."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

import click
import msgspec

from infra.errors import BrokerUnreachable
from infra.kafka.producer import Receipt
from infra.settings import Settings
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.letters.kept_letters import Choice, Ranges, letter_ranges, named, newest, read_letters
from streams.cli.letters.replaying import Plan, make_plan, send
from streams.cli.letters.view import letter_lines, table_lines
from streams.cli.render import make_console, plural, print_lines, printable
from streams.topics import TOPICS, topic_name

_SPAN = re.compile(r"(\d+) ?(s|m|min|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def _read_since(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    span = _SPAN.fullmatch(value)
    try:
        if span:
            return datetime.now(UTC) - timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
        told = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is neither a span like 30min, 2h or 7d nor a date and time") from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


@click.group("dead-letters")
def command() -> None:
    """Look at events that changed nothing because they could not be read, and send them again.

    \b
    Example:
      millrace dead-letters list --reason not_json
      millrace dead-letters show digest:millrace.reviews.v1:3:1041
      millrace dead-letters replay --reason not_yet_supported
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
    choice = Choice(reason=reason, agent=agent)
    kept = read_letters(load_settings(), newest=None if narrowed else limit)
    found = newest((one for one in kept if choice.matches(one.letter)), limit)
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
    found = [one for one in read_letters(load_settings()) if dead_letter_id in named(one.letter)]
    if not found:
        what = f"no dead letter {printable(dead_letter_id)!r} is kept"
        raise CommandError(what, "See `millrace dead-letters list`.", code=Exit.NOT_FOUND)
    if as_json:
        click.echo(found[-1].raw)
        return
    console = make_console()
    print_lines(console, letter_lines(found[-1].letter, time.time(), console.width))


@command.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--reason", help="Those with this reason code, such as not_yet_supported.")
@click.option("--agent", help="Those from this agent.")
@click.option("--topic", help="Those of events from this topic, such as reviews.")
@click.option(
    "--since", callback=_read_since, metavar="WHEN", help="Those not older: 30min, 2h, 7d, or a date and time."
)
@click.option("--all", "everything", is_flag=True, help="All there are.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="The first so many, in the order of their events."
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="One letter a line.")
def replay_letters(
    ids: tuple[str, ...],
    reason: str | None,
    agent: str | None,
    topic: str | None,
    since: datetime | None,
    everything: bool,
    limit: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send the events of dead letters again, to their own topic and partition, with their key and headers.

    ID is as in `show`, or the beginning of one. What fails again becomes a new dead letter, which from then
    on stands for the old one; replaying twice is harmless. Exit code 3: some cannot be replayed, because
    they are not kept whole.

    \b
    Example:
      millrace dead-letters replay --reason not_yet_supported --dry-run
      millrace dead-letters replay digest:millrace.reviews.v1:3:1041
    """
    settings = load_settings()
    if topic is not None and topic in TOPICS:
        topic = topic_name(settings.kafka.prefix, topic)
    choice = Choice(ids, reason, agent, topic, since)
    if choice == Choice() and not everything:
        raise click.UsageError("Say which: IDs, --reason, --agent, --topic, --since, or --all.")
    ranges = letter_ranges(settings)
    plan = make_plan(settings, ranges, choice, limit)
    if not plan.candidates:
        raise CommandError("no dead letter is like that", "See `millrace dead-letters list`.", code=Exit.NOT_FOUND)
    receipts: dict[str, Receipt] = {}
    if not dry_run:
        _send(settings, ranges, plan, receipts)
        plan = plan.after(receipts)
    _tell(plan, receipts, dry_run=dry_run, as_json=as_json)
    if plan.left_out:
        raise SystemExit(Exit.REJECTED)


def _send(settings: Settings, ranges: Ranges, plan: Plan, receipts: dict[str, Receipt]) -> None:
    def so_far() -> str:
        return f"{len(receipts):,} of {plural(len(plan.sendable), 'dead letter')} were replayed"

    try:
        asyncio.run(send(settings, ranges, plan, receipts))
    except BrokerUnreachable as error:
        told = f"{so_far()}, then {error.message}"
        raise CommandError(told, "Run it again when it answers: replaying twice is harmless.") from error
    except KeyboardInterrupt:
        click.echo(so_far(), err=True)
        raise


def _tell(plan: Plan, receipts: dict[str, Receipt], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        for one in plan.candidates:
            name, kept_out = one.letter.dead_letter_id, one.obstacle is not None
            to = None if kept_out else f"{one.letter.source.topic}:{plan.target(one.letter)}"
            receipt = str(receipts[name]) if name in receipts else None
            told = {"dead_letter_id": name, "to": to, "receipt": receipt, "left_out": one.obstacle}
            click.echo(msgspec.json.encode(told))
        return
    if dry_run and plan.sendable:
        console = make_console()
        print_lines(console, table_lines([one.letter for one in plan.sendable], time.time(), console.width))
    for one in plan.left_out:
        click.echo(f"left out {printable(one.letter.dead_letter_id)}: {one.obstacle}", err=True)
    done = "would replay" if dry_run else "replayed"
    click.echo(f"{done} {plural(len(plan.sendable), 'dead letter')}, left out {len(plan.left_out):,}")
