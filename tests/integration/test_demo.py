import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.kafka.admin import Broker
from infra.local.processes import start_time

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def demo(kafka_settings, tmp_path):
    """Starts a demo on the suite's broker."""

    def start(*arguments):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        environ |= {"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA": kafka_settings.bootstrap}
        environ |= {"MILLRACE_KAFKA_PREFIX": kafka_settings.prefix, "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "streams", "demo", *arguments]
        return subprocess.Popen(
            command, env=environ, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def nothing_is_left(tmp_path, kafka_settings, pids):
    with Broker(kafka_settings) as broker:
        left = [topic.name for topic in broker.list_topics() if topic.name.startswith(f"{kafka_settings.prefix}-demo")]
    assert left == []
    assert not (tmp_path / "demo").exists()
    assert [pid for pid in pids if start_time(pid) is not None] == []


def worker_pids(tmp_path):
    beats = (tmp_path / "demo" / "run").glob("*-*.json")
    return [int(re.search(rb'"pid":(\d+)', beat.read_bytes())[1]) for beat in beats]


def test_a_demo_prints_three_summaries_and_its_figures_and_leaves_nothing(demo, tmp_path, kafka_settings) -> None:
    told, errors = demo("--seconds", "3", "--rate", "100").communicate(timeout=200)
    assert "error" not in errors.lower()
    assert len(re.findall(r" reviews · \d\.\d ★ · updated", told)) == 3
    assert re.search(r"in summaries +300  ", told)
    assert "\x1b" not in told
    nothing_is_left(tmp_path, kafka_settings, [])


def test_an_interrupted_demo_leaves_nothing(demo, tmp_path, kafka_settings) -> None:
    running = demo("--seconds", "300")
    deadline = time.monotonic() + 120
    while len(pids := worker_pids(tmp_path)) < 2:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)  # people press it twice
    running.communicate(timeout=60)
    assert running.returncode == 130
    nothing_is_left(tmp_path, kafka_settings, pids)
