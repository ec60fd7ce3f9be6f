"""A backlog of many reviews, one product of them hot: all counted, in bounded memory."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import msgspec
import psutil
import pytest
from aiokafka import AIOKafkaProducer

from infra.store_errors import StoreMissing
from schemas.points import Points
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.topics import topic_name
from tests.broker import log_ends
from tests.integration.harness import Workers, newest, read_topic, wait_until

REVIEWS, FEW = 100_000, 2_000
PRODUCTS = 2_000
HOT = "hot"
HOT_SHARE = 0.2
LIMIT_BYTES = 400 * 2**20
"""Resident memory of one worker; 281 MiB were measured."""

START = datetime(2024, 1, 1, tzinfo=UTC)
PARTS = ("zipper", "strap", "lid", "cable", "screen", "handle", "battery", "button", "hinge", "lens", "sole", "motor")
WORDS = ("is great", "broke at once", "feels cheap", "works well", "is too small", "smells odd", "is worth its price")


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    usual = {"MILLRACE_DIGEST_RUN_SIZE": "500", "MILLRACE_DIGEST_UNREAD_S": "30", "MILLRACE_DIGEST_QUIET_S": "1"}
    workers = Workers(tmp_path, kafka_settings, **usual, **store_environ)
    yield workers
    workers.stop()


@pytest.mark.timeout(1_800)
def test_a_backlog_is_counted_whole_in_bounded_memory(long, workers, kafka_settings):
    count = REVIEWS if long else FEW
    expected = asyncio.run(send_invented(kafka_settings, count))
    for agent, slot in (("digest", 0), ("digest", 1), ("summarize", 0)):
        workers.launch(agent, slot)
    peaks = {}
    wait_until(lambda: at_rest(workers, count), 1_500 if long else 200, lambda: weigh(workers, peaks), workers.told)
    print({f"{agent}-{slot}": f"{peak / 2**20:.0f} MiB" for (agent, slot), peak in peaks.items()})
    assert all(process.poll() is None for process in workers.processes.values())
    assert max(peaks.values()) < LIMIT_BYTES
    points = newest(read_topic(kafka_settings, "points"), Points)
    assert {product_id: one.review_count for product_id, one in points.items()} == expected
    summaries = newest(read_topic(kafka_settings, "summaries"), Summary)
    assert {product_id: one.metrics.review_count for product_id, one in summaries.items()} == expected


async def send_invented(kafka_settings, count):
    """Send short reviews; returns how many each product has."""
    chance, expected = random.Random(1), {}
    producer = AIOKafkaProducer(bootstrap_servers=kafka_settings.bootstrap, acks="all", linger_ms=20)
    await producer.start()
    topic = topic_name(kafka_settings.prefix, "reviews")
    for number in range(count):
        product_id = HOT if chance.random() < HOT_SHARE else f"p{chance.randrange(PRODUCTS)}"
        expected[product_id] = expected.get(product_id, 0) + 1
        review = invented(number, product_id, chance)
        await producer.send(topic, msgspec.json.encode(review), product_id.encode())
    await producer.stop()
    return expected


def invented(number, product_id, chance):
    said = [f"The {chance.choice(PARTS)} {chance.choice(WORDS)}" for _ in range(chance.randint(1, 3))]
    return Review(
        review_id=f"r{number}",
        product_id=product_id,
        text=". ".join(said) + ".",
        rating=chance.randint(1, 5),
        created_at=START + timedelta(minutes=number),
    )


def weigh(workers, peaks):
    for place, process in workers.processes.items():
        peaks[place] = max(peaks.get(place, 0), psutil.Process(process.pid).memory_info().rss)


def at_rest(workers, count):
    try:
        if workers.query("digest", "SELECT count(*) FROM reviews") != [(count,)]:
            return False
        pending = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM timers) + (SELECT count(*) FROM work)"
        fences = "SELECT coalesce(sum(next_offset), 0) FROM fences"
        if workers.query("digest", pending) != [(0,)]:
            return False
        ends = sum(log_ends(workers.settings, "points").values())
        return (workers.query("summarize", fences), workers.query("summarize", pending)) == ([(ends,)], [(0,)])
    except StoreMissing:
        return False
