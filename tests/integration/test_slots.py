"""Two workers that take themselves for the same one: the second is sent away, and the first goes on."""

import msgspec
import pytest

from streams.worker import REFUSED
from tests.integration.harness import Workers, check_everything, send, simulated


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


def test_a_second_worker_of_one_slot_is_refused_without_harm(workers, kafka_settings):
    reviews, values = simulated(80)
    first = workers.start("digest")
    workers.start("summarize")
    send(kafka_settings, values[:40])
    workers.rest(40)
    second = workers.start("digest")
    assert second.wait(60) == REFUSED
    assert "worker 0 of digest runs already" in workers.log.read_text()
    workers.processes["digest", 0] = first
    send(kafka_settings, values[40:])
    workers.rest(80, keep_up=False)
    assert msgspec.json.decode(workers.beat("digest"))["pid"] == first.pid
    check_everything(workers, reviews)
