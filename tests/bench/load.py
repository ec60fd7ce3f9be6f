"""Reviews for benchmarks, public where they are at hand and invented otherwise: sent, and seen coming out."""

import asyncio
import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from processors.simulator.simulator import Simulator
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.cli.sending.kinds import KINDS
from streams.topics import topic_name
from tests.bench.stack import Stack

CLOTHING = "reviews_womens_clothing/womens_clothing.jsonl.gz"


def real_reviews(data: Path, limit: int) -> list[Review]:
    """Clothing reviews with a text, as they come; every text is its own review."""
    reviews = []
    with gzip.open(data / CLOTHING, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["text"]:
                reviews.append(
                    Review(
                        review_id=str(row["row"]),
                        product_id=str(row["product_id"]),
                        text=row["text"],
                        title=row["title"],
                        rating=int(row["rating"]),
                    )
                )
            if len(reviews) == limit:
                break
    return reviews


def invented_reviews(limit: int) -> list[Review]:
    """Reviews of 200 invented products."""
    return list(Simulator(seed=1, products=200).reviews(limit))


async def send(
    stack: Stack, records: Sequence[msgspec.Struct], per_s: float | None = None, topic: str = "reviews"
) -> dict[tuple[int, int], float]:
    """Send records of one kind, at a rate or as fast as it goes.

    Returns:
        (partition, offset) -> Kafka timestamp, unix seconds.
    """
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap, acks="all", linger_ms=5)
    await producer.start()
    name, key, started, receipts = topic_name("millrace", topic), KINDS[topic].key, time.monotonic(), []
    for number, record in enumerate(records):
        if per_s and (ahead_s := started + number / per_s - time.monotonic()) > 0:
            await asyncio.sleep(ahead_s)
        receipts.append(await producer.send(name, msgspec.json.encode(record), key(record).encode()))
    told = await asyncio.gather(*receipts)
    await producer.stop()
    return {(one.partition, one.offset): one.timestamp / 1000 for one in told}


async def published(
    stack: Stack, topic: str = "summaries", record: type[msgspec.Struct] = Summary
) -> list[tuple[float, Any]]:
    """Every record published, with its Kafka timestamp in unix seconds, in order of time."""
    topic = topic_name("millrace", topic)
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap)
    await consumer.start()
    parts = [TopicPartition(topic, number) for number in range(stack.settings.kafka.partitions)]
    consumer.assign(parts)
    await consumer.seek_to_beginning(*parts)
    left, seen = await consumer.end_offsets(parts), []
    while left:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            seen += [(one.timestamp / 1000, msgspec.json.decode(one.value, type=record)) for one in records]
        left = {part: end for part, end in left.items() if await consumer.position(part) < end}
    await consumer.stop()
    return sorted(seen, key=lambda pair: pair[0])
