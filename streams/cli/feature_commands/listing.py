"""The feature tables that stand, with what their workers say of them."""

from collections.abc import Mapping

from infra.feature_health import newest_tables, read_feature_health
from infra.settings import Settings
from schemas.feature_health import TableHealth
from streams.cli.feature_commands.list_view import Building, Listed, State
from streams.features.reading import FeatureReader
from streams.features.standing import Copied, Kept, Table
from streams.places import store_place

AGENT = "featurize"


def standing_tables(settings: Settings) -> list[Listed]:
    """List the tables that stand; none before featurize ever ran.

    Raises:
        infra.store_errors.StoreError: If its store cannot be read.
        infra.heartbeats.HeartbeatUnreadable: If a worker's word about them is damaged.
    """
    reader = FeatureReader(store_place(settings, AGENT))
    try:
        standing = reader.tables()
    finally:
        reader.close()
    healths = newest_tables(read_feature_health(settings.home))
    return [listed(table, healths.get(name)) for name, table in standing.items()]


def listed(table: Table, health: TableHealth | None) -> Listed:
    """Put together what is told of one table.

    Args:
        table: As it stands.
        health: What its workers say; none before they did.
    """
    if isinstance(table, Copied):
        state: State = "live" if table.live else "building" if table.error is None else "failing"
        return Listed(
            name=table.name, state=state, version=table.version or None, synced=True, keys=table.keys,
            newest_event_at=table.copied_at if table.live else None, error=table.error,
        )  # fmt: skip
    if health is not None and health.version != table.version:
        health = None
    return Listed(
        name=table.name,
        state="live" if table.live else "building",
        version=table.version,
        features=len(table.shape.features),
        building=_building(table),
        keys=None if health is None else health.keys,
        newest_event_at=None if health is None else health.newest_event_at,
        readable_p50_s=None if health is None else health.readable_p50_s,
        readable_p99_s=None if health is None else health.readable_p99_s,
        null_share=None if health is None else _mean(health.nulls),
        default_share=None if health is None else _mean(health.defaults),
    )


def _building(table: Kept) -> Building | None:
    filling = table.filling
    if filling is None:
        return None
    return Building(version=filling.version, events=max(filling.cursor, 0), of=filling.goal, share=filling.share)


def _mean(shares: Mapping[str, float]) -> float | None:
    return sum(shares.values()) / len(shares) if shares else None
