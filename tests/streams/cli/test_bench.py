import importlib.util
import json
import sys
import types

import pytest
from click.testing import CliRunner

from streams.cli.bench import BENCHMARKS, command


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the benchmark `index`, and keep what it was asked."""
    asked = {}

    def run(data, tell, limit=None):
        asked.update(data=data, limit=limit)
        tell("something")
        return "invented input", {"events_per_s": 1_234.5, "missing_chunks": None}

    monkeypatch.setitem(sys.modules, "tests.bench.index", types.SimpleNamespace(run=run))
    return asked


def test_a_report_names_machine_versions_input_and_figures_and_nothing_else_is_printed(measured) -> None:
    told = CliRunner().invoke(command, ["index", "--json"])
    report = json.loads(told.stdout)
    assert list(report) == ["name", "machine", "versions", "date", "input", "figures"]
    assert report["input"] == "invented input"
    assert report["figures"] == {"events_per_s": 1_234.5, "missing_chunks": None}
    assert told.stderr == "measuring: something\n"


def test_a_small_run_is_told_how_small(measured, tmp_path) -> None:
    CliRunner().invoke(command, ["index", "--limit", "40", "--data", str(tmp_path)])
    assert measured == {"data": tmp_path, "limit": 40}
    CliRunner().invoke(command, ["index"])
    assert measured == {"data": None, "limit": None}


def test_an_option_that_a_benchmark_does_not_have_is_refused(measured) -> None:
    told = CliRunner().invoke(command, ["index", "--peer", "python"])
    assert told.exit_code == 2
    assert "takes no --peer" in told.stderr
    assert measured == {}


def test_people_see_every_figure_and_a_dash_where_nothing_was_measured(measured) -> None:
    lines = CliRunner().invoke(command, ["index"]).stdout.splitlines()
    assert lines[-2].split() == ["events_per_s", "1,234.5"]
    assert lines[-1].split() == ["missing_chunks", "-"]


def test_every_benchmark_has_its_module() -> None:
    assert all(importlib.util.find_spec(f"tests.bench.{name}") for name in BENCHMARKS)
