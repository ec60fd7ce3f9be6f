"""``millrace wait``: until everything produced so far is in the standing results."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.errors import BrokerUnreachable
from infra.fences import Partition
from infra.kafka_admin import Broker
from infra.kafka_reading import record_time
from infra.settings import Settings
from infra.watermarks import LogRange
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.render import age, plural
from streams.cli.standing import Agent, Gap, NotStanding, Surroundings, Wait, upstream
from streams.cli.surroundings import LocalSurroundings
from streams.graph import AGENTS
from streams.topics import topic_name

Origins = dict[str, Mapping[Partition, LogRange]]

_RECEIPT = re.compile(r"(?P<topic>[^:]+):(?P<partition>\d+):(?P<offset>\d+)")
_HOLDERS = {
    "fence": "not read yet",
    "work": "waiting for its text",
    "timers": "waiting for a quiet moment",
    "outbox": "not published yet",
}


@click.command("wait")
@click.option("--for", "wanted", default="", metavar="AGENT,...", help="Only these agents and what feeds them.")
@click.option(
    "--at-least", "receipts", multiple=True, metavar="TOPIC:PARTITION:OFFSET", help="Only this receipt; repeatable."
)
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(wanted: str, receipts: tuple[str, ...], timeout_s: float, as_json: bool) -> None:
    """Wait until everything produced so far is in the standing results.

    Timers become due at once. Exit 4 at the timeout, telling what is behind and by how much.

    \b
    Example:
      millrace produce reviews reviews.jsonl && millrace wait --timeout 120
      millrace wait --for digest --at-least millrace.reviews.v1:3:1041
    """
    settings = load_settings()
    agents = pick_agents(wanted)
    started = time.monotonic()
    with Broker(settings.kafka) as broker, shown_progress(as_json) as progress:
        around = LocalSurroundings(settings, broker)
        origins = read_receipts(receipts, settings.kafka.prefix) or produced(agents, around)
        try:
            Wait(agents, around, started + timeout_s, progress).run(origins)
        except NotStanding as late:
            raise report_late(settings, late.gaps, timeout_s, as_json) from late
    report_standing(origins, time.monotonic() - started, as_json)


def pick_agents(wanted: str) -> list[Agent]:
    """Read ``--for``.

    Raises:
        click.BadParameter: If there is no such agent.
    """
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = [name for name in names if name not in AGENTS]
    if unknown:
        raise click.BadParameter(f"no agent {unknown[0]!r}; there are {', '.join(AGENTS)}", param_hint="--for")
    everyone: list[Agent] = list(AGENTS.values())
    return upstream(everyone, names) if names else everyone


def produced(agents: Sequence[Agent], around: Surroundings) -> Origins:
    """Tell what stands now in the topics that no agent writes."""
    made = {topic for agent in agents for topic in agent.outputs}
    first = sorted({topic for agent in agents for topic in agent.inputs} - made)
    return {topic: around.ranges([topic]) for topic in first}


def read_receipts(receipts: Collection[str], prefix: str) -> Origins:
    """Read ``--at-least``: the topic is a logical name or the broker's own.

    Raises:
        click.BadParameter: If one is no receipt, or no agent reads its topic.
    """
    known = {name: topic for spec in AGENTS.values() for topic in spec.inputs for name in _names(prefix, topic)}
    ends: dict[str, dict[Partition, LogRange]] = {}
    for receipt in receipts:
        match = _RECEIPT.fullmatch(receipt)
        if match is None or match["topic"] not in known:
            what = f"{receipt!r} is no receipt TOPIC:PARTITION:OFFSET of {', '.join(sorted(set(known.values())))}"
            raise click.BadParameter(what, param_hint="--at-least")
        topic = known[match["topic"]]
        place = (topic_name(prefix, topic), int(match["partition"]))
        _, end = ends.setdefault(topic, {}).get(place, (0, 0))
        ends[topic][place] = (0, max(end, int(match["offset"]) + 1))
    return dict(ends)


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Callable[[Sequence[Gap]], None]]:
    """Show what is missing on one line that goes away, where somebody watches."""
    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda _gaps: None
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda gaps: live.update(Text(progress_line(gaps), style="dim"), refresh=True)


def progress_line(gaps: Sequence[Gap]) -> str:
    """Say what is missing, at the agent it is waited for now."""
    missing = sum(gap.missing for gap in gaps)
    return f"{gaps[0].agent}: {plural(missing, 'event')} to go ({_HOLDERS[gaps[0].mark.held_by]})"


def report_standing(origins: Origins, waited_s: float, as_json: bool) -> None:
    """Tell that it is done."""
    ends = {place: end for spans in origins.values() for place, (_, end) in spans.items()}
    if as_json:
        sources: dict[str, dict[str, int]] = {}
        for (topic, partition), end in sorted(ends.items()):
            sources.setdefault(topic, {})[str(partition)] = end
        told = {"standing": True, "waited_s": round(waited_s, 3), "sources": sources}
        click.echo(msgspec.json.encode(told))
    else:
        click.echo(f"Everything asked for is in the standing results (waited {waited_s:.1f} s).")


def report_late(settings: Settings, gaps: Sequence[Gap], timeout_s: float, as_json: bool) -> CommandError:
    """Say what is behind, and how old the first event is that is missing."""
    stale = [_staleness(settings, gap) for gap in gaps]
    if as_json:
        rows = [
            {
                "agent": gap.agent, "topic": gap.place[0], "partition": gap.place[1], "missing": gap.missing,
                "watermark": gap.mark.offset, "held_by": gap.mark.held_by, "stale_s": seconds,
            }
            for gap, seconds in zip(gaps, stale, strict=True)
        ]  # fmt: skip
        click.echo(msgspec.json.encode({"standing": False, "waited_s": timeout_s, "gaps": rows}))
    else:
        for gap, seconds in zip(gaps, stale, strict=True):
            old = "" if seconds is None else f", the oldest {age(seconds)} old"
            where = f"{gap.agent}  {gap.place[0]}:{gap.place[1]}"
            click.echo(f"{where}  lacks {plural(gap.missing, 'event')}{old}: {_HOLDERS[gap.mark.held_by]}")
    missing = sum(gap.missing for gap in gaps)
    return CommandError(
        f"{gaps[0].agent} lacks {plural(missing, 'event')} after {timeout_s:g} s",
        "Wait longer with --timeout, or see `millrace status`.",
        code=Exit.TIMED_OUT,
    )


def _staleness(settings: Settings, gap: Gap) -> float | None:
    try:
        produced_at = record_time(settings.kafka, gap.place, gap.mark.offset, gap.target)
    except BrokerUnreachable:  # asked for an offset beyond the log's end, or nothing to ask: the age is unknown
        return None
    return None if produced_at is None else time.time() - produced_at


def _names(prefix: str, topic: str) -> tuple[str, str]:
    return topic, topic_name(prefix, topic)
