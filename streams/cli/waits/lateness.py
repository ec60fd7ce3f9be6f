"""How far results are behind what was asked for: told while it is waited for, and when the time is over."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.errors import BrokerUnreachable
from infra.heartbeats import read_heartbeats, read_supervision
from infra.kafka.reading import first_times
from infra.settings import Settings
from infra.watermarks import Watermark
from streams.cli.agent_runs import run_of, why_nothing_comes
from streams.cli.errors import CommandError, Exit
from streams.cli.render import age, plural, printable
from streams.cli.waits.standing import Gap
from streams.graph import AGENTS

_HOLDERS = {
    "fence": "not read yet",
    "work": "waiting to be worked on",
    "timers": "waiting for its time",
    "outbox": "not published yet",
}


@dataclass(frozen=True, slots=True)
class Late:
    """What is missing at the first agent that lacks something, and why it was not waited for any longer."""

    gaps: Sequence[Gap]
    ended: str
    remedy: str


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Callable[[Sequence[Gap]], None]]:
    """Show what is missing on one line that goes away, where somebody watches."""
    with shown_line(quiet) as show:
        yield lambda gaps: show(progress_line(gaps))


@contextmanager
def shown_line(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show how far something is on one line that goes away, where somebody watches."""
    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda _line: None
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda line: live.update(Text(line, style="dim"), refresh=True)


def progress_line(gaps: Sequence[Gap]) -> str:
    """Say what is missing, at the agent it is waited for now."""
    missing = sum(gap.missing for gap in gaps)
    return f"{gaps[0].agent}: {plural(missing, 'event')} to go ({holder(gaps[0].agent, gaps[0].mark)})"


def holder(agent: str, mark: Watermark) -> str:
    """Say what the oldest unfinished event is doing, in the agent's own words where it has some.

    Example:
        >>> holder("digest", Watermark(9, 7, "timers", "reading")), holder("digest", Watermark(9, 9, "fence"))
        ('waiting for a quiet moment', 'not read yet')
    """
    words = AGENTS[agent].pending if agent in AGENTS else {}
    return words.get(mark.kind or "", _HOLDERS[mark.held_by])


def find_staleness(settings: Settings, gaps: Sequence[Gap], now: float) -> list[float | None]:
    """Tell how old the oldest missing event of each gap is, seconds; none where that is not known.

    Args:
        settings: Where the broker is.
        gaps: In any order.
        now: Unix seconds.
    """
    try:
        times = first_times(settings.kafka, {gap.place: (gap.mark.offset, gap.target) for gap in gaps})
    except BrokerUnreachable:
        times = {}
    return [max(now - times[gap.place], 0.0) if gap.place in times else None for gap in gaps]


def find_reason(settings: Settings, gaps: Sequence[Gap], now: float) -> str | None:
    """Say why what is missing does not come, if its agent's processes or their supervisor tell.

    Args:
        settings: Where they tell it.
        gaps: Of one agent.
        now: Unix seconds.

    Raises:
        infra.heartbeats.HeartbeatUnreadable: If a heartbeat file is damaged.
    """
    run = run_of(gaps[0].agent, read_heartbeats(settings.home), read_supervision(settings.home), now)
    why = why_nothing_comes(run, working=any(gap.mark.held_by == "work" for gap in gaps))
    return None if why is None else printable(why).rstrip(".")


def gap_rows(gaps: Sequence[Gap], stale: Sequence[float | None]) -> list[dict[str, object]]:
    """Lay gaps out for machines."""
    return [
        {
            "agent": gap.agent, "topic": gap.place[0], "partition": gap.place[1], "missing": gap.missing,
            "watermark": gap.mark.offset, "held_by": gap.mark.held_by, "stale_s": seconds,
        }
        for gap, seconds in zip(gaps, stale, strict=True)
    ]  # fmt: skip


def oldest(stale: Sequence[float | None]) -> float | None:
    """Pick the greatest age that is known."""
    return max((seconds for seconds in stale if seconds is not None), default=None)


def lacking(gaps: Sequence[Gap], stale: Sequence[float | None]) -> str:
    """Say which agent lacks how many events, and how old the oldest is."""
    seconds = oldest(stale)
    old = "" if seconds is None else f", the oldest {age(seconds)} old"
    return f"{gaps[0].agent} lacks {plural(sum(gap.missing for gap in gaps), 'event')}{old}"


def tell_late(settings: Settings, late: Late, *, as_json: bool) -> NoReturn:
    """Say on stderr how stale is what was shown all the same, and end with exit code 4.

    Raises:
        CommandError: For people.
        click.exceptions.Exit: With JSON, so that stderr is that and nothing else.
    """
    now = time.time()
    stale, reason = find_staleness(settings, late.gaps, now), find_reason(settings, late.gaps, now)
    if as_json:
        told = {"standing": False, "stale_s": oldest(stale), "why": reason, "gaps": gap_rows(late.gaps, stale)}
        click.echo(msgspec.json.encode(told), err=True)
        raise click.exceptions.Exit(Exit.TIMED_OUT)
    why = holder(late.gaps[0].agent, late.gaps[0].mark)
    ended = late.ended if reason is None else f"{late.ended}: {reason}"
    raise CommandError(f"{lacking(late.gaps, stale)} ({why}) {ended}", late.remedy, Exit.TIMED_OUT)
