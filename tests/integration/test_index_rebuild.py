"""`millrace index rebuild` beside a worker, on a real broker and a real Milvus: killed, run again, and exact."""

import signal
import subprocess
import sys

import msgspec
import pytest

from infra.vectors.milvus import MilvusStore
from tests.integration.harness import Workers, send, wait_until
from tests.integration.test_index import at_rest, check, history


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, milvus, store_environ):
    it = Workers(tmp_path, kafka_settings, MILLRACE_MILVUS=milvus.uri, **store_environ)
    yield it
    it.stop()


@pytest.fixture
def vectors(milvus):
    store = MilvusStore(milvus.uri)
    yield store
    store.close()


def command(workers: Workers, *arguments: str) -> subprocess.Popen:
    """Start a command where the workers run."""
    return subprocess.Popen(
        [sys.executable, "-m", "streams", "index", *arguments, "--json"],
        env=workers.environ,
        cwd=workers.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def told(process: subprocess.Popen) -> dict:
    """What a command prints that succeeds."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    return msgspec.json.decode(out)


def building(workers: Workers) -> bool:
    return bool(workers.query("index", "SELECT name FROM collections WHERE state = 'building'"))


def test_beside_a_worker_killed_once_and_run_again_it_ends_exact(workers, vectors, kafka_settings):
    values = history(90, seed=5)
    send(kafka_settings, values[:30], "documents")
    workers.start("index")
    wait_until(lambda: at_rest(workers, 30), 90, workers.keep_up, workers.told)
    ((first,),) = workers.query("index", "SELECT name FROM collections")

    victim = command(workers, "rebuild")
    wait_until(lambda: building(workers), 60, told=workers.told)
    victim.kill()
    victim.communicate(timeout=10)
    assert victim.returncode == -signal.SIGKILL
    send(kafka_settings, values[30:60], "documents")

    again = command(workers, "rebuild")
    send(kafka_settings, values[60:], "documents")
    rebuilt = told(again)
    assert rebuilt["collection"] != first
    assert first not in vectors.collections()
    wait_until(lambda: at_rest(workers, len(values)), 90, workers.keep_up, workers.told)
    check(workers, vectors, values)
    verified = told(command(workers, "verify"))
    assert (verified["agree"], verified["pending"], verified["collection"]) == (True, 0, rebuilt["collection"])
