"""Erase one review: have it deleted, wait until nothing stands on it, look whether anything is left, and where."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from infra.engines import Mode
from infra.kafka.producer import Receipt
from infra.store_errors import StoreError, StoreMissing
from infra.stores import AgentStore
from processors.language.wording import Wording
from schemas.records import Unreadable, decode
from schemas.reviews import Review
from streams.cli.erasing.document_traces import pieces_of
from streams.cli.erasing.retained import Logs, Retained, find_outputs, find_versions, judge_retention
from streams.cli.erasing.review_traces import Census, Remnant, Trace, find_words, purge, said_by_others, take_census
from streams.cli.erasing.sought import Sought
from streams.cli.erasing.targets import Target, find_target
from streams.cli.errors import CommandError, Exit
from streams.cli.waits.receipts import Origins
from streams.cli.waits.standing import Agent, Surroundings

AGENT = "digest"
"""Keeps the reviews."""

TOPIC = "reviews"
LAST_REVISION = 2**63 - 1
OUTPUTS = ("points", "summaries", "answers", "dead-letters")
"""Topics that may quote a review."""

STILL_THERE = "it is still there though all was done: look at `millrace status` and erase it again"
WORDS_THERE = "its words are still there though all was done: look at `millrace status` and erase it again"


@dataclass(frozen=True, slots=True)
class Left:
    """What should have gone and is still there."""

    agent: str
    where: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a review.

    Args:
        target: The review as it was found.
        receipt: Where its deletion stands; none when it was deleted before.
        removed: How many things went, by agent and table.
        kept: Ids that stay on purpose.
        left: What should have gone and is still there.
        retained: Topics that hold it for a while.
        worded: Whether its words could be looked for, not only its id.
        scrubbed: Agents whose stores hold no byte of it in free pages or logs.
        agents: All whose stores were looked at.
    """

    target: Target
    receipt: Receipt | None
    removed: Counter[tuple[str, str]]
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


@dataclass(frozen=True, slots=True)
class Erasing:
    """The steps, one after the other: find, look, delete, await_gone, finish.

    Args:
        agents: Everyone whose results may rest on it.
        around: What is waited for.
        wait: Waits for some agents until some origins stand, or, when told so, are only applied.
        open_store: Opens an agent's store.
        logs: The topics.
        produce: Sends a record and returns when the broker has it.
        scrub: Writes an agent's store anew; tells whether it did.
        now: Unix seconds.
    """

    agents: Sequence[Agent]
    around: Surroundings
    wait: Callable[[Sequence[Agent], Origins, bool], None]
    open_store: Callable[[str, Mode], AgentStore]
    logs: Logs
    produce: Callable[[Review], Receipt]
    scrub: Callable[[str], bool]
    now: Callable[[], float]

    def find(self, named: str, product_id: str | None, *, unseen: bool) -> Target:
        """Find the review once every event produced so far is applied; see ``find_target``.

        Raises:
            NobodyWorks: If an agent does not run: nothing would be erased.
            NotStanding: If the time is over before.
            CommandError: If there is no such review, or there are several.
        """
        for agent in self.agents:
            self.around.check_running(agent.name)
        self.wait([agent for agent in self.agents if TOPIC in agent.inputs], self._origins(), True)
        with self.open_store(AGENT, "ro").transaction() as connection:
            return find_target(connection, named, product_id, unseen=unseen)

    def look(self, target: Target) -> Census:
        """Count what the stores hold of it."""
        return self._census(Sought(target.product_id, target.review_id, wording=Wording(_texts(target))))

    def delete(self, target: Target) -> Receipt | None:
        """Have it deleted, unless it was deleted before.

        Raises:
            CommandError: If its ids are none that anybody would take.
            BrokerUnreachable: If that is not confirmed; it may be recorded all the same.
        """
        if target.was == "deleted":
            return None
        revision = 0 if target.revision is None else min(target.revision + 1, LAST_REVISION)
        return self.produce(deletion(target.product_id, target.review_id, revision))

    def await_gone(self, receipt: Receipt | None) -> None:
        """Wait until nothing stands on it any more; timers and rebuilds become due.

        Raises:
            NotStanding: If the time is over before.
            NobodyWorks: If an agent does not run.
        """
        origins = self._origins()
        if receipt is not None:
            place = (receipt.topic, receipt.partition)
            origins = {TOPIC: {place: (origins[TOPIC][place][0], receipt.offset + 1)}}
        self.wait(self.agents, origins, False)

    def _origins(self) -> Origins:
        """Name all that was sent of reviews; whatever else the agents read is of no account."""
        return {TOPIC: self.around.ranges([TOPIC])}

    def finish(self, target: Target, before: Census, receipt: Receipt | None) -> Outcome:
        """Purge what the agents could not know, look again, and say which topics hold it until when.

        Raises:
            BrokerUnreachable: If the topics cannot be read.
            StoreError: If a store cannot be used.
        """
        bare = Sought(target.product_id, target.review_id)
        versions, texts = find_versions(self.logs, bare)
        sought = bare.worded(Wording([*_texts(target), *(piece for text in texts for piece in pieces_of(text))]))
        purged = self._purge(sought)
        with self.open_store(AGENT, "ro").transaction() as connection:
            own = sought.worded(sought.wording.without(said_by_others(connection, sought)))
        after = self._census(own)
        found = {TOPIC: versions} | {logical: find_outputs(self.logs, logical, own) for logical in OUTPUTS}
        return Outcome(
            target=target,
            receipt=receipt,
            removed=Counter((trace.agent, trace.where) for trace in (before.traces | purged) - after.traces),
            kept=after.kept,
            left=list(self._left(target, before, after, own)),
            retained=judge_retention(self.logs, found, self.now()),
            worded=bool(sought.wording),
            scrubbed=[agent.name for agent in self.agents if self._scrub(agent.name)],
            agents=[agent.name for agent in self.agents],
        )

    def _census(self, sought: Sought) -> Census:
        census = Census()
        for agent in self.agents:
            with suppress(StoreMissing), self.open_store(agent.name, "ro").transaction() as connection:
                take_census(connection, agent.name, sought, census)
        return census

    def _purge(self, sought: Sought) -> set[Trace]:
        purged: set[Trace] = set()
        for agent in self.agents:
            with suppress(StoreMissing):
                reading, writing = (self.open_store(agent.name, mode) for mode in ("ro", "rw"))
                purged |= set(purge(reading, writing, agent.name, sought, self.logs.name("dead-letters")))
        return purged

    def _scrub(self, agent: str) -> bool:
        try:
            return self.scrub(agent)
        except StoreError:  # all is erased; only what no query shows stays for a while, and the receipt says so
            return False

    def _left(self, target: Target, before: Census, after: Census, own: Sought) -> Iterator[Left]:
        newer = next((trace.identity[0] for trace in after.traces if trace.where == "reviews"), None)
        why = STILL_THERE if newer is None else f"a newer version of it has come, revision {newer}: erase it again"
        stays = {trace for trace in after.traces if trace.where != "ledger"}
        if target.was == "kept":  # what was answered later was asked without it
            stays |= {trace for trace in after.traces & before.traces if trace.where == "ledger"}
        for (name, where), count in sorted(Counter((one.agent, one.where) for one in stays).items()):
            yield Left(name, where, count, why)
        for agent in self.agents if newer is None else ():
            with suppress(StoreMissing), self.open_store(agent.name, "ro").transaction() as connection:
                for where, count in sorted(find_words(connection, agent.name, own).items()):
                    yield Left(agent.name, where, count, WORDS_THERE)


def deletion(product_id: str, review_id: str, revision: int) -> Review:
    """Make the record that deletes a review.

    Raises:
        CommandError: If the ids are none.
    """
    review = Review(review_id=review_id, product_id=product_id, op="delete", revision=revision)
    try:
        return decode(msgspec.json.encode(review), Review)
    except Unreadable as problem:
        raise CommandError(problem.error, "No review can have this id.", Exit.USAGE) from problem


def _texts(target: Target) -> list[str]:
    if target.record is None:
        return []
    review = msgspec.json.decode(target.record, type=Review)
    return [text for text in (review.title, review.text, *pieces_of(review.text or "")) if text]
