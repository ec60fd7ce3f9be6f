"""Where the agents' stores are, by the settings."""

from infra.places import StorePlace
from infra.settings import Settings
from infra.stores import check_store, remove_schema
from streams.graph import AGENTS


def wanted_agents(settings: Settings) -> list[str]:
    """Name the agents that run when nobody names any: featurize only where there are features to keep."""
    return [agent for agent in AGENTS if agent != "featurize" or settings.features.module]


def store_place(settings: Settings, agent: str) -> StorePlace:
    """Say where one agent's state lives."""
    return StorePlace(agent, settings.home, settings.sql.url, settings.sql.schema_prefix)


def remove_stores(settings: Settings) -> list[str]:
    """Remove every agent's schema, where results live in a Postgres; returns those that were there.

    Raises:
        infra.store_errors.StoreError: If the database fails.
    """
    places = [store_place(settings, agent) for agent in AGENTS] if settings.sql.url is not None else []
    return [place.schema for place in places if remove_schema(place)]


def check_stores(settings: Settings) -> None:
    """See whether every agent could start on its store.

    Raises:
        infra.store_errors.StoreError: If one could not.
    """
    for agent in AGENTS:
        check_store(store_place(settings, agent))
