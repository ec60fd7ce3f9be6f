import subprocess
import sys
import threading
import time

import msgspec
import pytest

from infra.errors import LocalStackFailed, ProgramMissing
from infra.local import jars
from infra.local.processes import Process, Running, exclusively, start_time

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def process(tmp_path):
    made = Process("sleeper", tmp_path / "run" / "sleeper.pid", tmp_path / "logs" / "sleeper.log")
    yield made
    made.stop(0.0)


def test_a_started_process_is_found_again_by_another_command(process):
    process.start(SLEEP, {})
    again = Process("sleeper", process.pid_file, process.log_file)
    assert again.running() == process.running()
    assert process.stop(5.0) is True
    assert again.running() is None
    assert not process.pid_file.exists()


def test_stopping_what_does_not_run_is_no_error(process):
    assert process.stop(1.0) is False


def test_somebody_else_with_the_same_number_is_never_killed(process):
    other = subprocess.Popen(SLEEP)
    process.pid_file.parent.mkdir(parents=True)
    process.pid_file.write_bytes(msgspec.json.encode(Running(pid=other.pid, started="long ago")))
    assert process.running() is None
    assert process.stop(0.0) is False
    process.kill()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_half_a_pid_file_means_nothing_runs(process):
    process.pid_file.parent.mkdir(parents=True)
    process.pid_file.write_bytes(b'{"pid": 1')
    assert process.running() is None


def test_a_process_that_ignores_sigterm_is_killed(process):
    process.start(STUBBORN, {})
    deadline = time.monotonic() + 10
    while "deaf" not in process.log_file.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    assert process.stop(0.3) is True
    assert time.monotonic() - began < 5
    assert process.ending() == "exit code unknown"  # forgotten


def test_a_zombie_counts_as_ended(process):
    process.start([sys.executable, "-c", "pass"], {})
    child = process._child
    deadline = time.monotonic() + 10
    while start_time(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert start_time(child.pid) is None
    assert process.running() is None


def test_only_one_at_a_time_gets_in(tmp_path):
    order = []

    def second():
        with exclusively(tmp_path / "lock"):
            order.append("second")

    with exclusively(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def fake(tmp_path, name, script):
    program = tmp_path / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def only(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def test_a_missing_java_is_told_with_what_to_install(only):
    with pytest.raises(ProgramMissing, match=r"Java 17 or newer.*apt-get install openjdk-17-jre-headless maven"):
        jars.java()


def test_an_old_java_is_told(only):
    fake(only, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(ProgramMissing, match="Java 17"):
        jars.java()
    fake(only, "java", "echo 'openjdk version \"21.0.2\"' >&2")
    assert jars.java() == str(only / "bin" / "java")


def test_a_missing_maven_is_told_only_when_it_is_needed(only, tmp_path):
    with pytest.raises(ProgramMissing, match=r"mvn.*maven"):
        jars.fetch_jars(tmp_path / "jars")
    fake(only, "mvn", 'for last; do :; done; /bin/mkdir -p "${last#-DoutputDirectory=}"')
    ready = jars.fetch_jars(tmp_path / "jars")
    (only / "bin" / "mvn").unlink()
    assert jars.fetch_jars(tmp_path / "jars") == ready


def test_what_maven_says_is_told(only, tmp_path):
    fake(only, "mvn", "echo '[ERROR] Could not resolve kafka_2.13'; exit 1")
    with pytest.raises(LocalStackFailed, match=r"Could not resolve kafka_2\.13"):
        jars.fetch_jars(tmp_path / "jars")
    assert list((tmp_path / "jars").iterdir()) == []
