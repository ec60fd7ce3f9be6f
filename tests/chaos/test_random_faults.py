"""Workers, broker and database fall at random while reviews come, change and go: what stands is right to the byte."""

import asyncio
import contextlib
import logging
import threading
import time

import pytest
from aiokafka import AIOKafkaProducer

from infra.store_errors import StoreError
from streams.topics import topic_name
from tests.broker import log_ends
from tests.chaos.faults import Crew, Storm, SupervisedCrew, schedule
from tests.chaos.history import History
from tests.chaos.truth import PENDING, Standing
from tests.integration.harness import read_topic, wait_until

CHUNKS = 40
"""Sends a history is cut into."""

REST_S = 240.0


class Feed(threading.Thread):
    """Sends a history while everything else happens, and waits for a broker that is away."""

    def __init__(self, kafka_settings, records, duration_s):
        super().__init__()
        self._settings = kafka_settings
        self._records = records
        self._duration_s = duration_s
        self.receipts = []
        self.failed = None

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
        topic, begun, promised = topic_name(self._settings.prefix, "reviews"), time.monotonic(), []
        for number, record in enumerate(self._records):
            if number % (len(self._records) // CHUNKS) == 0:
                due = begun + self._duration_s * number / len(self._records)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            promised.append(await producer.send(topic, record.value, record.key, record.partition))
        receipts = await asyncio.gather(*promised)
        await producer.stop()
        return receipts


@pytest.mark.timeout(900)
def test_whatever_falls_nothing_is_lost_counted_twice_or_remembered(
    seed, long, store_environ, tmp_path, kafka, kafka_settings, topics, request, caplog
):
    caplog.set_level(logging.CRITICAL, "aiokafka")  # the feed's client tells of every broken connection
    count, duration_s = (2_400, 40.0) if long else (600, 10.0)
    supervised = seed % 2 == 0
    faults = schedule(seed, duration_s, postgres=bool(store_environ), supervised=supervised)
    crew = (SupervisedCrew if supervised else Crew)(tmp_path, kafka_settings, **store_environ)
    storm = Storm(crew, kafka, request.getfixturevalue("postgres") if store_environ else None)
    records = History(seed, kafka_settings.partitions).make(count)
    feed = Feed(kafka_settings, records, duration_s)
    with telling(seed, request.node.callspec.id, storm, crew):
        try:
            crew.start_all()
            wait_until(crew.running, 120, told=crew.told)  # who falls before it begins can lose nothing
            feed.start()
            storm.rage(faults)
            feed.join()
            assert feed.failed is None
            wait_until(lambda: at_rest(crew), REST_S, crew.keep_up, crew.told)
            check_all_arrived(kafka_settings, records, feed.receipts)
            Standing(crew).check()
            assert "refusing to go on" not in crew.log.read_text(errors="replace")
        finally:
            if feed.ident is not None:
                feed.join()
            crew.stop()


@contextlib.contextmanager
def telling(seed, name, storm, crew):
    """Say what a failure needs to be seen again."""
    try:
        yield
    except BaseException as error:
        again = f"python -m pytest tests/chaos --seed {seed} -k {name}"
        error.add_note("\n".join([f"Again: {again} --chaos", "Done until then:", *storm.done, crew.told()]))
        raise


def at_rest(crew):
    """Twice in a row, because a worker that was frozen may still have had something on its lips."""
    return all(settled(crew) and not time.sleep(1.0) for _ in range(2))


def settled(crew):
    try:
        return all(
            fences(crew, agent) == log_ends(crew.settings, topic) and not waiting(crew, agent)
            for agent, topic in (("digest", "reviews"), ("summarize", "points"))
        )
    except StoreError:  # not made yet, or its database is only just back
        return False


def fences(crew, agent):
    rows = crew.query(agent, "SELECT topic, partition, next_offset FROM fences")
    return {(topic, partition): offset for topic, partition, offset in rows}


def waiting(crew, agent):
    return sum(crew.query(agent, f"SELECT count(*) FROM {table}")[0][0] for table in PENDING)


def check_all_arrived(kafka_settings, records, receipts):
    """What the broker confirmed is there: our model of the truth may rest on the topic."""
    values = {(one.partition, one.offset): one.value for one in read_topic(kafka_settings, "reviews")}
    for record, receipt in zip(records, receipts, strict=True):
        assert values[receipt.partition, receipt.offset] == record.value
