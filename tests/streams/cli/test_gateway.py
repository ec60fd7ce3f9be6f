"""``millrace gateway``: a process that serves what featurize kept."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import httpx
import pytest

from infra.local.kafka import free_port
from processors.features.examples.restaurants import restaurant_places
from streams.__main__ import run
from tests.streams.feature_shelf import MINUTE, Shelf

MODULE = "processors.features.examples.restaurants"
PATH = "/serving-endpoints/way_to_restaurant/invocations"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MILLRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def gateway(port):
    """Run one; what it says first is its address."""
    environ = os.environ | {"MILLRACE_FEATURES_MODULE": MODULE, "MILLRACE_GATEWAY_PORT": str(port)}
    command = [sys.executable, "-m", "streams", "gateway"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        with process.stdout:
            yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()


def ask(port, **record):
    return httpx.post(f"http://127.0.0.1:{port}{PATH}", json={"dataframe_records": [record]}, timeout=30)


def test_it_serves_the_rows_that_featurize_kept_until_a_signal_ends_it(folder):
    with closing(Shelf(folder / ".millrace", restaurant_places)) as shelf:
        seen, entity = {"latitude": 52.52, "longitude": 13.40}, {"restaurant": "r1"}
        shelf.put("e1", 30 * MINUTE, kind="restaurant.seen", entity=entity, **seen)
    port = free_port()
    with gateway(port) as (process, told):
        assert told == f"Listening at http://127.0.0.1:{port}: 1 serving endpoint (way_to_restaurant).\n"
        answer = ask(port, restaurant="r1", latitude=52.52, longitude=13.41).json()["predictions"][0]
        assert (answer["restaurant_name"], answer["walking_minutes"]) == (None, 9)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_before_featurize_ever_ran_it_says_so(folder):
    port = free_port()
    with gateway(port) as (process, _):
        response = ask(port, restaurant="r1", latitude=52.52, longitude=13.41)
        assert (response.status_code, response.json()["type"]) == (503, "urn:millrace:unavailable")
        assert response.json()["remedy"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_without_a_module_there_is_nothing_to_serve(folder, capsys):
    assert run(["gateway"]) == 1
    assert "MILLRACE_FEATURES_MODULE" in capsys.readouterr().err


def test_a_module_without_specs_is_refused(folder, capsys, monkeypatch):
    (folder / "gateway_without_specs.py").write_text("")
    monkeypatch.setenv("MILLRACE_FEATURES_MODULE", "gateway_without_specs")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    assert run(["gateway"]) == 1
    assert "gateway_without_specs has no feature spec to serve" in capsys.readouterr().err


def test_a_spec_that_looks_up_no_table_is_refused_with_its_line(folder, capsys, monkeypatch):
    text = 'from processors.features import *\nspec = FeatureSpec("one", [\n  FeatureLookup("gone", "key", ["x"])])\n'
    (folder / "gateway_lost_lookup.py").write_text(text)
    monkeypatch.setenv("MILLRACE_FEATURES_MODULE", "gateway_lost_lookup")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    assert run(["gateway"]) == 1
    assert "gateway_lost_lookup.py:3: lookup of 'gone': there is no such table" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_with_its_setting(folder, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MILLRACE_FEATURES_MODULE", MODULE)
        monkeypatch.setenv("MILLRACE_GATEWAY_PORT", str(taken.getsockname()[1]))
        assert run(["gateway"]) == 1
    told = capsys.readouterr().err
    assert "Address already in use" in told
    assert "MILLRACE_GATEWAY_PORT" in told
