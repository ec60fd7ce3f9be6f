"""Decide what a jump in the offsets means: nothing, data lost by the broker, or our own mistake.

Errors:
    HoleError
    └── records were skipped that a reader can still read; the process must not go on
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from infra.fences import Partition
from infra.kafka.probe import Probe

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
            HoleError: If an independent reader sees other records than the run holds, or not all of them in time.
        """
        if offsets[0] == fence and offsets[-1] - fence + 1 == len(offsets):
            return None
        seen = self._probe(*partition, fence, offsets[-1] + 1)
        place = f"{partition[0]}:{partition[1]}"
        if seen.position <= offsets[-1]:
            raise HoleError(f"{place} waits for {fence}; an independent reader got no further than {seen.position}")
        readable = [offset for offset in offsets if offset >= seen.log_start]
        if list(seen.offsets) != readable:
            missing = sorted(set(seen.offsets) - set(offsets))[:5]
            raise HoleError(f"{place} waits for {fence}, the run starts at {offsets[0]}, skipped {missing}")
        lost = _deleted(fence, offsets, seen.log_start)
        if lost is not None:  # otherwise transaction markers or compaction: nothing to read there
            log.error("the broker deleted records before they were read", partition=partition, range=lost)
        return lost


def _deleted(fence: int, offsets: Sequence[int], log_start: int) -> Lost | None:
    before = [fence, *(offset + 1 for offset in offsets)]
    gaps = [(start, min(end, log_start)) for start, end in zip(before, offsets, strict=False) if start < end]
    gaps = [(start, end) for start, end in gaps if start < end]
    return Lost(gaps[0][0], gaps[-1][1]) if gaps else None
