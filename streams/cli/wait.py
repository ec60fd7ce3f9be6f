"""``millrace wait``: until everything produced so far is in the standing results."""

import time
from collections.abc import Sequence

import click
import msgspec

from infra.kafka.admin import Broker
from infra.settings import Settings
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.render import age, plural
from streams.cli.waits.lateness import find_reason, find_staleness, gap_rows, holder, lacking, shown_progress
from streams.cli.waits.receipts import Origins, check_receipts, produced, read_receipts
from streams.cli.waits.standing import METAVAR, Agent, Gap, NotStanding, Wait, upstream
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS


@click.command("wait")
@click.option(
    "--for",
    "wanted",
    default="",
    metavar="AGENT,...",
    help="Only these agents and what feeds them; everyone who ever ran here otherwise.",
)
@click.option(
    "--at-least",
    "receipts",
    multiple=True,
    metavar=METAVAR,
    help="Only this receipt, or those that `produce --receipts` wrote to a file; repeatable.",
)
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(wanted: str, receipts: tuple[str, ...], timeout_s: float, as_json: bool) -> None:
    """Wait until everything produced so far is in the standing results.

    Timers become due at once. Exit 4 at the timeout, telling what is behind, by how much, and why.

    \b
    Example:
      millrace produce reviews reviews.jsonl && millrace wait --timeout 120
      millrace wait --for digest --at-least millrace.reviews.v1:3:1041
      millrace produce reviews reviews.jsonl --receipts sent && millrace wait --at-least @sent
    """
    settings = load_settings()
    picked = pick_agents(wanted)
    started = time.monotonic()
    with Broker(settings.kafka) as broker, shown_progress(as_json) as progress:
        around = LocalSurroundings(settings, broker)
        agents = picked if wanted else taking_part(picked, around)
        asked = read_receipts(receipts, agents, settings.kafka.prefix) if receipts else None
        origins = produced(agents, around) if asked is None else check_receipts(asked, agents, around)
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


def taking_part(agents: Sequence[Agent], around: LocalSurroundings) -> list[Agent]:
    """Leave out agents that never ran here and are not about to; all of them when none did."""
    return [agent for agent in agents if around.takes_part(agent.name)] or list(agents)


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
    """Say what is behind, how old the first event is that is missing, and why it does not come."""
    now = time.time()
    stale, reason = find_staleness(settings, gaps, now), find_reason(settings, gaps, now)
    if as_json:
        told = {"standing": False, "waited_s": timeout_s, "why": reason, "gaps": gap_rows(gaps, stale)}
        click.echo(msgspec.json.encode(told))
    else:
        for gap, seconds in zip(gaps, stale, strict=True):
            old = "" if seconds is None else f", the oldest {age(seconds)} old"
            where = f"{gap.agent}  {gap.place[0]}:{gap.place[1]}"
            click.echo(f"{where}  lacks {plural(gap.missing, 'event')}{old}: {holder(gap.agent, gap.mark)}")
    return CommandError(
        f"{lacking(gaps, stale)} after {timeout_s:g} s" + ("" if reason is None else f": {reason}"),
        "Wait longer with --timeout, or see `millrace status`.",
        code=Exit.TIMED_OUT,
    )
