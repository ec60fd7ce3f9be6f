import os

import msgspec
import pytest
from click.testing import CliRunner

from infra.heartbeats import write_heartbeat
from processors.features import Count, Events, FeatureTable
from schemas.heartbeats import Counters, Heartbeat
from streams.cli.status import command
from streams.features.health import FeatureWatch, Freshness
from tests.streams.feature_shelf import MINUTE, NOW, Shelf

TABLE = FeatureTable("sales", "customer", Events("sale"), {"n": Count()})


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.cli.status.time.time", lambda: NOW)

    def invoke(*arguments):
        environ = {"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA": "127.0.0.1:1", "COLUMNS": "80"}
        return CliRunner().invoke(command, list(arguments), env=environ)

    return invoke


@pytest.fixture
def living(tmp_path):
    """A worker of featurize that runs."""
    beat = Heartbeat(
        agent="featurize", slot=0, pid=os.getpid(), at=NOW, started_at=NOW - 10, state="running",
        batch_started_at=None, partitions=[], counters=Counters(), outbox_depth=0, work_depth=0, timer_depth=0,
        newest_event_at=None, last_error=None,
    )  # fmt: skip
    write_heartbeat(tmp_path, beat)


def test_feature_tables_are_told_below_the_parts(run, tmp_path, living):
    shelf = Shelf(tmp_path, TABLE)
    shelf.put("a", 5 * MINUTE)
    FeatureWatch(shelf.store, tmp_path, 0, Freshness(lambda: NOW), lambda: NOW)._look_quietly()
    shelf.close()
    lines = run().stdout.splitlines()
    assert lines[-2].split() == ["table", "state", "features", "keys", "newest", "readable", "null"]
    assert lines[-1].split() == ["sales", "live", "1", "1", "5", "min", "-", "0", "%"]
    (told,) = msgspec.json.decode(run("--json").stdout)["features"]
    assert (told["name"], told["keys"], told["newest_event_at"]) == ("sales", 1, NOW - 5 * MINUTE)


def test_without_feature_tables_nothing_is_said_of_them(run, living):
    assert "table" not in run().stdout
    assert msgspec.json.decode(run("--json").stdout)["features"] == []
