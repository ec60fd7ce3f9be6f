"""Featurize runs where there are features to keep; it is waited for where it takes part."""

from infra.kafka.admin import Broker
from infra.settings import Settings
from schemas.tables import fences
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS
from streams.places import wanted_agents
from tests.streams.cli.samples import NOW, fill_store

NAMED = {"MILLRACE_FEATURES_MODULE": "shop.features"}


def test_featurize_is_started_only_where_a_module_is_named():
    assert wanted_agents(Settings()) == [name for name in AGENTS if name != "featurize"]
    assert wanted_agents(Settings.from_env(NAMED)) == list(AGENTS)


def test_featurize_that_ran_once_is_not_waited_for_when_nobody_starts_it_any_more(tmp_path):
    fence = {"topic": "millrace.events.v1", "partition": 0, "next_offset": 3, "cluster_id": "c", "topic_id": "t"}
    fill_store(tmp_path, "featurize", {fences: [fence]})
    for environ, waited in ((NAMED, True), ({}, False)):
        settings = Settings.from_env({**environ, "MILLRACE_HOME": str(tmp_path)})
        assert LocalSurroundings(settings, Broker(settings.kafka), lambda: NOW).takes_part("featurize") is waited
