"""What commands see of the running parts: the broker's logs, the agents' stores, the processes' heartbeats.

Errors:
    InfraError
    ├── NobodyWorks   an agent that must make progress has no process
    └── OtherLogs     what an agent has read is not what the broker has now
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping

from infra.engines import BUSY_TIMEOUT_S, Mode
from infra.errors import InfraError
from infra.fences import Partition, read_fences
from infra.heartbeats import alive, read_heartbeats, read_supervision
from infra.kafka.admin import Broker
from infra.kafka.probe import probe
from infra.kafka.reading import topic_ranges
from infra.settings import Settings
from infra.store_errors import StoreFailed, StoreMissing
from infra.stores import AgentStore
from infra.watermarks import (
    LogRange,
    Watermark,
    can_hurry,
    make_due,
    outbox_end,
    read_unpublished,
    read_watermarks,
)
from streams.cli.stack import workers
from streams.places import store_place, wanted_agents
from streams.topics import topic_name

PROBE_S = 2.0
RESTART_S = 20.0
"""A worker may be gone for so long while it is waited for: its supervisor starts another."""

LOCK_S = 2.0
"""How long nudging may wait for a worker's transaction; the next look nudges again."""


class NobodyWorks(InfraError):
    """An agent that must make progress has no process.

    Args:
        agent: Which.
        refusal: Why each of its processes refuses to run, with what to do about it.
    """

    def __init__(self, agent: str, refusal: str | None = None) -> None:
        if refusal is None:
            what, remedy = f"{agent} does not run", f"Start it: `millrace up`, or `millrace worker {agent}`."
        else:
            what, remedy = f"{agent} refuses to run", f"{refusal} Then `millrace down`, and `millrace up`."
        super().__init__(f"{what}, so nothing moves", remedy)


class OtherLogs(InfraError):
    """A topic was made anew, or the cluster is another: what was read is not what was asked for."""


class LocalSurroundings:
    """The real thing, for ``streams.cli.waits.standing.Wait``.

    Args:
        settings: Where broker and home are.
        broker: Asked for the ends of logs.
        now: Unix seconds.
    """

    def __init__(self, settings: Settings, broker: Broker, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._broker = broker
        self._now = now
        self._seen_at: dict[str, float] = {}

    def ranges(self, topics: Collection[str]) -> dict[Partition, LogRange]:
        """Tell what the broker keeps of every partition of some logical topics, to the last acknowledged record.

        What a transaction still open holds back counts: later records were acknowledged, and wait behind it.
        """
        names = [topic_name(self._settings.kafka.prefix, topic) for topic in sorted(topics)]
        return topic_ranges(self._broker, names, committed=False)

    def check_fences(self, agent: str, places: Collection[Partition]) -> None:
        """Compare the cluster, topic and end of the logs an agent has read with those of the broker.

        Raises:
            OtherLogs: If they are others, or shorter.
        """
        from streams.assignment import REMEDIES, FenceRefused, check_fence  # here: it brings what only workers need

        try:
            with self._store(agent).transaction() as connection:
                rows = read_fences(connection, places)
        except StoreMissing:
            return
        identities = self._broker.identify(sorted({topic for topic, _ in rows})) if rows else {}
        ends = self._broker.log_ranges(list(rows), committed=False)
        for place, row in rows.items():
            try:
                check_fence(row, identities[row.topic], ends[place][1])
            except FenceRefused as error:
                what, remedy = str(error).removesuffix(f"; {REMEDIES}"), f"{REMEDIES[0].upper()}{REMEDIES[1:]}."
                raise OtherLogs(f"{agent} cannot go on: {what}", remedy) from error

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        """Tell how far an agent's results reach; empty before it ever ran."""
        try:
            with self._store(agent).transaction() as connection:
                return read_watermarks(connection)
        except StoreMissing:
            return {}

    def outbox_end(self, agent: str) -> int:
        """Return the seq of the newest output that an agent has not published; 0 if there is none."""
        try:
            with self._store(agent).transaction() as connection:
                return outbox_end(connection)
        except StoreMissing:
            return 0

    def unpublished(self, agent: str, until: int) -> dict[Partition, LogRange]:
        """Tell which inputs an agent's unpublished outputs up to a seq are owed to."""
        with self._store(agent).transaction() as connection:
            return read_unpublished(connection, until)

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        """Make due what holds back events below the targets."""
        with self._store(agent).transaction() as connection:
            if not can_hurry(connection, targets, self._now()):  # do not take the worker's lock for nothing
                return
        with contextlib.suppress(StoreFailed):  # a worker holds its lock; that it can be read was just seen
            self._store(agent, "rw", LOCK_S).change(lambda connection: make_due(connection, targets, self._now()))

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        """Tell whether no readable record lies between two offsets."""
        if self._broker.log_ranges([place])[place][1] < until:  # a transaction is open: what it becomes is not known
            return False
        seen = probe(self._settings.kafka, place, offset, until, PROBE_S, limit=1)
        return not seen.offsets and seen.position >= until

    def _store(self, agent: str, mode: Mode = "ro", busy_timeout_s: float = BUSY_TIMEOUT_S) -> AgentStore:
        return AgentStore(store_place(self._settings, agent), mode, busy_timeout_s)

    def takes_part(self, agent: str) -> bool:
        """Tell whether an agent runs here, or ever did: others are nobody to wait for."""
        if agent not in wanted_agents(self._settings):  # nobody starts it: it may run all the same
            return any(
                beat.agent == agent and alive(beat, self._now()) for beat in read_heartbeats(self._settings.home)
            )
        return running(self._settings, agent, self._now()) or bool(self.watermarks(agent))

    def check_running(self, agent: str) -> None:
        """Raise when nobody works for this agent: at once, or after a while if somebody did; at once if none will.

        Raises:
            NobodyWorks: If so.
        """
        now = self._now()
        if (refusal := find_refusal(self._settings, agent, now)) is not None:
            raise NobodyWorks(agent, refusal)
        if running(self._settings, agent, now):
            self._seen_at[agent] = now
        elif now - self._seen_at.get(agent, 0.0) > RESTART_S:
            raise NobodyWorks(agent)


def running(settings: Settings, agent: str, now: float) -> bool:
    """Tell whether a process works for an agent, or is about to be started by a living supervisor."""
    if any(beat.agent == agent and alive(beat, now) for beat in read_heartbeats(settings.home)):
        return True
    supervision = read_supervision(settings.home)
    if supervision is None or not alive(supervision, now):
        started = workers(settings).running()  # by `up` just now, and it has not said so yet
        return started is not None and (supervision is None or supervision.pid != started.pid)
    return any(child.agent == agent for child in supervision.children)


def find_refusal(settings: Settings, agent: str, now: float) -> str | None:
    """Say why an agent's processes refuse to run; none while one of them may."""
    supervision = read_supervision(settings.home)
    if supervision is None or not alive(supervision, now):
        return None
    refusals = [child.refusal for child in supervision.children if child.agent == agent]
    return refusals[0] if refusals and all(refusals) else None
