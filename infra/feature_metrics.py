"""Metrics of feature tables, made from what their workers say of them whenever Prometheus asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.feature_health import newest_tables
from schemas.feature_health import FeatureHealth, TableHealth

STALE_S = 3_600.0
"""What nobody has said anew for so long is not told any more; large tables are looked at less often."""

GAUGES: tuple[tuple[str, str, Callable[[TableHealth], float | None]], ...] = (
    ("millrace_feature_keys", "Keys that have a row", lambda one: one.keys),
    (
        "millrace_feature_newest_event_timestamp_seconds", "When the newest event happened, unix time",
        lambda one: one.newest_event_at,
    ),
)  # fmt: skip
"""Of every feature table."""

SHARES: tuple[tuple[str, str, str, Callable[[TableHealth], Mapping[str, float]]], ...] = (
    ("millrace_feature_age_share", "le", "Share of keys whose newest event is at most so old", lambda one: one.ages),
    ("millrace_feature_null_share", "feature", "Share of keys where the feature is null", lambda one: one.nulls),
    (
        "millrace_feature_default_share", "feature", "Share of keys where it is what a key without events has",
        lambda one: one.defaults,
    ),
)  # fmt: skip
"""Of every feature table, by one more label; of some of its keys."""


def feature_families(healths: Iterable[FeatureHealth], now: float) -> Iterator[Metric]:
    """Turn what workers say of feature tables into metrics.

    Args:
        healths: The newest first.
        now: Unix seconds.
    """
    tables = newest_tables(one for one in healths if now - one.at < STALE_S)
    for name, told, read in GAUGES:
        family = GaugeMetricFamily(name, told, labels=("table",))
        for table, health in tables.items():
            if (value := read(health)) is not None:
                family.add_metric((table,), value)
        yield family
    yield _readable(tables)
    for name, label, told, shares in SHARES:
        family = GaugeMetricFamily(name, told, labels=("table", label))
        for table, health in tables.items():
            for key, share in shares(health).items():
                family.add_metric((table, key), share)
        yield family


def _readable(tables: Mapping[str, TableHealth]) -> Metric:
    family = GaugeMetricFamily(
        "millrace_feature_readable_seconds",
        "From an event's Kafka timestamp to its row, of the newest events",
        labels=("table", "quantile"),
    )
    for table, health in tables.items():
        for quantile, value in (("0.5", health.readable_p50_s), ("0.99", health.readable_p99_s)):
            if value is not None:
                family.add_metric((table, quantile), value)
    return family


class FeatureMetrics(Collector):
    """Asks for the health of feature tables whenever it is asked.

    Args:
        look: Returns it, the newest first, and unix seconds.
    """

    def __init__(self, look: Callable[[], tuple[Iterable[FeatureHealth], float]]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Make the metrics of this moment."""
        return feature_families(*self._look())
