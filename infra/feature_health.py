"""Files in which workers of featurize say how their tables are, under ``MILLRACE_HOME/run/features``."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from infra.heartbeats import HeartbeatUnreadable, read_record, replace_record
from schemas.feature_health import FeatureHealth, TableHealth


def write_feature_health(home: Path, health: FeatureHealth) -> None:
    """Replace one worker's file as a whole.

    Raises:
        OSError: If the folder cannot be written.
    """
    replace_record(_folder(home) / f"{health.slot}.json", health)


def read_feature_health(
    home: Path, damaged: Callable[[HeartbeatUnreadable], None] | None = None
) -> list[FeatureHealth]:
    """Read every worker's file, the newest first; empty when none ever wrote one.

    Args:
        home: ``MILLRACE_HOME``.
        damaged: Told of each damaged file, which is then left out.

    Raises:
        infra.heartbeats.HeartbeatUnreadable: If a file is damaged, and nobody is to be told.
    """
    told = []
    for path in _folder(home).glob("*.json"):
        try:
            told.append(read_record(path, FeatureHealth))
        except HeartbeatUnreadable as error:
            if damaged is None:
                raise
            damaged(error)
    return sorted((one for one in told if one is not None), key=lambda one: (-one.at, one.slot))


def newest_tables(healths: Iterable[FeatureHealth]) -> dict[str, TableHealth]:
    """Keep one word a table: workers share its rows, but each times only the events it writes itself.

    Args:
        healths: The newest first, as ``read_feature_health`` returns them.

    Returns:
        By names. Of quantiles the worst that a worker tells, of the newest event the newest.
    """
    found: dict[str, list[TableHealth]] = {}
    for health in healths:
        for one in health.tables:
            found.setdefault(one.table, []).append(one)
    return {name: _together(told) for name, told in found.items()}


def _together(told: list[TableHealth]) -> TableHealth:
    same = [one for one in told if one.version == told[0].version]
    return msgspec.structs.replace(
        told[0],
        newest_event_at=max((one.newest_event_at for one in same if one.newest_event_at is not None), default=None),
        readable_events=sum(one.readable_events for one in same),
        readable_p50_s=max((one.readable_p50_s for one in same if one.readable_p50_s is not None), default=None),
        readable_p99_s=max((one.readable_p99_s for one in same if one.readable_p99_s is not None), default=None),
    )


def _folder(home: Path) -> Path:
    return home / "run" / "features"
