"""Produce one record, as ``produce`` would, and know where it stands."""

import asyncio
import logging
import secrets
from typing import Any

import msgspec

from infra.kafka.admin import Broker
from infra.kafka.producer import BulkProducer, Receipt
from infra.settings import KafkaSettings
from streams.cli.sending.kinds import Kind
from streams.topics import topic_name


def produce_one(settings: KafkaSettings, broker: Broker, kind: Kind, record: Any) -> Receipt:
    """Send one record, and wait until the broker has confirmed it.

    Args:
        settings: Where the broker is and how to log in.
        broker: Asked for the topic.
        kind: Of the record.
        record: Of that kind: a deletion, a request.

    Returns:
        Where it stands.

    Raises:
        TopicMissing: If the kind has no topic.
        BrokerUnreachable: If it is not confirmed; it may be recorded all the same.
        BrokerRefused: If the broker does not take it.
    """
    topic = topic_name(settings.prefix, kind.topic)
    partitions = broker.identify([topic])[topic].partitions
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # thousands of lines while a broker is away
    return asyncio.run(_produce(settings, topic, partitions, kind, record))


async def _produce(settings: KafkaSettings, topic: str, partitions: int, kind: Kind, record: Any) -> Receipt:
    receipts: list[Receipt] = []
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01".encode()
    async with BulkProducer(settings, topic, partitions, lambda _number, receipt: receipts.append(receipt)) as producer:
        await producer.send(kind.key(record).encode(), msgspec.json.encode(record), kind.headers(record, trace))
        await producer.finish()
    return receipts[0]
