"""A model that does not answer holds up nothing but its own texts."""

import threading
from collections import Counter

import msgspec
import pytest

from schemas.heartbeats import Heartbeat
from schemas.summaries import Summary
from tests import parrot
from tests.broker import committed, log_ends
from tests.fake_endpoint import FakeEndpoint
from tests.integration.harness import Workers, fold_offline, newest, read_topic, send, simulated, wait_until

TIMEOUT_S = 0.5
"""Of a call; in life it is minutes."""


@pytest.fixture
def awake():
    """Set when the model begins to answer."""
    awake = threading.Event()
    yield awake
    awake.set()


@pytest.fixture
def endpoint(awake):
    def answer(asked):
        awake.wait()
        return parrot.answer(asked)

    with FakeEndpoint(says=answer) as endpoint:
        yield endpoint


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ, endpoint):
    model = {
        "MILLRACE_WRITER": "openai:scripted",
        "MILLRACE_WRITER_URL": endpoint.url,
        "MILLRACE_WRITER_TIMEOUT_S": str(TIMEOUT_S),
        "MILLRACE_WRITER_BREAKER_FAILURES": "3",
        "MILLRACE_WRITER_BREAKER_S": "0.5",
    }
    workers = Workers(tmp_path, kafka_settings, **model, **store_environ)
    yield workers
    workers.stop()


def test_a_stalled_model_moves_no_group_loses_nothing_and_is_asked_again_when_it_wakes(
    workers, endpoint, awake, kafka_settings
):
    reviews, values = simulated(200)
    send(kafka_settings, values[:100])
    workers.start("digest")
    workers.start("summarize")
    wait_until(lambda: endpoint.asked, 60, told=workers.told)
    before = beat(workers)
    send(kafka_settings, values[100:])
    wait_until(lambda: counted(kafka_settings) == len(reviews), 60, told=workers.told)
    wait_until(lambda: lag(kafka_settings) == 0, 20, told=workers.told)
    wait_until(lambda: beat(workers).counters.circuits_opened, 30, told=workers.told)
    assert all(one.text is None for one in newest(read_topic(kafka_settings, "summaries"), Summary).values())
    awake.set()
    workers.rest(len(values), keep_up=False)
    after = beat(workers)
    assert (after.pid, after.started_at, after.counters.replays) == (before.pid, before.started_at, 0)
    records = read_topic(kafka_settings, "summaries")
    revisions = Counter((one.product_id, one.revision) for one in map(summary, records))
    assert set(revisions.values()) == {1}
    found, expected = newest(records, Summary), fold_offline(reviews)
    assert {name: one.bands for name, one in found.items()} == {name: one.bands for name, one in expected.items()}
    assert all(one.text and one.writer.engine == "openai" for one in found.values())


def beat(workers):
    return msgspec.json.decode(workers.beat("summarize"), type=Heartbeat)


def summary(record):
    return msgspec.json.decode(record.value, type=Summary)


def counted(kafka_settings):
    return sum(one.metrics.review_count for one in newest(read_topic(kafka_settings, "summaries"), Summary).values())


def lag(kafka_settings):
    """How far both groups are behind the ends of what they read."""
    behind = 0
    for agent, topic in (("digest", "reviews"), ("summarize", "points")):
        done = committed(kafka_settings, agent)
        behind += sum(end - done.get(place, 0) for place, end in log_ends(kafka_settings, topic).items())
    return behind
