"""A worker that is alive but not well is killed, and the others go on."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from infra.store_errors import StoreMissing
from tests.integration.harness import CHECKOUT, Workers, check_everything, send, simulated, wait_until


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    workers = Workers(tmp_path, kafka_settings, **store_environ)
    yield workers
    workers.stop()


def supervise(workers, *arguments, **environ):
    command = [sys.executable, "-m", "streams", "worker", *arguments]
    environ = {"MILLRACE_METRICS_PORT": "0", **environ}
    with workers.log.open("ab") as log:
        return subprocess.Popen(command, env={**workers.environ, **environ}, cwd=CHECKOUT, stdout=log, stderr=log)


def test_a_worker_frozen_inside_a_write_transaction_is_killed_and_the_others_go_on(workers, kafka_settings):
    reviews, values = simulated(120)
    send(kafka_settings, values)
    frozen = supervise(workers, "digest", MILLRACE_CRASH_AT="in_transaction:2:STOP")
    workers.processes["supervisor", 0] = frozen
    try:
        wait_until(lambda: child_state(workers) == "T", 60, told=workers.told)
        other = workers.start("digest", slot=1)  # waits for the lock the frozen one holds
        workers.start("summarize")
        wait_until(lambda: last_exit(workers) == -signal.SIGKILL, 60, told=workers.told)
        wait_until(lambda: digested(workers) == len(values), 60, told=workers.told)
        assert other.poll() is None
    finally:
        frozen.send_signal(signal.SIGTERM)
        frozen.wait(30)
        del workers.processes["supervisor", 0]
    workers.rest(len(values))
    check_everything(workers, reviews)


def test_a_killed_worker_is_started_again_and_stop_leaves_nothing_running(workers, kafka_settings):
    reviews, values = simulated(80)
    supervisor = supervise(workers, "digest", "summarize")
    workers.processes["supervisor", 0] = supervisor
    wait_until(lambda: len(children(workers)) == 2 and all(one["pid"] for one in children(workers)), 30)
    send(kafka_settings, values)
    os.kill(children(workers)[0]["pid"], signal.SIGKILL)
    workers.rest(len(values), keep_up=False)
    check_everything(workers, reviews)
    assert children(workers)[0]["restarts"] == 1
    pids = [one["pid"] for one in children(workers)]
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_stop_when_their_supervisor_is_killed(workers):
    supervisor = supervise(workers, "digest")
    wait_until(lambda: children(workers) and children(workers)[0]["pid"], 30, told=workers.told)
    pid = children(workers)[0]["pid"]
    supervisor.kill()  # before the worker could look who started it
    supervisor.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 30, told=workers.told)


def children(workers):
    path = workers.home / "run" / "supervisor.json"
    return msgspec.json.decode(path.read_bytes())["children"] if path.exists() else []


def last_exit(workers):
    return children(workers)[0]["last_exit"]


def child_state(workers):
    told = children(workers)
    if not told or told[0]["pid"] is None:
        return None
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{told[0]['pid']}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return None


def digested(workers):
    with contextlib.suppress(StoreMissing):
        return workers.query("digest", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
    return 0
