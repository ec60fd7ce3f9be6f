"""A header name that is no UTF-8 stops nobody: brokers take it, and both clients would refuse it."""

import json

import pytest
from kafka import KafkaProducer

from infra.kafka.connection import admin_options
from infra.kafka.probe import probe
from schemas.dead_letters import DeadLetter
from schemas.records import decode
from streams.topics import topic_name
from tests.integration.command_line import records
from tests.integration.harness import Workers, wait_until


class Latin(str):
    """A header name as a client in another language may send it."""

    def encode(self, *_):
        return str.encode(self, "latin-1")


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


def test_events_with_such_names_are_taken_and_those_after_them_too(workers, kafka_settings):
    topic = topic_name(kafka_settings.prefix, "reviews")
    producer = KafkaProducer(**admin_options(kafka_settings), linger_ms=50)
    for number in range(6):
        review = {"product_id": "p", "review_id": f"r{number}", "text": "It broke after a week."}
        value = b"\xff" if number == 4 else json.dumps(review).encode()
        name = Latin("café") if number % 2 == 0 else "plain"
        producer.send(topic, value, b"p", [(name, b"x")], partition=0)
    producer.close()
    assert probe(kafka_settings, (topic, 0), 0, 6, 10.0).offsets == list(range(6))
    workers.start("digest")
    wait_until(lambda: len(records(kafka_settings, "dead-letters")) == 1, 60, told=workers.told)
    assert workers.query("digest", "SELECT count(*) FROM reviews") == [(5,)]
    (letter,) = [decode(record.value, DeadLetter) for record in records(kafka_settings, "dead-letters").values()]
    assert (letter.source.offset, letter.headers[0].key) == (4, r"caf\xe9")
