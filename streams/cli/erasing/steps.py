"""What erasing takes, whatever is erased: agents waited for, deletions sent, and what topics and stores still hold."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from infra import ledger, outbox
from infra.engines import Mode
from infra.kafka.admin import Broker
from infra.kafka.producer import Receipt
from infra.outbox import Waiting
from infra.scrubbing import scrub
from infra.settings import Settings
from infra.store_errors import StoreError, StoreMissing
from infra.stores import AgentStore
from processors.documents.chunking import cut
from processors.language.wording import Wording
from schemas.records import Unreadable, decode
from streams.cli.erasing.outcome import Trace
from streams.cli.erasing.retained import BrokerLogs, Copies, Logs, Retained, find_versions, judge_retention
from streams.cli.erasing.sought import Wanted
from streams.cli.errors import CommandError, Exit
from streams.cli.sending.kinds import KINDS, Kind
from streams.cli.sending.one_record import produce_one
from streams.cli.waits.lateness import progress_line
from streams.cli.waits.receipts import Origins
from streams.cli.waits.standing import Agent, Surroundings, Wait
from streams.cli.waits.surroundings import LocalSurroundings
from streams.letters import without_payload
from streams.places import store_place

SCAN_S = 10.0
"""How long the topics may be read at least, however long the wait has taken."""

LAST_REVISION = 2**63 - 1
LONGEST = 900
"""Characters of a piece whose words are looked for."""


SomeWanted = TypeVar("SomeWanted", bound=Wanted)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps that do not ask what is erased.

    Args:
        kind: Of the record: its topic, and how it is called.
        agents: Everyone whose results may rest on it.
        around: What is waited for.
        wait: Waits for some agents until some origins stand, or, when told so, are only applied.
        open_store: Opens an agent's store.
        logs: The topics.
        produce: Sends a record and returns when the broker has it.
        scrub: Writes an agent's store anew; tells whether it did.
        now: Unix seconds.
    """

    kind: Kind
    agents: Sequence[Agent]
    around: Surroundings
    wait: Callable[[Sequence[Agent], Origins, bool], None]
    open_store: Callable[[str, Mode], AgentStore]
    logs: Logs
    produce: Callable[[Any], Receipt]
    scrub: Callable[[str], bool]
    now: Callable[[], float]

    def await_applied(self) -> None:
        """Wait until every event of the kind that was produced so far is applied.

        Raises:
            NobodyWorks: If an agent does not run: nothing would be erased.
            NotStanding: If the time is over before.
        """
        for agent in self.agents:
            self.around.check_running(agent.name)
        self.wait([agent for agent in self.agents if self.kind.topic in agent.inputs], self._origins(), True)

    def send(self, deletion: msgspec.Struct) -> Receipt:
        """Send a deletion.

        Raises:
            CommandError: If its ids are none that anybody would take.
            BrokerUnreachable: If that is not confirmed; it may be recorded all the same.
        """
        try:
            taken = decode(msgspec.json.encode(deletion), type(deletion))
        except Unreadable as problem:
            remedy = f"No {self.kind.singular} can have this id."
            raise CommandError(problem.error, remedy, Exit.USAGE) from problem
        return self.produce(taken)

    def await_gone(self, receipt: Receipt | None) -> None:
        """Wait until nothing stands on it any more; timers and rebuilds become due.

        Raises:
            NotStanding: If the time is over before.
            NobodyWorks: If an agent does not run.
        """
        origins = self._origins()
        if receipt is not None:
            place, topic = (receipt.topic, receipt.partition), self.kind.topic
            origins = {topic: {place: (origins[topic][place][0], receipt.offset + 1)}}
        self.wait(self.agents, origins, False)

    def _origins(self) -> Origins:
        """Name all that was sent of the kind; whatever else the agents read is of no account."""
        return {self.kind.topic: self.around.ranges([self.kind.topic])}

    def find_versions(self, bare: SomeWanted, texts: Sequence[str]) -> tuple[Copies, SomeWanted]:
        """Find its versions in the topics, and look for the words of all of them besides texts known to be its own."""
        copies, found = find_versions(self.logs, bare)
        return copies, bare.worded(Wording([*texts, *(piece for text in found for piece in pieces_of(text))]))

    def purge(self, sought: Wanted) -> list[Trace]:
        """Remove what the agents themselves cannot know to be of it.

        Those are answers of a release that did not note what they were written for, and payloads of dead
        letters that wait to be published.
        """
        purged: list[Trace] = []
        for agent in self.agents:
            with suppress(StoreMissing):
                purged += self._purge(agent.name, sought)
        return purged

    def _purge(self, agent: str, sought: Wanted) -> list[Trace]:
        letters = self.logs.name("dead-letters")
        with self.open_store(agent, "ro").transaction() as connection:  # the search takes no lock
            calls = [key for key, output in ledger.unowned(connection) if sought.said_in(output)]
            held = outbox.for_topic(connection, letters)
            waiting = [one for one in held if sought.lettered_in(one.output.value or b"")]
        if calls or waiting:
            self.open_store(agent, "rw").change(lambda connection: _remove(connection, calls, waiting))
        traces = [Trace(agent, "ledger", (key,)) for key in calls]
        return traces + [Trace(agent, "outbox", (one.seq,)) for one in waiting]

    def judge(self, found: Mapping[str, Copies]) -> list[Retained]:
        """Say until when topics hold what was found in them, by logical name."""
        return judge_retention(self.logs, found, self.now())

    def scrubbed(self) -> list[str]:
        """Write all stores anew that can be, and name them."""
        return [agent.name for agent in self.agents if self._scrubbed(agent.name)]

    def _scrubbed(self, agent: str) -> bool:
        try:
            return self.scrub(agent)
        except StoreError:  # all is erased; only what no query shows stays for a while, and the receipt says so
            return False


def prepare_steps(
    settings: Settings,
    broker: Broker,
    topic: str,
    pick: Callable[[Callable[[str], bool]], Sequence[Agent]],
    deadline: float,
    show: Callable[[str], None],
) -> Steps:
    """Bring together what erasing needs.

    Args:
        settings: All of them.
        broker: Asked for topics and their ends.
        topic: Logical name, of the kind that is erased.
        pick: Chooses who is waited for; may ask whether an agent takes part here.
        deadline: Of the wait, on the monotonic clock.
        show: Told in words how far it is.
    """
    around, kind = LocalSurroundings(settings, broker), KINDS[topic]

    def wait(agents: Sequence[Agent], origins: Origins, applied: bool) -> None:
        Wait(agents, around, deadline, lambda gaps: show(progress_line(gaps)), applied=applied).run(origins)

    return Steps(
        kind=kind,
        agents=pick(around.takes_part),
        around=around,
        wait=wait,
        open_store=lambda agent, mode: AgentStore(store_place(settings, agent), mode),
        logs=BrokerLogs(settings.kafka, broker, max(deadline, time.monotonic() + SCAN_S), show, time.monotonic),
        produce=lambda record: produce_one(settings.kafka, broker, kind, record),
        scrub=lambda agent: scrub(store_place(settings, agent)),
        now=time.time,
    )


def _remove(connection: Connection, calls: list[str], waiting: list[Waiting]) -> None:
    if calls:
        ledger.remove(connection, calls)
    for one in waiting:
        outbox.replace(connection, one.seq, without_payload(one.output))


def next_revision(revision: int | None) -> int:
    """Choose the revision of a deletion.

    Args:
        revision: What stands; none when it was never heard of.

    Example:
        >>> next_revision(None), next_revision(4), next_revision(LAST_REVISION) == LAST_REVISION
        (0, 5, True)
    """
    return 0 if revision is None else min(revision + 1, LAST_REVISION)


def pieces_of(text: str) -> Iterator[str]:
    """Yield a text in pieces whose words can be looked for."""
    yield from (piece.text for piece in cut(None, text, LONGEST))
