"""Erase one review: have it deleted, wait until nothing stands on it, look whether anything is left, and where."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from infra.kafka.producer import Receipt
from infra.store_errors import StoreMissing
from processors.language.wording import Wording
from schemas.reviews import Review
from streams.cli.erasing.outcome import STILL_THERE, Left, Outcome, say_left
from streams.cli.erasing.retained import find_outputs
from streams.cli.erasing.review_traces import Census, find_words, said_by_others, take_census
from streams.cli.erasing.sought import Sought
from streams.cli.erasing.steps import Steps, next_revision, pieces_of
from streams.cli.erasing.targets import Target, find_target
from streams.cli.waits.standing import Agent
from streams.graph import AGENTS

AGENT = "digest"
"""Keeps the reviews."""

OUTPUTS = ("points", "summaries", "features", "answers", "dead-letters")
"""Topics that may quote a review."""


@dataclass(frozen=True, slots=True)
class ReviewErasing:
    """What is done for a review alone: find, look and delete, then, once it is gone, finish.

    Args:
        steps: What is done for anything.
    """

    steps: Steps

    def find(self, named: str, product_id: str | None, *, unseen: bool) -> Target:
        """Find the review once every event produced so far is applied; see ``find_target``.

        Raises:
            NobodyWorks: If an agent does not run: nothing would be erased.
            NotStanding: If the time is over before.
            CommandError: If there is no such review, or there are several.
        """
        self.steps.await_applied()
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
            return find_target(connection, named, product_id, unseen=unseen)

    def look(self, target: Target) -> Census:
        """Count what the stores hold of it."""
        return self._census(Sought(target.product_id, target.review_id, wording=Wording(_texts(target))))

    def delete(self, target: Target) -> Receipt | None:
        """Have it deleted, unless it was deleted before; see ``Steps.send``."""
        if target.was == "deleted":
            return None
        revision = next_revision(target.revision)
        deletion = Review(review_id=target.review_id, product_id=target.product_id, op="delete", revision=revision)
        return self.steps.send(deletion)

    def finish(self, target: Target, before: Census, receipt: Receipt | None) -> Outcome[Target]:
        """Purge what the agents could not know, look again, and say which topics hold it until when.

        Raises:
            BrokerUnreachable: If the topics cannot be read.
            StoreError: If a store cannot be used.
        """
        versions, sought = self.steps.find_versions(Sought(target.product_id, target.review_id), _texts(target))
        purged = self.steps.purge(sought)
        with self.steps.open_store(AGENT, "ro").transaction() as connection:
            own = sought.worded(sought.wording.without(said_by_others(connection, sought)))
        after, logs = self._census(own), self.steps.logs
        found = {Sought.topic: versions} | {logical: find_outputs(logs, logical, own) for logical in OUTPUTS}
        return Outcome(
            target=target,
            receipt=receipt,
            removed=Counter((trace.agent, trace.where) for trace in before.traces.union(purged) - after.traces),
            kept=after.kept,
            left=list(self._left(target, before, after, own)),
            retained=self.steps.judge(found),
            worded=bool(sought.wording),
            scrubbed=self.steps.scrubbed(),
            agents=[agent.name for agent in self.steps.agents],
        )

    def _census(self, sought: Sought) -> Census:
        census = Census()
        for agent in self.steps.agents:
            with suppress(StoreMissing), self.steps.open_store(agent.name, "ro").transaction() as connection:
                take_census(connection, agent.name, sought, census)
        return census

    def _left(self, target: Target, before: Census, after: Census, own: Sought) -> Iterator[Left]:
        newer = next((trace.identity[0] for trace in after.traces if trace.where == "reviews"), None)
        stays = {trace for trace in after.traces if trace.where != "ledger"}
        if target.was == "kept":  # what was answered later was asked without it
            stays |= {trace for trace in after.traces & before.traces if trace.where == "ledger"}
        yield from say_left(Counter((one.agent, one.where) for one in stays), newer)
        for agent in self.steps.agents if newer is None else ():
            with suppress(StoreMissing), self.steps.open_store(agent.name, "ro").transaction() as connection:
                for where, count in sorted(find_words(connection, agent.name, own).items()):
                    yield Left(agent.name, where, count, f"its words are {STILL_THERE}")


def review_agents(takes_part: Callable[[str], bool]) -> list[Agent]:
    """Pick everyone whose results may rest on a review: all that take part here, or all when none does."""
    return [agent for agent in AGENTS.values() if takes_part(agent.name)] or list(AGENTS.values())


def _texts(target: Target) -> list[str]:
    if target.record is None:
        return []
    review = msgspec.json.decode(target.record, type=Review)
    return [text for text in (review.title, review.text, *pieces_of(review.text or "")) if text]
