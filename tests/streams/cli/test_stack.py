import os

import pytest

from infra.heartbeats import write_supervision
from infra.model_settings import WriterSettings
from infra.settings import MetricsSettings, Settings
from infra.settings_prints import print_settings
from schemas.heartbeats import Supervision
from streams.cli import stack

NOT_TOLD = "none: the workers were started with MILLRACE_METRICS_PORT=0"


class Workers:
    """A supervisor that runs, or has ended."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid

    def running(self) -> "Workers | None":
        return None if self.pid is None else self


@pytest.fixture
def up(tmp_path, monkeypatch):
    """Bring up workers that run already; returns what is told of the metrics."""

    def run(pid: int | None, port: int = 9464) -> str | None:
        told: dict[str, str] = {}
        monkeypatch.setattr(stack, "workers", lambda settings: Workers(pid))
        monkeypatch.setattr(stack, "_start_workers", lambda settings: "run already")
        monkeypatch.setattr(stack, "SUPERVISOR_S", 0.3)
        stack.bring_up(Settings(home=tmp_path, metrics=MetricsSettings(port=port)), ["workers"], told.__setitem__)
        return told.get("metrics")

    return run


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"metrics": "http://127.0.0.1:9464/metrics"}, "http://127.0.0.1:9464/metrics"),
        ({"metrics_error": "the port is taken"}, "the port is taken"),
        ({}, NOT_TOLD),
    ],
)
def test_up_tells_where_the_running_supervisor_serves_metrics_or_why_not(up, tmp_path, metrics, told):
    write_supervision(tmp_path, Supervision(pid=os.getpid(), at=0.0, children=[], **metrics))
    assert up(os.getpid()) == told


def test_what_an_earlier_supervisor_said_does_not_count(up, tmp_path):
    write_supervision(tmp_path, Supervision(pid=1, at=0.0, children=[], metrics="http://127.0.0.1:1/metrics"))
    assert up(os.getpid()) == "not known yet: see millrace status"
    assert up(None) == "none: the workers' supervisor ended at once"


def test_metrics_that_nobody_wants_are_not_spoken_of(up):
    assert up(os.getpid(), port=0) is None


def test_workers_that_run_with_other_settings_are_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "workers", lambda settings: Workers(os.getpid()))
    theirs = Settings(home=tmp_path, writer=WriterSettings(use="openai:m"))
    told = Supervision(pid=os.getpid(), at=0.0, children=[], settings=print_settings(theirs))
    write_supervision(tmp_path, told)
    assert stack._start_workers(theirs) == f"run already (process {os.getpid()})"
    assert stack._start_workers(Settings(home=tmp_path)) == (
        f"run already (process {os.getpid()}) with other settings (writer): run `millrace down`, then `millrace up`"
    )


@pytest.mark.parametrize("changed", [{"pid": 1}, {"settings": None}], ids=["another supervisor", "an older version"])
def test_settings_that_are_not_known_are_not_told_to_differ(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(stack, "workers", lambda settings: Workers(os.getpid()))
    theirs = print_settings(Settings(home=tmp_path, writer=WriterSettings(use="openai:m")))
    told = Supervision(**({"pid": os.getpid(), "at": 0.0, "children": [], "settings": theirs} | changed))
    write_supervision(tmp_path, told)
    assert stack._start_workers(Settings(home=tmp_path)) == f"run already (process {os.getpid()})"
