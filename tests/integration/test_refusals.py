"""A broker that is away is waited for; one that does not fit is refused, with the remedy, and nothing is lost."""

import time

import pytest

from infra.kafka.admin import Broker
from infra.store_errors import StoreMissing
from schemas.tables import fences
from streams.topics import declarations, topic_name
from streams.worker import REFUSED
from tests.integration.harness import Workers, check_everything, send, simulated, wait_until


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    workers = Workers(tmp_path, kafka_settings, **store_environ)
    yield workers
    workers.stop()


def test_workers_that_start_while_the_broker_is_down_come_up_when_it_returns(workers, kafka, kafka_settings):
    reviews, values = simulated(60)
    send(kafka_settings, values)
    kafka.stop()
    try:
        processes = [workers.start("digest"), workers.start("summarize")]
        wait_until(lambda: '"waiting_for_broker"' in workers.beat("digest"), 30, told=workers.told)
        time.sleep(1)
        assert [process.poll() for process in processes] == [None, None]
    finally:
        kafka.start()
    workers.rest(len(values), keep_up=False)
    check_everything(workers, reviews)


CHANGES = {
    "UPDATE fences SET next_offset = next_offset + 1000": "but the log ends at",
    "UPDATE fences SET cluster_id = 'another'": "is from Kafka cluster another",
    "UPDATE fences SET topic_id = 'another'": "was deleted and created again",
}


def test_fences_that_do_not_fit_the_broker_are_refused_with_the_remedy(workers, kafka_settings):
    reviews, values = simulated(40)
    send(kafka_settings, values[:20])
    first = workers.start("digest")
    wait_until(lambda: digested(workers) == 20, 60, told=workers.told)
    first.terminate()
    first.wait(20)
    before = workers.query("digest", "SELECT * FROM fences")
    send(kafka_settings, values[20:])
    for change, told in CHANGES.items():
        workers.change("digest", change)
        assert workers.start("digest").wait(60) == REFUSED
        assert told in workers.beat("digest")
        assert "millrace fences reset" in workers.beat("digest")
        workers.change("digest", fences.delete(), fences.insert().values(before))
    workers.start("digest")
    workers.start("summarize")
    workers.rest(len(values))
    check_everything(workers, reviews)


def digested(workers):
    try:
        return workers.query("digest", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
    except StoreMissing:
        return 0


def test_a_topic_that_is_missing_is_waited_for_and_named_with_the_remedy(tmp_path, kafka_settings):
    workers = Workers(tmp_path, kafka_settings)
    try:
        workers.start("digest")
        workers.start("summarize")
        wait_until(lambda: "millrace topics apply" in workers.beat("digest"), 30, told=workers.told)
        assert topic_name(kafka_settings.prefix, "reviews") in workers.beat("digest")
        with Broker(kafka_settings) as broker:
            broker.apply_topics(declarations(kafka_settings))
        reviews, values = simulated(30)
        send(kafka_settings, values)
        workers.rest(len(values), keep_up=False)
        check_everything(workers, reviews)
    finally:
        workers.stop()
