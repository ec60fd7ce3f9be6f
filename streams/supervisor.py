"""Parent of the workers: starts them, restarts them, kills those that are alive but not well, serves their metrics."""

import asyncio
import importlib.metadata
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from infra.errors import InfraError
from infra.feature_health import read_feature_health
from infra.feature_metrics import FeatureMetrics
from infra.heartbeats import HeartbeatUnreadable, read_heartbeats, write_supervision
from infra.kafka.admin import Broker
from infra.kafka.probe import probe
from infra.metrics import MetricsServer, MetricsUnavailable, WorkerMetrics
from infra.settings import Settings
from infra.settings_prints import print_settings
from schemas.heartbeats import REFUSED, Child, Heartbeat, Supervision

LOOK_S = 0.5
BACKOFF_S = (1.0, 30.0)
"""First and longest wait before a restart."""

WELL_S = 60.0
"""A worker that lived so long starts with the first wait again."""

STALE_S = 15.0
"""Age of a heartbeat after which a worker is blocked or stopped."""

STARTING_S = 60.0
"""How long a new process may take to its first heartbeat."""

BATCH_S = 45.0
"""Age of a batch after which it will not end; waits for the broker and for locks do not count."""

STALL_S = 60.0
"""How long a readable record may wait while nothing moves."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""A worker multiplies small matrices: a thread pool made each product up to nine times slower on busy cores."""

STOP_S = 60.0
"""How long a worker may take to stop."""

log = structlog.get_logger("supervisor")


@dataclass(slots=True)
class Slot:
    """One worker's place."""

    agent: str
    number: int
    process: asyncio.subprocess.Process | None = None
    started_at: float = 0.0  # unix seconds
    restarts: int = 0
    failures: int = 0  # in a row
    last_exit: int | None = None
    restart_at: float = 0.0  # unix seconds
    moved: tuple[int, ...] = ()  # what progress looked like
    moved_at: float = 0.0  # unix seconds, when it last changed
    killed_for: str | None = field(default=None)
    refusal: str | None = None  # why the last one refused to run


def backoff_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row, seconds.

    Example:
        >>> [backoff_s(failures) for failures in (1, 2, 6, 5_000)]
        [1.0, 2.0, 30.0, 30.0]
    """
    first, longest = BACKOFF_S
    return min(longest, first * float(2 ** min(failures - 1, 16)))  # a night of failures must not overflow


def verdict(slot: Slot, beat: Heartbeat | None, now: float) -> str | None:
    """Say why a worker must be killed, or None while it is well. A stall is judged elsewhere: it needs the broker.

    Args:
        slot: The worker.
        beat: The heartbeat of this very process, if it has written one.
        now: Unix seconds.
    """
    if beat is None:
        age_s = now - slot.started_at
        return f"no heartbeat {age_s:.0f} s after its start" if age_s > STARTING_S else None
    if now - beat.at > STALE_S:
        return f"its last heartbeat is {now - beat.at:.0f} s old"
    if beat.batch_started_at is not None and now - beat.batch_started_at > BATCH_S:
        return f"its batch runs for {now - beat.batch_started_at:.0f} s"
    return None


class Supervisor:
    """Runs workers until told to stop.

    Args:
        agents: Whose workers.
        slots: Workers an agent.
        settings: All settings.
        environ: Given to every worker.
        now: Unix seconds.
    """

    def __init__(
        self,
        agents: Sequence[str],
        slots: int,
        settings: Settings,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._slots = [Slot(agent, number) for agent in agents for number in range(slots)]
        self._settings = settings
        self._environ = environ
        self._now = now
        self._stop = asyncio.Event()
        self._broker = Broker(settings.kafka)
        self._metrics: MetricsServer | None = None
        self._metrics_error: str | None = None
        self._print = print_settings(settings)

    async def run(self) -> None:
        """Supervise until SIGTERM or SIGINT, then stop every worker."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        for index, slot in enumerate(self._slots):
            slot.restart_at = self._now() + index * 0.3  # starts are staggered: each costs a second of CPU
        await asyncio.to_thread(self._serve_metrics)  # looking up a host's name may take its time
        try:
            while not self._stop.is_set():
                await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            await asyncio.gather(*(self._stop_slot(slot) for slot in self._slots))
            if self._metrics is not None:
                await asyncio.to_thread(self._metrics.close)
                self._metrics = None
            self._tell()

    def _serve_metrics(self) -> None:
        """Serve metrics if they are wanted; without them the workers matter all the same."""
        wanted = self._settings.metrics
        if wanted.port == 0:
            return
        workers = WorkerMetrics(lambda: (self._beats(), self._supervision(), self._now()), _version())
        features = FeatureMetrics(lambda: (read_feature_health(self._settings.home, _warn), self._now()))
        try:
            self._metrics = MetricsServer([workers, features], wanted.host, wanted.port)
            log.info("metrics served", url=self._metrics.url)
        except MetricsUnavailable as error:
            self._metrics_error = str(error)
            log.error("going on without metrics", why=self._metrics_error)

    async def _look(self) -> None:
        beats = {(beat.agent, beat.slot): beat for beat in self._beats()}
        for slot in self._slots:
            beat = beats.get((slot.agent, slot.number))
            if slot.process is None:
                if self._now() >= slot.restart_at:
                    await self._start(slot)
            elif slot.process.returncode is not None:
                self._bury(slot)
            else:
                await self._check(slot, beat if beat is not None and beat.pid == slot.process.pid else None)
        self._tell()

    def _beats(self) -> list[Heartbeat]:
        return read_heartbeats(self._settings.home, _warn)

    async def _start(self, slot: Slot) -> None:
        place = ("--parent", str(os.getpid()), "--slot", str(slot.number))  # a parent may die before its child can look
        command = (sys.executable, "-m", "streams", "worker", *place, slot.agent)
        slot.process = await asyncio.create_subprocess_exec(*command, env={**ONE_THREAD, **self._environ})
        slot.started_at = slot.moved_at = self._now()
        slot.killed_for = None
        log.info("worker started", agent=slot.agent, slot=slot.number, pid=slot.process.pid)

    def _bury(self, slot: Slot) -> None:
        if slot.process is None:
            return
        lived_s = self._now() - slot.started_at
        slot.refusal = self._refusal(slot, slot.process.pid) if slot.process.returncode == REFUSED else None
        slot.last_exit, slot.process = slot.process.returncode, None
        slot.restarts += 1
        slot.failures = 1 if lived_s > WELL_S else slot.failures + 1
        wait_s = backoff_s(slot.failures)
        slot.restart_at = self._now() + wait_s
        log.warning(
            "worker ended",
            agent=slot.agent,
            slot=slot.number,
            exit=slot.last_exit,
            why=slot.killed_for,
            again_in_s=wait_s,
        )

    def _refusal(self, slot: Slot, pid: int) -> str:
        """Read what a worker said last; the one whose place another process holds writes its log alone."""
        said = [one for one in self._beats() if (one.agent, one.slot, one.pid) == (slot.agent, slot.number, pid)]
        return next((one.last_error for one in said if one.last_error), "its log says why.")

    async def _check(self, slot: Slot, beat: Heartbeat | None) -> None:
        reason = verdict(slot, beat, self._now())
        if reason is None and beat is not None and beat.state == "running":
            slot.refusal = None
            reason = await self._stalled(slot, beat)
        if reason is not None and slot.process is not None:
            slot.killed_for = reason
            log.error("killing a worker", agent=slot.agent, slot=slot.number, pid=slot.process.pid, why=reason)
            slot.process.kill()

    async def _stalled(self, slot: Slot, beat: Heartbeat) -> str | None:
        moved = (beat.counters.events, beat.counters.replays, *(state.fence for state in beat.partitions))
        if moved != slot.moved:
            slot.moved, slot.moved_at = moved, self._now()
        if self._now() - slot.moved_at < STALL_S:
            return None
        slot.moved_at = self._now()  # look again only after as long a time
        waiting = await asyncio.to_thread(self._first_waiting, beat)
        return None if waiting is None else f"a record waits at {waiting} and nothing moved for {STALL_S:.0f} s"

    def _first_waiting(self, beat: Heartbeat) -> str | None:
        places = {(state.topic, state.partition): state.fence for state in beat.partitions}
        try:
            for (topic, partition), (start, end) in self._broker.log_ranges(list(places)).items():
                fence = max(start, places[topic, partition])
                if end > fence and probe(self._settings.kafka, (topic, partition), fence, end, 5.0, 1).offsets:
                    return f"{topic}:{partition}:{fence}"
        except InfraError as error:
            log.warning("cannot look for waiting records", error=str(error))
        return None

    async def _stop_slot(self, slot: Slot) -> None:
        if slot.process is None or slot.process.returncode is not None:
            return
        slot.process.terminate()
        try:
            await asyncio.wait_for(slot.process.wait(), STOP_S)
        except TimeoutError:
            log.error("worker does not stop; killing it", agent=slot.agent, slot=slot.number)
            slot.process.kill()
            await slot.process.wait()
        slot.last_exit, slot.process = slot.process.returncode, None

    def _tell(self) -> None:
        try:
            write_supervision(self._settings.home, self._supervision())
        except OSError as error:  # a full disk: the workers that wait for room need somebody to start them again
            log.error("cannot say how the workers are", why=str(error))

    def _supervision(self) -> Supervision:
        children = []
        for slot in self._slots:
            process = slot.process  # once: scrapes come from another thread
            pid = None if process is None else process.pid
            children.append(
                Child(
                    agent=slot.agent,
                    slot=slot.number,
                    pid=pid,
                    restarts=slot.restarts,
                    last_exit=slot.last_exit,
                    refusal=slot.refusal,
                )
            )
        return Supervision(
            pid=os.getpid(),
            at=self._now(),
            children=children,
            metrics=None if self._metrics is None else self._metrics.url,
            metrics_error=self._metrics_error,
            settings=self._print,
        )


def _warn(error: HeartbeatUnreadable) -> None:  # of an older version: the next worker writes it anew
    log.warning("a heartbeat file cannot be read", error=str(error))


def _version() -> str:
    try:
        return importlib.metadata.version("millrace")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
