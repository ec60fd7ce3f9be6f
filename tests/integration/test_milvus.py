"""Our own Milvus, started, stopped and killed."""

import os
import signal
import socket
import time

import pytest

from infra.errors import LocalStackFailed, PortTaken
from infra.local.milvus import MilvusServer
from infra.vectors.milvus import MilvusStore
from infra.vectors.vector_store import VectorQuery, VectorStoreUnreachable
from tests.milvus import unit, vector_row

EAST = unit(1, 0, 0, 0)
ASKED = VectorQuery(EAST, 10, 1, (7,))


@pytest.fixture
def chunks(vector_store, collection_prefix):
    name = f"{collection_prefix}_chunks"
    vector_store.prepare(name, "model", 4)
    return name


@pytest.fixture
def revived(milvus):
    """The server, which runs again when the test is over."""
    yield milvus
    milvus.start()


def test_what_was_acknowledged_survives_kill_and_the_client_finds_the_server_again(revived, vector_store, chunks):
    vector_store.upsert(chunks, [vector_row(row_id, EAST) for row_id in range(1, 101)])
    vector_store.delete(chunks, range(1, 51))
    revived.kill()
    for _ in range(2):
        with pytest.raises(VectorStoreUnreachable, match="millrace up"):
            vector_store.search(chunks, ASKED)
    assert revived.start()
    assert vector_store.row_ids(chunks, 0, 200) == list(range(51, 101))
    vector_store.upsert(chunks, [vector_row(101, EAST)])
    assert vector_store.row_ids(chunks, 100, 10) == [101]


def test_a_second_start_finds_it_running(milvus):
    assert milvus.running
    assert not milvus.start()
    other = MilvusServer(milvus.home, port=milvus.port + 1, programs=milvus.programs)
    with pytest.raises(LocalStackFailed, match="millrace down"):
        other.start()


def test_it_stops_soon_although_it_ignores_the_signal(revived):
    began = time.monotonic()
    assert revived.stop()
    assert time.monotonic() - began < 60.0  # it would take half an hour by itself
    assert not revived.running
    assert not revived.stop()


def test_a_taken_port_is_told_before_anything_starts(tmp_path, milvus):
    server = MilvusServer(tmp_path, port=0, programs=milvus.programs)
    with socket.create_server(("127.0.0.1", server.port + 3)), pytest.raises(PortTaken, match=str(server.port + 3)):
        server.start()
    assert not server.running


def test_a_server_that_hangs_fails_calls_in_time_and_is_used_again(milvus, vector_store, chunks):
    impatient = MilvusStore(milvus.uri, search_s=0.5)
    assert impatient.search(chunks, ASKED) == []
    os.kill(milvus.pid, signal.SIGSTOP)
    try:
        with pytest.raises(VectorStoreUnreachable):
            impatient.search(chunks, ASKED)
    finally:
        os.kill(milvus.pid, signal.SIGCONT)
    assert impatient.search(chunks, ASKED) == []
    impatient.close()


def test_a_collection_whose_maker_died_before_it_was_loaded_is_finished(vector_store, collection_prefix):
    name = f"{collection_prefix}_half"
    vector_store.prepare(name, "model", 4)
    vector_store._call("release_collection", name, timeout=30)
    vector_store._call("drop_index", name, "vector", timeout=30)
    vector_store.check()
    vector_store.prepare(name, "model", 4)
    assert vector_store.search(name, ASKED) == []
