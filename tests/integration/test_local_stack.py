"""The broker of our own: starts, answers, survives a kill, and says what is wrong."""

import asyncio
import dataclasses
import socket
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from infra.errors import BrokerUnreachable, LocalStackFailed, PortTaken, TopicMissing
from infra.kafka.admin import Broker
from infra.kafka.connection import stream_options
from infra.kafka.probe import probe
from infra.local.kafka import KafkaServer, free_port
from infra.settings import KafkaSettings


def produce(settings, topic, values, *, transaction=None):
    """Send values to partition 0; in a transaction that is then "committed" or "aborted", or in none."""

    async def send():
        name = None if transaction is None else f"{topic}-test"
        async with AIOKafkaProducer(**stream_options(settings), acks="all", transactional_id=name) as producer:
            if transaction is not None:
                await producer.begin_transaction()
            for value in values:
                await producer.send_and_wait(topic, value, partition=0)
            if transaction is not None:
                end = producer.commit_transaction if transaction == "committed" else producer.abort_transaction
                await end()

    asyncio.run(send())


def within(seconds, happened):
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_starting_a_running_broker_changes_nothing(kafka):
    pid = kafka.pid
    assert kafka.start() is False
    assert kafka.pid == pid


def test_topics_are_created_once_and_differences_are_told(kafka_settings, topics):
    with Broker(kafka_settings) as broker:
        assert {one.outcome for one in broker.apply_topics(topics)} == {"unchanged"}
        wider = [dataclasses.replace(topics[0], partitions=5)]
        (applied,) = broker.apply_topics(wider)
        assert applied.outcome == "differs"
        assert applied.differences == ("partitions is 2, not 5",)
        assert {one.name: one.partitions for one in broker.list_topics()}[topics[0].name] == 2


def test_a_missing_topic_is_named_with_the_remedy(kafka_settings):
    with Broker(kafka_settings) as broker:
        with pytest.raises(TopicMissing, match=r"nobody\.v1.*millrace topics apply"):
            broker.identify(["nobody.v1"])
        with pytest.raises(TopicMissing):
            broker.log_ranges([("nobody.v1", 0)])


def test_a_recreated_topic_has_another_identity(kafka_settings, topics):
    name = topics[0].name
    with Broker(kafka_settings) as broker:
        before = broker.identify([name])[name]
        broker._ask(lambda client: client.delete_topics([name]))
        assert within(10, lambda: name not in {topic.name for topic in broker.list_topics()})
        broker.apply_topics(topics)
        after = broker.identify([name])[name]
    assert before.cluster_id == after.cluster_id
    assert before.topic_id != after.topic_id


def test_holes_that_transactions_leave_are_seen_as_holes(kafka_settings, topics):
    place = (topics[0].name, 0)
    produce(kafka_settings, place[0], [b"a", b"b"], transaction="committed")  # offsets 0, 1 and a marker at 2
    produce(kafka_settings, place[0], [b"c"], transaction="aborted")  # 3 is taken back, marker at 4
    produce(kafka_settings, place[0], [b"d"], transaction="committed")  # 5, marker at 6
    with Broker(kafka_settings) as broker:
        assert within(10, lambda: broker.log_ranges([place]) == {place: (0, 7)})  # markers follow the commit
    seen = probe(kafka_settings, place, 0, 7, timeout_s=10)
    assert (seen.log_start, seen.offsets, seen.position) == (0, [0, 1, 5], 7)
    assert probe(kafka_settings, place, 2, 5, timeout_s=10).offsets == []
    assert probe(kafka_settings, place, 2, 7, timeout_s=10, limit=1).offsets == [5]


def test_a_killed_broker_comes_back_with_everything_acknowledged(kafka, kafka_settings, topics):
    place = (topics[0].name, 0)
    produce(kafka_settings, place[0], [b"kept"])
    kafka.kill()
    assert kafka.pid is None
    with Broker(kafka_settings) as broker:
        with pytest.raises(BrokerUnreachable, match="millrace up"):
            broker.cluster_id()
        assert kafka.start() is True
        assert broker.log_ranges([place])[place] == (0, 1)
    assert probe(kafka_settings, place, 0, 1, timeout_s=10).offsets == [0]


def test_a_taken_port_is_told_before_anything_starts(tmp_path, kafka):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = KafkaServer(tmp_path, port=other.getsockname()[1], jars=kafka.jars)
        with pytest.raises(PortTaken, match="MILLRACE_KAFKA_LOCAL_PORT"):
            server.start()


def test_a_running_broker_is_not_started_on_a_second_port(kafka):
    with pytest.raises(LocalStackFailed, match="already runs"):
        KafkaServer(kafka.home, port=free_port(), jars=kafka.jars).start()


def test_a_broker_that_cannot_start_tells_its_last_words(tmp_path, kafka):
    server = KafkaServer(tmp_path, port=0, jars=kafka.jars)
    server.start()
    server.stop()
    (server.folder / "data" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=9\n")
    with pytest.raises(LocalStackFailed, match=r"ended while starting \(exit code 1\): .*node id"):
        server.start()


def test_nobody_answers_is_told_within_five_seconds():
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}")
    with Broker(settings) as broker, pytest.raises(BrokerUnreachable, match=settings.address):
        broker.cluster_id()


def test_the_broker_listens_on_this_machine_only(kafka):
    links = [link.readlink().name for link in Path(f"/proc/{kafka.pid}/fd").iterdir()]
    sockets = {name.removeprefix("socket:[").removesuffix("]") for name in links if name.startswith("socket:[")}
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    addresses = [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets]  # 0A is LISTEN
    assert len(addresses) == 2
    assert all(address in ("0100007F", "0000000000000000FFFF00000100007F") for address in addresses)
