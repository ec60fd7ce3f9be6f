"""What commands see of the running parts: the broker's logs, the agents' stores, the processes' heartbeats."""

import time
from collections.abc import Callable, Collection, Mapping

from infra.errors import InfraError
from infra.fences import Partition
from infra.heartbeats import alive, read_heartbeats, read_supervision
from infra.kafka_admin import Broker
from infra.kafka_probe import probe
from infra.kafka_reading import topic_ranges
from infra.settings import Settings
from infra.stores import StoreFile, StoreMissing
from infra.watermarks import LogRange, Watermark, make_due, read_watermarks
from streams.topics import topic_name

PROBE_S = 2.0
RESTART_S = 20.0
"""A worker may be gone for so long while it is waited for: its supervisor starts another."""


class NobodyWorks(InfraError):
    """An agent that must make progress has no process."""

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"{agent} does not run, so nothing moves", f"Start it: `millrace up`, or `millrace worker {agent}`."
        )


class LocalSurroundings:
    """The real thing, for ``streams.cli.standing.Wait``.

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
        """Tell what the broker keeps of every partition of some logical topics."""
        return topic_ranges(self._broker, [topic_name(self._settings.kafka.prefix, topic) for topic in sorted(topics)])

    def watermarks(self, agent: str) -> dict[Partition, Watermark]:
        """Tell how far an agent's results reach; empty before it ever ran."""
        try:
            with StoreFile(self._settings.home, agent).transaction() as connection:
                return read_watermarks(connection)
        except StoreMissing:
            return {}

    def hurry(self, agent: str, targets: Mapping[Partition, int]) -> None:
        """Make due what holds back events below the targets."""
        with StoreFile(self._settings.home, agent, "rw").transaction() as connection:
            make_due(connection, targets, self._now())

    def empty(self, place: Partition, offset: int, until: int) -> bool:
        """Tell whether no readable record lies between two offsets."""
        seen = probe(self._settings.kafka, place, offset, until, PROBE_S, limit=1)
        return not seen.offsets and seen.position >= until

    def check_running(self, agent: str) -> None:
        """Raise when nobody works for this agent: at once, or after a while if somebody did.

        Raises:
            NobodyWorks: If so.
        """
        now = self._now()
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
        return False
    return any(child.agent == agent for child in supervision.children)
