"""``millrace status``: the health of every part on one screen."""

import time
from collections.abc import Collection

import click
import msgspec

from infra.errors import TopicMissing
from infra.kafka.admin import Broker
from infra.kafka.reading import topic_ranges
from infra.settings import Settings
from infra.store_errors import StoreError
from streams.cli.agent_runs import FAILING
from streams.cli.context import load_settings
from streams.cli.errors import Exit
from streams.cli.feature_commands.list_view import Listed, table_lines
from streams.cli.feature_commands.listing import standing_tables
from streams.cli.health import Part, collect
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
    work     keys whose slow work waits or runs; why it fails, where it does

    Of an agent whose work fails: waiting when most of what waits failed and is tried again, stuck when its endpoint
    is left alone as well, late when some should have been done by now.

    \b
    Example:
      millrace status
      millrace status --json | jq '.parts[] | {part, state, lag}'
    """
    settings = load_settings()
    with Broker(settings.kafka) as broker:
        parts = collect(settings, broker, time.time())
        healthy = not any(part.state in FAILING for part in parts)
        features = list_features(settings)
        if as_json:
            click.echo(msgspec.json.encode({"healthy": healthy, "parts": parts, "features": features}))
        elif nothing_runs(parts, _others(settings)):
            click.echo(f"Nothing runs here ({settings.home}). Start it: millrace up")
        else:
            show(settings, parts, features, count_dead_letters(settings, broker, parts))
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


def list_features(settings: Settings) -> list[Listed]:
    """List the feature tables that stand; where their store fails, the part of their agent says so."""
    try:
        return standing_tables(settings)
    except StoreError:
        return []


def show(settings: Settings, parts: list[Part], features: list[Listed], dead_letters: int | None) -> None:
    """Print it for people."""
    console = make_console()
    title, width = f"millrace · {settings.kafka.address} · {settings.home}", min(console.width, 120)
    print_lines(console, status_lines(parts, title, width))
    if features:
        console.print()
        print_lines(console, table_lines(features, time.time(), width))
    if dead_letters:
        console.print(f"\n{plural(dead_letters, 'dead letter')} kept: millrace dead-letters list", style="yellow")
