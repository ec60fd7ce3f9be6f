"""``millrace status``: the health of every part on one screen."""

import time
from collections.abc import Collection

import click
import msgspec

from infra.errors import TopicMissing
from infra.kafka.admin import Broker
from infra.kafka.reading import topic_ranges
from infra.settings import Settings
from streams.cli.context import load_settings
from streams.cli.errors import Exit
from streams.cli.health import FAILING, Part, collect
from streams.cli.render import make_console, plural, print_lines
from streams.cli.status_view import status_lines
from streams.topics import topic_name


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, watermarks included.")
def command(as_json: bool) -> None:
    """Show the health of every part, the worst first; exit 1 when something is down.

    \b
    lag      events the broker has and the agent has not read
    pending  events read whose results are not published yet
    behind   age of the newest event in the results, while any is missing

    \b
    Example:
      millrace status
      millrace status --json | jq '.parts[] | {part, state, lag}'
    """
    settings = load_settings()
    with Broker(settings.kafka) as broker:
        parts = collect(settings, broker, time.time())
        healthy = not any(part.state in FAILING for part in parts)
        if as_json:
            click.echo(msgspec.json.encode({"healthy": healthy, "parts": parts}))
        elif nothing_runs(parts, _others(settings)):
            click.echo(f"Nothing runs here ({settings.home}). Start it: millrace up")
        else:
            show(settings, parts, count_dead_letters(settings, broker, parts))
    if not healthy:
        raise click.exceptions.Exit(Exit.FAILED)


def nothing_runs(parts: list[Part], others: Collection[str]) -> bool:
    """Tell whether there is not even a process to be unwell; parts that are somebody else's do not count."""
    return all(part.state in ("down", "stopped") for part in parts if part.part not in others)


def _others(settings: Settings) -> list[str]:
    ours = {"broker": settings.kafka.local, "milvus": settings.milvus.local}
    return [part for part, own in ours.items() if not own]


def count_dead_letters(settings: Settings, broker: Broker, parts: list[Part]) -> int | None:
    """Count what the dead-letters topic keeps, if the broker can tell."""
    if any(part.part == "broker" and part.state != "ok" for part in parts):
        return None
    try:
        ranges = topic_ranges(broker, [topic_name(settings.kafka.prefix, "dead-letters")])
    except TopicMissing:
        return None
    return sum(end - start for start, end in ranges.values())


def show(settings: Settings, parts: list[Part], dead_letters: int | None) -> None:
    """Print it for people."""
    console = make_console()
    title = f"millrace · {settings.kafka.address} · {settings.home}"
    print_lines(console, status_lines(parts, title, min(console.width, 120)))
    if dead_letters:
        console.print(f"\n{plural(dead_letters, 'dead letter')} kept: millrace dead-letters list", style="yellow")
