"""``millrace fences``: up to where each agent has applied its inputs, and how to move that by hand."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click
import msgspec
import sqlalchemy as sa
from rich.text import Text

from infra import fences
from infra.errors import BrokerUnreachable
from infra.fences import Partition
from infra.kafka.admin import Broker, TopicIdentity
from infra.settings import Settings
from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from infra.watermarks import LogRange
from schemas import tables
from streams.cli.context import load_settings
from streams.cli.errors import CommandError
from streams.cli.render import FAILING, count, make_console, pad, print_lines
from streams.cli.waits.surroundings import running
from streams.graph import AGENTS
from streams.places import store_place
from streams.topics import topic_name


class FenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fence beside the log it belongs to; what the broker did not tell is null."""

    agent: str
    topic: str
    partition: int
    next_offset: int
    log_start: int | None
    log_end: int | None
    lag: int | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Logs:
    """What the broker has of some topics."""

    identities: Mapping[str, TopicIdentity]
    ranges: Mapping[Partition, LogRange]


@click.group("fences")
def command() -> None:
    """Show or reset up to which offset an agent has applied its inputs.

    \b
    Example:
      millrace fences list
      millrace fences reset --agent digest --to earliest
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_fences(as_json: bool) -> None:
    """List every fence with the end of its log.

    \b
    Example:
      millrace fences list --json
    """
    settings = load_settings()
    rows = [row for agent in AGENTS for row in read_rows(settings, agent)]
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
    elif not rows:
        click.echo("No fence yet: no agent has read anything here. Start them: millrace up")
    else:
        show(rows)


@command.command("reset")
@click.option("--agent", required=True, type=click.Choice(list(AGENTS)), help="Whose fences; it must not run.")
@click.option("--topic", help="Only this input topic.")
@click.option("--partition", type=click.IntRange(min=0), help="Only this partition.")
@click.option("--to", "where", default="earliest", show_default=True, metavar="earliest|latest|OFFSET|adopt")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset_fences(agent: str, topic: str | None, partition: int | None, where: str, yes: bool) -> None:
    """Move an agent's fences. It reads on from there when it starts.

    \b
    earliest  applies again whatever the broker still keeps; events that the
              state knows by their id change nothing
    latest    skips everything not yet applied: it will never be counted
    OFFSET    the same to one offset, with --partition
    adopt     keeps the offsets and takes the broker of today for the right one,
              after its logs were restored under another cluster or topic id

    \b
    Example:
      millrace fences reset --agent digest --to earliest --yes
    """
    settings = load_settings()
    if running(settings, agent, time.time()):
        raise CommandError(f"{agent} runs, and would not notice its fence move", "Stop it first: millrace down")
    topics = [topic_name(settings.kafka.prefix, name) for name in AGENTS[agent].inputs if topic in (None, name)]
    topics = topics or [name for name in _inputs(settings, agent) if name == topic]
    if not topics:
        raise click.BadParameter(f"{agent} reads {', '.join(AGENTS[agent].inputs)}", param_hint="--topic")
    store = AgentStore(store_place(settings, agent), "rw")
    logs = read_logs(settings, topics)
    targets = choose_offsets(where, partition, logs, _standing(store))
    if not yes:
        click.confirm(f"Move {len(targets)} fences of {agent} to {where}?", abort=True)
    write_fences(store, targets, logs.identities)
    click.echo(f"Moved {len(targets)} fences of {agent} to {where}.")


def choose_offsets(
    where: str, partition: int | None, logs: Logs, standing: Mapping[Partition, int]
) -> dict[Partition, int]:
    """Turn ``--to`` into one offset a partition.

    Raises:
        click.BadParameter: If it is no place, or none that the log has.
    """
    chosen = {place: span for place, span in logs.ranges.items() if partition in (None, place[1])}
    if not chosen:
        raise click.BadParameter(f"there is no partition {partition}", param_hint="--partition")
    if where == "adopt":
        found = {place: standing[place] for place in chosen if place in standing}
    elif where in ("earliest", "latest"):
        found = {place: start if where == "earliest" else end for place, (start, end) in chosen.items()}
    elif where.isdecimal() and partition is not None:
        found = dict.fromkeys(chosen, int(where))
    else:
        what = "an offset needs --partition" if where.isdecimal() else "earliest, latest, adopt or an offset"
        raise click.BadParameter(what, param_hint="--to")
    for place, offset in found.items():
        start, end = chosen[place]
        if not start <= offset <= end:
            what = f"{offset} lies outside {place[0]}:{place[1]}, which holds {start} to {end}"
            raise click.BadParameter(what, param_hint="--to")
    return found


def write_fences(store: AgentStore, targets: Mapping[Partition, int], identities: Mapping[str, TopicIdentity]) -> None:
    """Replace fences, all or none."""
    with store.transaction() as connection:
        for (topic, partition), offset in targets.items():
            same = sa.and_(tables.fences.c.topic == topic, tables.fences.c.partition == partition)
            connection.execute(tables.fences.delete().where(same))
            identity = identities[topic]
            fences.create(connection, (topic, partition), offset, identity.cluster_id, identity.topic_id)


def read_logs(settings: Settings, topics: list[str]) -> Logs:
    """Ask the broker what it has of some topics.

    Raises:
        TopicMissing: If one does not exist.
        BrokerUnreachable: If nothing answers.
    """
    with Broker(settings.kafka) as broker:
        identities = broker.identify(topics)
        places = [(topic, number) for topic in topics for number in range(identities[topic].partitions)]
        return Logs(identities, broker.log_ranges(places))


def read_rows(settings: Settings, agent: str) -> list[FenceRow]:
    """Read an agent's fences beside the logs; without a broker the fences alone."""
    try:
        with AgentStore(store_place(settings, agent)).transaction() as connection:
            standing = connection.execute(sa.select(tables.fences).order_by("topic", "partition")).all()
    except StoreMissing:
        return []
    if not standing:
        return []
    try:
        logs, trouble = read_logs(settings, _inputs(settings, agent)), None
    except BrokerUnreachable:
        logs, trouble = Logs({}, {}), "no broker answers"
    return [_row(agent, fence, logs, trouble) for fence in standing]


def show(rows: list[FenceRow]) -> None:
    """Print fences for people."""
    console = make_console()
    topics = max(len(row.topic) for row in rows)
    console.print(
        f"{'agent':<10} {pad('topic', topics)} {'part':>4} {'next':>12} {'end':>12} {'lag':>10}", style="bold"
    )
    print_lines(console, _lines(rows, topics))


def _lines(rows: list[FenceRow], topics: int) -> Iterator[Text]:
    for row in rows:
        line = Text(f"{row.agent:<10} {pad(row.topic, topics)} {row.partition:>4} {count(row.next_offset):>12}")
        line.append(f" {count(row.log_end):>12} {count(row.lag):>10}")
        yield line.append(f"  {row.trouble}" if row.trouble else "", style=FAILING)


def _row(agent: str, fence: sa.Row[tuple[str, int, int, str, str]], logs: Logs, trouble: str | None) -> FenceRow:
    start, end = logs.ranges.get((fence.topic, fence.partition), (None, None))
    return FenceRow(
        agent=agent,
        topic=fence.topic,
        partition=fence.partition,
        next_offset=fence.next_offset,
        log_start=start,
        log_end=end,
        lag=None if end is None else max(end - fence.next_offset, 0),
        trouble=trouble or _trouble(fence, logs, start, end),
    )


def _trouble(
    fence: sa.Row[tuple[str, int, int, str, str]], logs: Logs, start: int | None, end: int | None
) -> str | None:
    identity = logs.identities.get(fence.topic)
    if identity is None or start is None or end is None:
        return "no such topic or partition any more"
    if identity.cluster_id != fence.cluster_id:
        return "of another cluster"
    if identity.topic_id != fence.topic_id:
        return "of a topic that was made anew"
    if fence.next_offset > end:
        return "beyond the log's end"
    return "events below the log's start are lost" if fence.next_offset < start else None


def _standing(store: AgentStore) -> dict[Partition, int]:
    with store.transaction() as connection:
        rows = connection.execute(sa.select(tables.fences))
        return {(row.topic, row.partition): row.next_offset for row in rows}


def _inputs(settings: Settings, agent: str) -> list[str]:
    return [topic_name(settings.kafka.prefix, name) for name in AGENTS[agent].inputs]
