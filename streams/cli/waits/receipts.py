"""Receipts: which events must be in the results, whether they still can be, and the wait of a read for them."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from infra.fences import Partition
from infra.kafka.admin import Broker
from infra.settings import Settings
from infra.watermarks import LogRange
from streams.cli.errors import CommandError, Exit
from streams.cli.waits.lateness import Late, shown_progress
from streams.cli.waits.standing import Agent, NotStanding, Surroundings, Wait, upstream
from streams.cli.waits.surroundings import LocalSurroundings, NobodyWorks
from streams.graph import AGENTS
from streams.topics import TOPICS, topic_name

Origins = dict[str, Mapping[Partition, LogRange]]
"""By logical topic, what of each partition must be in the results."""

_RECEIPT = re.compile(r"(?P<topic>[^:]+):(?P<partition>[0-9]{1,10}):(?P<offset>[0-9]{1,19})")


def produced(agents: Sequence[Agent], around: Surroundings) -> Origins:
    """Tell what stands now in the topics that no agent writes."""
    made = {topic for agent in agents for topic in agent.outputs}
    first = sorted({topic for agent in agents for topic in agent.inputs} - made)
    return {topic: around.ranges([topic]) for topic in first}


def read_receipts(told: Iterable[str], agents: Sequence[Agent], prefix: str) -> Origins:
    """Read ``--at-least``: the topic is a logical name or the broker's own; ``@FILE`` has one receipt a line.

    Args:
        told: As a person gave them.
        agents: Who is waited for.
        prefix: Of the broker's names.

    Returns:
        The oldest and the end of what is asked for of each partition.

    Raises:
        click.BadParameter: If one is no receipt, none of the agents reads its topic, or the file cannot be read.
    """
    known = {name: topic for topic in TOPICS for name in (topic, topic_name(prefix, topic))}
    readable = {topic for agent in agents for topic in agent.inputs}
    asked: dict[str, dict[Partition, LogRange]] = {}
    for where, receipt in _each(told):
        match = _RECEIPT.fullmatch(receipt)
        topic = known.get(match["topic"]) if match else None
        if match is None or topic is None:
            what = f"{where}{receipt!r} is no receipt TOPIC:PARTITION:OFFSET of {', '.join(sorted(readable))}"
            raise _bad(what)
        if topic not in readable:
            raise _bad(f"{where}nobody reads {topic} to make what is asked for; only {', '.join(sorted(readable))}")
        place, offset = (topic_name(prefix, topic), int(match["partition"])), int(match["offset"])
        first, end = asked.setdefault(topic, {}).get(place, (offset, 0))
        asked[topic][place] = (min(first, offset), max(end, offset + 1))
    return dict(asked)


def check_receipts(asked: Origins, agents: Sequence[Agent], around: Surroundings) -> Origins:
    """Hold receipts against the logs: what cannot come is not waited for.

    Returns:
        What is asked for, from where each log begins.

    Raises:
        CommandError: If a partition or record does not exist, or expired before it was read.
    """
    return {
        topic: {
            place: _check(place, span, ranges, [agent for agent in agents if topic in agent.inputs], around)
            for place, span in places.items()
        }
        for topic, places in asked.items()
        for ranges in (around.ranges([topic]),)
    }


def await_receipts(
    settings: Settings, agent: str, told: Sequence[str], timeout_s: float, *, quiet: bool
) -> Late | None:
    """Wait until receipts are in what stands at one agent: every read with ``--at-least`` begins so.

    Args:
        settings: All settings.
        agent: Whose results are read.
        told: The receipts as a person gave them.
        timeout_s: Seconds at most.
        quiet: Whether to show nothing meanwhile.

    Returns:
        What is missing all the same, if anything is.

    Raises:
        click.BadParameter: See ``read_receipts``.
        CommandError: See ``check_receipts``.
    """
    agents = upstream(list(AGENTS.values()), [agent])
    deadline = time.monotonic() + timeout_s
    asked = read_receipts(told, agents, settings.kafka.prefix)
    with Broker(settings.kafka) as broker, shown_progress(quiet) as progress:
        around = LocalSurroundings(settings, broker)
        wait = Wait(agents, around, deadline, progress)
        try:
            wait.run(check_receipts(asked, agents, around))
        except NotStanding as late:
            return Late(late.gaps, f"after {timeout_s:g} s", "Wait longer with --timeout, or see `millrace status`.")
        except NobodyWorks as nobody:
            return Late(wait.missing, "and it does not run", nobody.remedy)
    return None


def _each(told: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give each receipt with where it stands."""
    for one in told:
        if not one.startswith("@"):
            yield "", one
            continue
        name = one[1:]
        try:
            with click.open_file(name, encoding="utf-8", errors="replace") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield f"{name}:{number}: ", line.strip()
        except OSError as error:
            raise _bad(f"cannot read {name}: {error.strerror}") from error


def _check(
    place: Partition,
    span: LogRange,
    ranges: Mapping[Partition, LogRange],
    readers: Sequence[Agent],
    around: Surroundings,
) -> LogRange:
    here = f"{place[0]}:{place[1]}"
    if place not in ranges:
        what = f"no such partition: {here}; {place[0]} has {len(ranges)}, from 0"
        raise CommandError(what, "Is the receipt from another broker?", Exit.NOT_FOUND)
    (first, end), (log_start, log_end) = span, ranges[place]
    if end > log_end:
        what = f"no such record yet: {here}:{end - 1}; {here} ends at {log_end}"
        raise CommandError(
            what, "Is the receipt from another broker, or of a topic that was made anew?", Exit.NOT_FOUND
        )
    for agent in readers if first < log_start else ():
        mark = around.watermarks(agent.name).get(place)
        if mark is None or mark.fence <= first:
            what = f"{here}:{first} expired before {agent.name} read it; {here} begins at {log_start}"
            raise CommandError(what, "Send the record again.", Exit.NOT_FOUND)
    return log_start, end


def _bad(what: str) -> click.BadParameter:
    return click.BadParameter(what, param_hint="--at-least")
