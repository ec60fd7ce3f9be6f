"""Take runs of records, change state once, publish, and only then let offsets commit.

The order is the guarantee:

1. decide, outside any transaction, from cached state;
2. one transaction: the fence is where we think it is, state, dead letters, outbox, fence moves on;
3. publish the outbox and await the receipts;
4. mark the run safe; the commit timer commits it.

A crash between any two repeats work and never effects. Anything unexpected ends the process with
exit code 70: with Faust's own acks an escaped exception commits past unread events.
"""

import asyncio
import contextlib
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from faust import StreamT

from infra import fences, outbox
from infra.database import ATTEMPTS, Store
from infra.errors import InfraError
from infra.fences import Moved, Partition
from infra.outbox import Cause, Output
from schemas.heartbeats import Counters
from streams.events import Crash, Decision, Event, Handler, Rejection, logical, read_events
from streams.holes import Holes, Lost
from streams.letters import dead_letter, lost_range
from streams.publisher import Publisher
from streams.runs import Run, RunConsumer

log = structlog.get_logger("delivery")


def give_up(reason: str) -> None:
    """End the process at once; the supervisor starts another."""
    log.error("giving up", reason=reason)
    os._exit(70)


def tell(error: BaseException) -> str:
    """Say in one line what ended a worker; a fault of ours with its trace."""
    if isinstance(error, InfraError):
        return str(error)
    traceback.print_exception(error)
    return repr(error)


@dataclass(slots=True)
class Progress:
    """What a heartbeat tells of the batch in hand."""

    counters: Counters
    batch_started_at: float | None = None  # unix seconds
    newest_event_at: float | None = None  # unix seconds, Kafka's timestamp
    last_error: str | None = None


class Applier:
    """Applies runs to one agent's state. Called in the store's thread.

    Args:
        agent: Its name, for dead letters.
        handler: What the agent knows.
        store: Where its state, fences and outbox live.
        holes: Judges jumps in the offsets.
        dead_letters: The physical dead-letters topic.
        progress: Counters.
        now: Unix seconds.
        crash: Crash points.
    """

    def __init__(
        self,
        agent: str,
        handler: Handler[Any],
        store: Store,
        holes: Holes,
        *,
        dead_letters: str,
        progress: Progress,
        now: Callable[[], float],
        crash: Crash,
    ) -> None:
        self._agent = agent
        self._handler = handler
        self._store = store
        self._holes = holes
        self._dead_letters = dead_letters
        self._progress = progress
        self._now = now
        self._crash = crash
        self._fences: dict[Partition, int] = {}

    @property
    def fences(self) -> Mapping[Partition, int]:
        """The next offset of each partition that is ours."""
        return self._fences

    def assigned(self, fences: Mapping[Partition, int]) -> None:
        """Start from these fences: while a partition was elsewhere, others have moved its fence."""
        self._fences = dict(fences)

    def apply(self, run: Run) -> None:
        """Change state once for every record of a run that was not applied before.

        Raises:
            HoleError: If records were skipped.
            Moved: If other workers were first ``ATTEMPTS`` times in a row.
        """
        partition = (run.partition.topic, run.partition.partition)
        for attempt in range(ATTEMPTS):
            try:
                self._apply_once(partition, run.records)
                return
            except Moved:
                self._progress.counters.moved += 1
                self._handler.forget()
                self._fences.pop(partition, None)
                if attempt == ATTEMPTS - 1:
                    raise

    def _apply_once(self, partition: Partition, records: Sequence[Any]) -> None:
        fence = self._standing(partition)
        fresh = [raw for raw in records if raw.offset >= fence]
        self._progress.counters.replays += len(records) - len(fresh)
        if not fresh:
            return
        lost = self._holes.judge(partition, fence, [raw.offset for raw in fresh])
        events, rejections = read_events(fresh, self._handler.records[logical(partition[0])])
        following = fresh[-1].offset + 1
        decision = self._handler.decide(events, following)
        letters = self._letters([*rejections, *decision.rejections], partition, lost)
        self._crash("after_decide")
        self._write(partition, fence, following, decision, letters)
        self._crash("after_commit")
        self._count(fresh, events, letters)

    def _standing(self, partition: Partition) -> int:
        if partition not in self._fences:
            with self._store.read() as connection:
                self._fences[partition] = fences.next_offset(connection, partition)
        return self._fences[partition]

    def _letters(
        self, rejections: Sequence[Rejection], partition: Partition, lost: Lost | None
    ) -> list[tuple[Output, Cause]]:
        failed_at = datetime.fromtimestamp(self._now(), UTC)
        rest = (self._agent, self._dead_letters, failed_at)
        losses = [] if lost is None else [lost_range(partition, lost, *rest)]
        in_order = sorted(rejections, key=lambda rejection: rejection.raw.offset)
        return [*losses, *(dead_letter(rejection, *rest) for rejection in in_order)]

    def _write(
        self,
        partition: Partition,
        fence: int,
        following: int,
        decision: Decision,
        letters: Sequence[tuple[Output, Cause]],
    ) -> None:
        with self._store.write() as connection:
            if fences.next_offset(connection, partition, hold=True) != fence:
                raise Moved(f"{partition[0]}:{partition[1]} is not at {fence} any more")
            decision.write(connection)
            outbox.add(connection, [*letters, *decision.outputs])
            fences.advance(connection, partition, fence, following)
            self._crash("in_transaction")
        self._fences[partition] = following
        decision.committed()

    def _count(self, fresh: Sequence[Any], events: Sequence[Event[Any]], letters: Sequence[object]) -> None:
        counters = self._progress.counters
        counters.events += len(fresh)
        counters.dead_letters += len(letters)
        if events:
            self._progress.newest_event_at = events[-1].at.timestamp()


async def deliver(
    stream: StreamT[Run],
    consumer: Callable[[], RunConsumer],
    applier: Applier,
    store: Store,
    publisher: Publisher,
    *,
    progress: Progress,
    now: Callable[[], float],
    crash: Crash,
    give_up: Callable[[str], None] = give_up,
) -> None:
    """Run one agent for as long as its stream lasts.

    Args:
        stream: One value is one run.
        consumer: The app's consumer, once it has one.
        applier: Changes state.
        store: Whose thread decides and writes.
        publisher: Sends the outbox.
        progress: What heartbeats tell.
        now: Unix seconds.
        crash: Crash points.
        give_up: Ends the process.
    """
    async for run in stream:
        source = consumer()
        if not source.begin(run):
            continue
        try:
            with _timed(progress, now):
                await store.run(lambda run=run: applier.apply(run))  # type: ignore[misc]  # mypy cannot infer the default
                await publisher.flush()
                crash("before_done")
            source.done(run)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends with the run unacked
            progress.last_error = tell(error)
            give_up(progress.last_error)
            return


@contextlib.contextmanager
def _timed(progress: Progress, now: Callable[[], float]) -> Iterator[None]:
    progress.batch_started_at = started = now()
    try:
        yield
    finally:
        progress.batch_started_at = None
        progress.counters.batches += 1
        progress.counters.batch_seconds += now() - started
