"""Do slow work off the stream: lease, call, and write the result under the same lease.

A slow model never moves a consumer group: the stream only records work. Here it is leased, most
urgent first, done with bounded concurrency, and its result, its ledger entry and its outputs are
written in one transaction, only while the row still carries our token. Without the token only the
ledger is written: the call was paid. Work of a process that died is leased again when its lease
ends, or at once by the process that takes its place.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
from sqlalchemy import Connection

from infra import leases, outbox
from infra.database import ATTEMPTS, Store
from infra.fences import Moved, Partition
from infra.leases import Leased
from infra.outbox import Output
from streams.events import Crash
from streams.publisher import Publisher

LEASE_S = 60.0
BACKOFF_S = (1.0, 300.0)
"""First and longest wait after a failed call."""

log = structlog.get_logger("work")
Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that may be tried again.

    Args:
        error: Why, in one line.
        retry_after_s: How long to wait at least, seconds.
        again_by: Unix seconds: tried again by then, whatever the wait would be.
        asked: Whether anybody was asked at all; work that was only held back comes again when that may be over.
    """

    error: str
    retry_after_s: float | None
    again_by: float | None = None
    asked: bool = True


class Change(Protocol):
    """What a result writes."""

    def write(self, connection: Connection) -> None:
        """Write it.

        Raises:
            infra.fences.Moved: If the state is not the one that was decided from.
        """
        ...

    def committed(self) -> None:
        """Let memory follow: what was written is durable. Called once, in the store's thread."""
        ...


class Performer(Protocol[Job, Outcome]):
    """One kind of slow work. All but ``call`` run in the store's thread."""

    kind: str

    def prepare(self, leased: Sequence[Leased]) -> list[Job]:
        """Load what the work needs; same length and order."""
        ...

    async def call(self, jobs: Sequence[Job]) -> list[Outcome | Failed]:
        """Do the slow part; same length and order."""
        ...

    def paid(self, outcome: Outcome) -> Outcome:
        """Return what the ledger already has for the same call, or the outcome itself."""
        ...

    def settle(self, connection: Connection, outcome: Outcome) -> None:
        """Write the call down; raises ``Moved`` if another answer stands there."""
        ...

    def stands(self, connection: Connection, job: Job) -> bool:
        """Tell, in the write transaction, whether everything the call read still stands.

        When not, nothing is written, the ledger included.
        """
        ...

    def decide(self, job: Job, outcome: Outcome) -> tuple[Change, Output | None] | None:
        """Make the result from what stands now; None when the work must be done again from the start."""
        ...


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """How much is done at once.

    Args:
        batch: Rows leased together and handed to one call.
        concurrency: Calls in flight.
        poll_s: How often to look for due work, seconds.
    """

    batch: int = 16
    concurrency: int = 4
    poll_s: float = 0.1


class WorkService(Generic[Job, Outcome]):
    """Leases and does one kind of work.

    Args:
        performer: What is done.
        store: The agent's store.
        publisher: Sends the outbox.
        owner: This worker's name; its earlier leases are taken back at start.
        mine: The input partitions this process owns now.
        limits: How much at once.
        now: Unix seconds.
        crash: Crash points.
    """

    def __init__(
        self,
        performer: Performer[Job, Outcome],
        store: Store,
        publisher: Publisher,
        *,
        owner: str,
        mine: Callable[[], Collection[Partition]],
        limits: WorkLimits,
        now: Callable[[], float],
        crash: Crash,
    ) -> None:
        self._performer = performer
        self._store = store
        self._publisher = publisher
        self._owner = f"{owner}:"
        self._token = f"{owner}:{uuid.uuid4().hex}"
        self._mine = mine
        self._limits = limits
        self._now = now
        self._crash = crash
        self._jitter = random.Random(self._token)  # noqa: S311 - spreads retries, no secret

    async def run(self) -> None:
        """Work for ever; a cancelled call is dropped and made again later."""
        await self._store.run(self._release)
        renewal = asyncio.create_task(self._renew_for_ever())
        calls: set[asyncio.Task[None]] = set()
        try:
            while True:
                if renewal.done():
                    renewal.result()
                while len(calls) < self._limits.concurrency and (leased := await self._store.run(self._lease)):
                    calls.add(asyncio.create_task(self._work(leased)))
                done, calls = await self._wait(calls)
                for call in done:
                    call.result()
        finally:
            for task in (renewal, *calls):
                task.cancel()

    async def _wait(self, calls: set[asyncio.Task[None]]) -> tuple[set[asyncio.Task[None]], set[asyncio.Task[None]]]:
        if calls:
            return await asyncio.wait(calls, timeout=self._limits.poll_s, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(self._limits.poll_s)
        return set(), calls

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            await self._store.run(self._renew)

    def _release(self) -> None:
        self._store.change(lambda connection: leases.release(connection, self._performer.kind, self._owner))

    def _renew(self) -> None:
        kind, until = self._performer.kind, self._now() + LEASE_S
        self._store.change(lambda connection: leases.renew(connection, kind, self._token, until))

    def _lease(self) -> list[Leased]:
        mine, now, kind = sorted(self._mine()), self._now(), self._performer.kind
        if not mine:
            return []
        with self._store.read() as connection:  # most looks find nothing: do not take the write lock for them
            if not leases.due(connection, kind, self._token, now=now, partitions=mine):
                return []
        return self._store.change(
            lambda connection: leases.lease(
                connection, kind, self._token, now=now, until=now + LEASE_S, partitions=mine, limit=self._limits.batch
            )
        )

    async def _work(self, leased: Sequence[Leased]) -> None:
        jobs = await self._store.run(lambda: self._performer.prepare(leased))
        outcomes = await self._performer.call(jobs)
        self._crash("work_after_call")
        for one, job, outcome in zip(leased, jobs, outcomes, strict=True):
            await self._store.run(lambda one=one, job=job, outcome=outcome: self._conclude(one, job, outcome))  # type: ignore[misc]  # mypy cannot infer the defaults
        self._crash("work_after_commit")
        await self._publisher.flush()

    def _conclude(self, leased: Leased, job: Job, outcome: Outcome | Failed) -> None:
        if isinstance(outcome, Failed):
            self._postpone(leased, outcome)
            return
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(Moved) if attempt < ATTEMPTS - 1 else contextlib.nullcontext():
                self._conclude_once(leased, job, self._performer.paid(outcome))
                return

    def _conclude_once(self, leased: Leased, job: Job, outcome: Outcome) -> None:
        decided = self._performer.decide(job, outcome)
        with self._store.write() as connection:
            if decided is None or not self._performer.stands(connection, job):
                log.info("what was read is gone; done again", kind=leased.kind, key=leased.key)
                leases.give_back(connection, leased)
                return
            change, output = decided
            self._performer.settle(connection, outcome)
            if not leases.holds(connection, leased):
                log.warning("lease lost; the call is kept in the ledger only", kind=leased.kind, key=leased.key)
                return
            change.write(connection)
            # Once for every input partition that waits: each holds its own watermark.
            outbox.add(connection, [(output, cause) for cause in leased.causes if output is not None])
            leases.finish(connection, leased)
            self._crash("work_in_transaction")
        change.committed()

    def _postpone(self, leased: Leased, failed: Failed) -> None:
        not_before = self._now() + self._wait_s(leased, failed)
        if failed.again_by is not None:
            not_before = min(not_before, failed.again_by)
        self._store.change(
            lambda connection: leases.postpone(connection, leased, not_before, failed.error, tried=failed.asked)
        )

    def _wait_s(self, leased: Leased, failed: Failed) -> float:
        first, longest = BACKOFF_S
        told_s = failed.retry_after_s or 0.0
        if not failed.asked:
            return max(told_s, first) + self._jitter.uniform(0.0, first)
        doublings = float(min(leased.attempts - 1, 16))  # days of failures must not overflow
        return max(told_s, min(longest, first * 2**doublings) * self._jitter.uniform(0.5, 1.0))
