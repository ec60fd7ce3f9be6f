"""``millrace up`` and ``down`` as a person uses them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.kafka import answers, free_port


@pytest.fixture
def millrace(kafka, tmp_path):
    """Run the command line with a home and a port of its own; the jars are the suite's."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")} | {
        "PYTHONPATH": str(Path.cwd()),
        "MILLRACE_HOME": str(tmp_path / "home"),
        "MILLRACE_JARS": str(kafka.jars),
        "MILLRACE_KAFKA_LOCAL_PORT": str(port),
    }

    def run(*arguments, **more):
        command = [sys.executable, "-m", "streams", *arguments]
        return subprocess.run(command, env=environ | more, capture_output=True, text=True, timeout=180)

    run.port, run.environ, run.home = port, environ, tmp_path / "home"
    yield run
    run("down")


def test_up_and_down_can_be_repeated_and_leave_nothing_running(millrace):
    first = millrace("up", "--only", "kafka", "--detach")
    assert first.returncode == 0, first.stderr
    assert f"started on 127.0.0.1:{millrace.port}" in first.stdout
    assert "topics" in first.stdout
    again = millrace("up", "--only", "kafka", "--detach")
    assert f"runs on 127.0.0.1:{millrace.port}" in again.stdout
    assert "unchanged" in again.stdout
    listed = millrace("topics", "list")
    assert "millrace.reviews.v1" in listed.stdout
    assert "stopped" in millrace("down").stdout
    assert not answers(millrace.port)
    assert "not running" in millrace("down").stdout
    wiped = millrace("down", "--wipe")
    assert "removed" in wiped.stdout
    assert not (millrace.home / "kafka").exists()


def test_up_in_the_foreground_takes_everything_down_at_ctrl_c(millrace):
    command = [sys.executable, "-m", "streams", "up", "--only", "kafka"]
    process = subprocess.Popen(command, env=millrace.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not answers(millrace.port) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "kafka    stopped" in out
    assert not answers(millrace.port)


def test_a_broker_of_somebody_else_is_used_and_left_alone(millrace, kafka, prefix):
    theirs = {"MILLRACE_KAFKA": kafka.bootstrap, "MILLRACE_KAFKA_PREFIX": prefix, "MILLRACE_KAFKA_PARTITIONS": "1"}
    up = millrace("up", "--only", "kafka", "--detach", **theirs)
    assert f"using {kafka.bootstrap}" in up.stdout
    assert "created" in up.stdout
    assert "left alone" in millrace("down", **theirs).stdout
    assert answers(kafka.port)
    assert not answers(millrace.port)


def test_without_java_up_says_what_to_install(millrace, tmp_path):
    told = millrace("up", "--only", "kafka", "--detach", PATH=str(tmp_path), JAVA_HOME="")
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert "apt-get install openjdk-17-jre-headless maven" in told.stderr


def test_an_unknown_part_is_a_usage_error(millrace):
    told = millrace("up", "--only", "kafka,gatewai")
    assert told.returncode == 2
    assert "there are kafka, milvus, workers" in told.stderr
