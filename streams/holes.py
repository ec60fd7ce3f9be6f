"""Decide what a jump in the offsets means: nothing, data lost by the broker, or our own mistake.

Errors:
    HoleError
    └── records were skipped that a reader can still read; the process must not go on
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from infra.fences import Partition
from infra.kafka_probe import Probe

log = structlog.get_logger("holes")


class HoleError(RuntimeError):
    """Records between the fence and the run at hand were skipped."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Offsets the broker deleted before we read them."""

    start: int
    end: int  # exclusive


class Holes:
    """Look at a partition with an independent reader.

    Args:
        probe: (topic, partition, from, until) -> what a read_committed reader sees there.
    """

    def __init__(self, probe: Callable[[str, int, int, int], Probe]) -> None:
        self._probe = probe

    def judge(self, partition: Partition, fence: int, offsets: Sequence[int]) -> Lost | None:
        """Judge a run that should start at ``fence``.

        Args:
            partition: Where.
            fence: The offset the state waits for.
            offsets: What the run holds, at or above the fence, in order.

        Returns:
            The range the broker has deleted, or None when nothing is missing.

        Raises:
            HoleError: If an independent reader sees other records than the run holds.
        """
        if offsets[0] == fence and offsets[-1] - fence + 1 == len(offsets):
            return None
        seen = self._probe(*partition, fence, offsets[-1] + 1)
        if list(seen.offsets) != list(offsets):
            missing = sorted(set(seen.offsets) - set(offsets))[:5]
            raise HoleError(f"{partition[0]}:{partition[1]} waits for {fence}, the run starts at {offsets[0]}, skipped {missing}")
        if seen.log_start > fence:
            log.error("the broker deleted records before they were read", partition=partition, start=fence, end=seen.log_start)
            return Lost(fence, min(seen.log_start, offsets[0]))
        return None  # transaction markers or compaction: nothing to read there
