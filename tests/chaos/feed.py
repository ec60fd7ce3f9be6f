"""Sends a history while everything else happens."""

import asyncio
import threading
import time
from collections import defaultdict

from aiokafka import AIOKafkaProducer

from streams.topics import topic_name
from tests.integration.harness import read_topic

CHUNKS = 40
"""Sends a history is cut into."""


class Feed(threading.Thread):
    """Sends a history while everything else happens, and waits for a broker that is away."""

    def __init__(self, kafka_settings, records, duration_s):
        super().__init__()
        self._settings = kafka_settings
        self._records = records
        self._duration_s = duration_s
        self.receipts = []
        self.failed = None

    @classmethod
    def sent(cls, kafka_settings, records):
        """Send all at once and return where each one lies."""
        feed = cls(kafka_settings, records, 0.0)
        feed.start()
        feed.join()
        assert feed.failed is None
        return feed.receipts

    def run(self):
        try:
            self.receipts = asyncio.run(self._send())
        except BaseException as error:
            self.failed = error

    async def _send(self):
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap, acks="all", linger_ms=5, request_timeout_ms=180_000
        )
        await producer.start()
        begun, promised = time.monotonic(), []
        for number, record in enumerate(self._records):
            if number % (len(self._records) // CHUNKS) == 0:
                due = begun + self._duration_s * number / len(self._records)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            topic = topic_name(self._settings.prefix, record.topic)
            promised.append(await producer.send(topic, record.value, record.key, record.partition))
        receipts = await asyncio.gather(*promised)
        await producer.stop()
        return receipts


def check_all_arrived(kafka_settings, records, receipts):
    """What the broker confirmed is there: our model of the truth may rest on the topic."""
    arrived = defaultdict(dict)
    for topic in {record.topic for record in records}:
        arrived[topic] = {(one.partition, one.offset): one.value for one in read_topic(kafka_settings, topic)}
    for record, receipt in zip(records, receipts, strict=True):
        assert arrived[record.topic][receipt.partition, receipt.offset] == record.value
