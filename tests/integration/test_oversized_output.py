"""An output that its topic does not take becomes a dead letter; the worker lives, and others are not held up."""

import msgspec
import pytest

from schemas.dead_letters import DeadLetter
from schemas.points import Points
from streams.topics import topic_name
from tests.broker import set_topic
from tests.integration.harness import (
    Workers,
    check_everything,
    newest,
    read_topic,
    send,
    simulated,
    wait_until,
)

LIMIT_BYTES = 6_000
"""Points of three reviews are half as large, those of a hundred twice."""


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


def test_points_too_large_for_their_topic_are_told_and_small_ones_are_published(workers, kafka_settings):
    reviews, values = simulated(240, products=2)
    large, small = sorted({review.product_id for review in reviews})
    of_small = [number for number, review in enumerate(reviews) if review.product_id == small][:3]
    kept = [number for number, review in enumerate(reviews) if review.product_id == large or number in of_small]
    reviews, values = [reviews[number] for number in kept], [values[number] for number in kept]
    points = topic_name(kafka_settings.prefix, "points")
    set_topic(kafka_settings, points, max_message_bytes=LIMIT_BYTES)
    digest = workers.start("digest")
    workers.start("summarize")
    send(kafka_settings, values[:-20])
    wait_until(lambda: small in published(kafka_settings) and refused(kafka_settings), 60, told=workers.told)
    wait_until(lambda: waiting(workers) == (len(values) - 20, 0, 0), 60, told=workers.told)
    assert digest.poll() is None
    assert published(kafka_settings)[small].review_count == 3
    for letter in refused(kafka_settings):
        assert letter.reason == "output_too_large"
        assert f"for {points} was refused; raise the topic's max.message.bytes" in letter.error
        assert letter.payload_bytes > LIMIT_BYTES / 2
    set_topic(kafka_settings, points, max_message_bytes=1 << 20)
    before = len(refused(kafka_settings))
    send(kafka_settings, values[-20:])
    workers.rest(len(values), keep_up=False)
    check_everything(workers, reviews, broken=before)


def published(kafka_settings):
    return newest(read_topic(kafka_settings, "points"), Points)


def refused(kafka_settings):
    return [msgspec.json.decode(one.value, type=DeadLetter) for one in read_topic(kafka_settings, "dead-letters")]


def waiting(workers):
    """Records applied, outputs and timers that wait."""
    counted = "(SELECT count(*) FROM outbox), (SELECT count(*) FROM timers)"
    return workers.query("digest", f"SELECT (SELECT coalesce(sum(next_offset), 0) FROM fences), {counted}")[0]
