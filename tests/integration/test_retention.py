"""Records that the broker deletes before they were read are told, once; everything else is read."""

import signal
from itertools import groupby

import msgspec
import pytest

from infra.kafka.admin import Broker
from schemas.dead_letters import DeadLetter
from streams.topics import topic_name
from tests.broker import delete_records, set_topic
from tests.integration.harness import Workers, check_everything, read_topic, send, simulated, wait_until


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


@pytest.fixture
def topic(kafka_settings):
    return topic_name(kafka_settings.prefix, "reviews")


def test_a_range_deleted_under_a_worker_that_is_behind_is_told_and_reading_goes_on(workers, kafka_settings, topic):
    reviews, values = simulated(120, products=1)
    places = in_one_partition(send(kafka_settings, values[:40]))
    digest = workers.start("digest")
    workers.start("summarize")
    workers.rest(40)
    digest.send_signal(signal.SIGSTOP)
    send(kafka_settings, values[40:])
    delete_records(kafka_settings, topic, places.partition, 100)
    digest.send_signal(signal.SIGCONT)
    workers.rest(120)
    assert digest.poll() is None
    ((partition, offset, reason, error),) = told(kafka_settings)
    lost_until = int(error.split()[-1]) + 1  # it may have fetched some before
    assert (partition, reason) == (places.partition, "records_lost")
    assert offset >= 40
    assert lost_until == 100
    check_everything(workers, reviews[:offset] + reviews[100:], broken=1)


def test_records_that_grew_too_old_while_nobody_ran_are_told_once(workers, kafka_settings, topic):
    reviews, values = simulated(90, products=1)
    places = in_one_partition(send(kafka_settings, values[:30]))
    digest = workers.start("digest")
    workers.start("summarize")
    workers.rest(30)
    digest.terminate()
    digest.wait(60)
    send(kafka_settings, values[30:60])
    set_topic(kafka_settings, topic, retention_ms=1)
    wait_until(lambda: start_of(kafka_settings, topic, places.partition) == 60, 60)
    set_topic(kafka_settings, topic, retention_ms=3_600_000)
    workers.start("digest")
    wait_until(lambda: len(told(kafka_settings)) == 1, 60, told=workers.told)
    send(kafka_settings, values[60:])
    workers.rest(90)
    check_everything(workers, reviews[:30] + reviews[60:], broken=1)
    assert told(kafka_settings) == [(places.partition, 30, "records_lost", "offsets 30 to 59")]


def in_one_partition(receipts):
    (found,) = [place for place, _ in groupby(receipts, key=lambda receipt: receipt.topic_partition)]
    return found


def start_of(kafka_settings, topic, partition):
    with Broker(kafka_settings) as broker:
        return broker.log_ranges([(topic, partition)])[topic, partition][0]


def told(kafka_settings):
    """The dead letters: partition, offset, reason, and the range they name."""
    values = dict.fromkeys(one.value for one in read_topic(kafka_settings, "dead-letters"))
    letters = [msgspec.json.decode(value, type=DeadLetter) for value in values]
    return [(one.source.partition, one.source.offset, one.reason, one.error.split(" were")[0]) for one in letters]
