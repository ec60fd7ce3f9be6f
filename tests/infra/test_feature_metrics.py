from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from infra.feature_health import newest_tables, read_feature_health, write_feature_health
from infra.feature_metrics import STALE_S, FeatureMetrics
from infra.heartbeats import HeartbeatUnreadable, read_heartbeats
from schemas.feature_health import FeatureHealth, TableHealth

NOW = 1_000_000.0


def table(name="spending", version="v1", **changed):
    values = {
        "table": name, "version": version, "keys": 10, "newest_event_at": NOW - 3, "readable_events": 5,
        "readable_p50_s": 0.1, "readable_p99_s": 0.4, "sampled": 10, "ages": {"60": 0.5, "3600": 1.0},
        "nulls": {"spent_1h": 0.25}, "defaults": {"spent_1h": 0.75},
    }  # fmt: skip
    return TableHealth(**(values | changed))


def health(*tables, slot=0, at=NOW):
    return FeatureHealth(slot=slot, pid=1, at=at, tables=list(tables))


def scrape(*healths):
    registry = CollectorRegistry()
    registry.register(FeatureMetrics(lambda: (healths, NOW)))
    families = parse_text(generate_latest(registry).decode())
    return {
        (
            sample.name.removeprefix("millrace_feature_"),
            sample.labels.pop("table"),
            *sample.labels.values(),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_table_tells_keys_ages_times_and_shares():
    assert scrape(health(table())) == {
        ("keys", "spending"): 10.0,
        ("newest_event_timestamp_seconds", "spending"): NOW - 3,
        ("readable_seconds", "spending", "0.5"): 0.1,
        ("readable_seconds", "spending", "0.99"): 0.4,
        ("age_share", "spending", "60"): 0.5,
        ("age_share", "spending", "3600"): 1.0,
        ("null_share", "spending", "spent_1h"): 0.25,
        ("default_share", "spending", "spent_1h"): 0.75,
    }


def test_what_is_not_known_is_left_out():
    told = scrape(health(table(readable_p50_s=None, readable_p99_s=None, newest_event_at=None)))
    assert ("readable_seconds", "spending", "0.5") not in told
    assert ("newest_event_timestamp_seconds", "spending") not in told


def test_what_nobody_has_said_anew_for_long_is_left_out():
    assert scrape(health(table(), at=NOW - STALE_S)) == {}


def test_of_several_workers_the_newest_counts_and_the_slowest():
    told = newest_tables(
        [
            health(table(keys=12, readable_p99_s=None, readable_p50_s=None), at=NOW),
            health(table(keys=11, readable_p99_s=0.9, newest_event_at=NOW - 1), slot=1, at=NOW - 1),
            health(table(version="v0", readable_p99_s=99.0, newest_event_at=NOW), slot=2, at=NOW - 2),
        ]
    )["spending"]
    assert (told.keys, told.readable_p50_s, told.readable_p99_s, told.newest_event_at) == (12, 0.1, 0.9, NOW - 1)
    assert told.readable_events == 10


def test_files_come_back_newest_first_and_are_no_heartbeats(tmp_path):
    write_feature_health(tmp_path, health(table(), at=NOW - 1))
    write_feature_health(tmp_path, health(table("carriers"), slot=1))
    assert [one.slot for one in read_feature_health(tmp_path)] == [1, 0]
    assert read_heartbeats(tmp_path) == []


def test_a_damaged_file_is_told_and_left_out(tmp_path):
    write_feature_health(tmp_path, health(table()))
    (tmp_path / "run" / "features" / "1.json").write_text("{")
    damaged: list[HeartbeatUnreadable] = []
    assert [one.slot for one in read_feature_health(tmp_path, damaged.append)] == [0]
    assert len(damaged) == 1
