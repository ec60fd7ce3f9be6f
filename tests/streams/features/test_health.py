import asyncio

import pytest

from infra.feature_health import read_feature_health
from infra.rows.feature_log_rows import LogChange, LogRow
from infra.rows.feature_member_rows import MemberRow
from processors.features import Count, Events, FeatureTable, Last
from schemas.feature_tables import feature_rows
from streams.features.health import FeatureWatch, Freshness
from streams.featurize_decision import FeaturizeDecision
from tests.streams.feature_shelf import HOUR, MINUTE, NOW, Shelf

TABLE = FeatureTable("sales", "customer", Events("sale"), {"n": Count(), "x": Last("x")}, windows=("1h", "all"))
V = TABLE.version


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path, TABLE)
    yield shelf
    shelf.close()


def watch(shelf, tmp_path, freshness=None, now=lambda: NOW):
    return FeatureWatch(shelf.store, tmp_path, 3, freshness or Freshness(now), now)


def written(*sent_ago_s, happened_ago_s=5.0):
    """A decision that added events to rows."""
    decision = FeaturizeDecision(None)
    rows = [
        LogRow("events", f"e{n}", 0, "upsert", 0, 0, int((NOW - ago) * 1e6), b"") for n, ago in enumerate(sent_ago_s)
    ]
    decision.log = [LogChange(row, None) for row in rows]
    decision.put = [MemberRow(V, "events", row.record_id, "c", int((NOW - happened_ago_s) * 1e6)) for row in rows]
    return decision


def test_keys_ages_nulls_and_defaults_are_told(shelf, tmp_path):
    shelf.put("a", 30, x=1)
    shelf.put("b", 2 * HOUR, entity={"customer": "c2"})
    (told,) = watch(shelf, tmp_path).look().tables
    assert (told.table, told.version, told.keys, told.sampled, told.newest_event_at) == ("sales", V, 2, 2, NOW - 30)
    assert (told.ages["60"], told.ages["21600"]) == (0.5, 1.0)
    assert told.nulls == {"n_1h": 0.0, "n": 0.0, "x_1h": 0.5, "x": 0.5}
    assert told.defaults == {"n_1h": 0.5, "n": 0.0, "x_1h": 0.5, "x": 0.5}
    assert (told.readable_events, told.readable_p50_s) == (0, None)


def test_how_long_events_took_is_told_of_those_just_written(shelf, tmp_path):
    freshness = Freshness(lambda: NOW)
    freshness.committed(written(0.1, 0.2, 3.0, happened_ago_s=MINUTE))
    (told,) = watch(shelf, tmp_path, freshness).look().tables
    assert (told.readable_events, told.readable_p50_s, told.readable_p99_s) == (3, 0.2, 3.0)
    assert told.newest_event_at == NOW - MINUTE


def test_of_many_keys_only_some_are_read_and_they_are_spread(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr("streams.features.health.SAMPLED", 5)
    for number in range(12):
        shelf.put(f"e{number}", MINUTE, entity={"customer": f"c{number}"})
    (told,) = watch(shelf, tmp_path).look().tables
    assert (told.keys, told.sampled) == (12, 4)


def test_a_version_that_is_only_built_is_not_told(shelf, tmp_path):
    newer = FeatureTable("other", "customer", Events("sale"), {"n": Count()})
    shelf.define(newer, "building", goal=5)
    assert [one.table for one in watch(shelf, tmp_path).look().tables] == ["sales"]


def test_the_service_writes_it_down_and_the_next_process_remembers_the_newest_event(shelf, tmp_path):
    shelf.put("a", 30, x=1)

    async def serve(service):
        task = asyncio.create_task(service.run())
        before = [one.at for one in read_feature_health(tmp_path)]
        async with asyncio.timeout(10):
            while [one.at for one in read_feature_health(tmp_path)] == before:
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(serve(watch(shelf, tmp_path)))
    (health,) = read_feature_health(tmp_path)
    assert (health.slot, health.at) == (3, NOW)
    shelf.store.change(lambda connection: connection.execute(feature_rows.delete()))
    asyncio.run(serve(watch(shelf, tmp_path, now=lambda: NOW + 60)))
    (health,) = read_feature_health(tmp_path)
    assert health.tables[0].newest_event_at == NOW - 30
