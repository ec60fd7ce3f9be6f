"""Dead letters as their topic keeps them: read, and chosen from."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import click

from infra.fences import Partition
from infra.kafka.admin import Broker
from infra.kafka.reading import read_ranges, topic_ranges
from infra.settings import Settings
from infra.watermarks import LogRange
from schemas.dead_letters import DeadLetter
from schemas.records import Unreadable, decode
from streams.cli.errors import CommandError, Exit
from streams.cli.render import printable
from streams.topics import topic_name

Ranges = Mapping[Partition, LogRange]


@dataclass(frozen=True, slots=True)
class Kept:
    """One dead letter as the topic keeps it, and decoded."""

    raw: bytes
    letter: DeadLetter
    place: tuple[int, int]  # partition and offset on the dead-letters topic


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters a person means; what is not said does not narrow.

    Args:
        ids: As ``named`` reads them; none means all.
        reason: Reason code.
        agent: Who could not read the event.
        topic: Full name of the event's topic.
        since: Letters that are not older.
    """

    ids: Collection[str] = ()
    reason: str | None = None
    agent: str | None = None
    topic: str | None = None
    since: datetime | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is like that; ids are looked at elsewhere."""
        return (
            self.reason in (None, letter.reason)
            and self.agent in (None, letter.agent)
            and self.topic in (None, letter.source.topic)
            and (self.since is None or letter.failed_at >= self.since)
        )


def letter_ranges(settings: Settings) -> Ranges:
    """Tell what the dead-letters topic keeps now.

    Raises:
        TopicMissing: If it was never made.
        BrokerUnreachable: If nothing answers.
    """
    with Broker(settings.kafka) as broker:
        return topic_ranges(broker, [topic_name(settings.kafka.prefix, "dead-letters")])


def read_letters(settings: Settings, newest: int | None = None) -> Iterator[Kept]:
    """Read the dead-letters topic from start to end as it is now.

    Args:
        settings: Where the broker is.
        newest: At least so many of the newest are enough; none reads all.

    Raises:
        TopicMissing: If the topic was never made.
        BrokerUnreachable: If nothing answers.
    """
    ranges = letter_ranges(settings)
    if newest is not None:
        ranges = {place: (max(start, end - newest), end) for place, (start, end) in ranges.items()}
    yield from read_kept(settings, ranges)


def read_kept(settings: Settings, ranges: Ranges) -> Iterator[Kept]:
    """Read the letters of some ranges, in order within a partition.

    Raises:
        BrokerUnreachable: If nothing answers.
    """
    for record in read_ranges(settings.kafka, ranges):
        raw = record.value or b""
        try:
            yield Kept(raw, decode(raw, DeadLetter), (record.partition, record.offset))
        except Unreadable as error:  # somebody else writes to our topic
            place = f"{record.topic}:{record.partition}:{record.offset}"
            click.echo(f"{place} is no dead letter of ours: {printable(error.error)}", err=True)


def newest(kept: Iterable[Kept], limit: int) -> list[Kept]:
    """Keep the newest by time of failure, in order; never holds much more than the limit."""
    best: list[Kept] = []
    for one in kept:
        best.append(one)
        if len(best) >= 4 * limit:
            best = _last(best, limit)
    return _last(best, limit)


def named(letter: DeadLetter) -> tuple[str, str]:
    """Name a letter the two ways people do: its id, and the place of its event."""
    source = letter.source
    return letter.dead_letter_id, f"{source.topic}:{source.partition}:{source.offset}"


def resolve(wanted: str, letters: Iterable[DeadLetter]) -> set[str]:
    """Find the ids a person means: those named so, or else the only one that begins so.

    Raises:
        CommandError: If there is none, or if several begin so.
    """
    exact, begun = set(), set()
    for letter in letters:
        names = named(letter)
        if wanted in names:
            exact.add(letter.dead_letter_id)
        elif any(name.startswith(wanted) for name in names):
            begun.add(letter.dead_letter_id)
    if exact or len(begun) == 1:
        return exact or begun
    if begun:
        told = f"{printable(wanted)!r} is the beginning of {len(begun):,} dead letters"
        raise CommandError(told, "Name more of it, or choose by --reason, --agent, --topic.", Exit.USAGE)
    told = f"no dead letter {printable(wanted)!r} is kept"
    raise CommandError(told, "See `millrace dead-letters list`.", Exit.NOT_FOUND)


def _last(kept: list[Kept], limit: int) -> list[Kept]:
    return sorted(kept, key=lambda one: one.letter.failed_at)[-limit:]
