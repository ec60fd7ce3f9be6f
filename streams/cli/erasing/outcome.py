"""What was there because of something, and what became of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from infra.kafka.producer import Receipt
from streams.cli.erasing.retained import Retained

STILL_THERE = "still there though all was done: look at `millrace status` and erase it again"

Counts = Counter[tuple[str, str]]
"""How many things, by agent and place."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing that is there because what is looked for was."""

    agent: str
    where: str  # the table, or "text" for the paragraph of a summary
    identity: tuple[object, ...]  # tells it from others there


@dataclass(frozen=True, slots=True)
class Remnant:
    """What stays on purpose: ids, so that it cannot come back."""

    agent: str
    where: str  # "tombstones", or "forgotten" for the list in the points
    revision: int | None = None  # of the tombstone


@dataclass(frozen=True, slots=True)
class Left:
    """What should have gone and is still there."""

    agent: str
    where: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Found]):
    """What became of it.

    Args:
        target: It, as it was found.
        receipt: Where its deletion stands; none when it was deleted before.
        removed: How many things went.
        kept: Ids that stay on purpose.
        left: What should have gone and is still there.
        retained: Topics that hold it for a while.
        worded: Whether its words could be looked for, not only its id.
        scrubbed: Agents whose stores hold no byte of it in free pages or logs.
        agents: All whose stores were looked at.
    """

    target: Found
    receipt: Receipt | None
    removed: Counts
    kept: Sequence[Remnant]
    left: Sequence[Left]
    retained: Sequence[Retained]
    worded: bool
    scrubbed: Sequence[str]
    agents: Sequence[str]

    @property
    def revision(self) -> int | None:
        """Of its tombstone; older records of it change nothing."""
        return next((one.revision for one in self.kept if one.where == "tombstones"), None)


def say_left(counts: Counts, newer: object | None) -> list[Left]:
    """Say why things are left.

    Args:
        counts: How many, by agent and place.
        newer: Revision of a version that has come meanwhile.
    """
    why = (
        f"it is {STILL_THERE}" if newer is None else f"a newer version of it has come, revision {newer}: erase it again"
    )
    return [Left(agent, where, count, why) for (agent, where), count in sorted(counts.items())]
