import time

import msgspec
from click.testing import CliRunner
from kafka import KafkaProducer

from infra.kafka.admin import Broker
from infra.kafka.connection import admin_options
from infra.kafka.reading import first_times, read_ranges, topic_ranges
from infra.settings import Settings
from streams.cli.dead_letters import command
from streams.cli.waits.surroundings import LocalSurroundings
from streams.topics import topic_name
from tests.broker import delete_records, transactional
from tests.integration.harness import wait_until
from tests.streams.cli.samples import letter


def send(settings, logical, values, partition=0, **options):
    topic = topic_name(settings.prefix, logical)
    producer = KafkaProducer(**admin_options(settings), **options)
    if options:
        producer.init_transactions()
        producer.begin_transaction()
    for value in values:
        producer.send(topic, value=value, partition=partition)
    if options:
        producer.commit_transaction()
    producer.flush()
    producer.close()
    return topic


def test_every_record_of_a_range_is_read_once_and_nothing_after_it(kafka_settings, topics) -> None:
    topic = send(kafka_settings, "points", [b"a", b"b", b"c", b"d"])
    send(kafka_settings, "points", [b"x"], partition=1)
    with Broker(kafka_settings) as broker:
        ranges = topic_ranges(broker, [topic])
    assert ranges == {(topic, 0): (0, 4), (topic, 1): (0, 1)}
    send(kafka_settings, "points", [b"later"])
    read = sorted((one.partition, one.offset, one.value) for one in read_ranges(kafka_settings, ranges))
    assert read == [(0, 0, b"a"), (0, 1, b"b"), (0, 2, b"c"), (0, 3, b"d"), (1, 0, b"x")]
    assert [one.value for one in read_ranges(kafka_settings, {(topic, 0): (1, 3)})] == [b"b", b"c"]


def test_the_first_record_of_each_range_tells_its_time_and_no_record_none(kafka_settings, topics, prefix) -> None:
    before = time.time()
    topic = send(kafka_settings, "reviews", [b"a", b"b"])
    first = first_times(kafka_settings, {(topic, 0): (1, 2), (topic, 1): (0, 0)})
    assert list(first) == [(topic, 0)]
    assert before - 1 <= first[topic, 0] <= time.time() + 1
    with transactional(kafka_settings, prefix) as producer:
        producer.begin_transaction()
        producer.send(topic, b"open", partition=1).get(10)
        assert list(first_times(kafka_settings, {(topic, 1): (0, 1)})) == [(topic, 1)]
        producer.commit_transaction()
    assert first_times(kafka_settings, {(topic, 1): (1, 2)}) == {}  # the mark is no record
    delete_records(kafka_settings, topic, 0, 1)
    assert first_times(kafka_settings, {(topic, 0): (0, 2)}) == first  # the first that is kept


def test_the_end_of_all_acknowledged_records_is_not_held_back_by_an_open_transaction(
    kafka_settings, topics, prefix
) -> None:
    with transactional(kafka_settings, prefix) as producer, Broker(kafka_settings) as broker:
        producer.begin_transaction()
        topic = topic_name(kafka_settings.prefix, "reviews")
        producer.send(topic, b"open", partition=0).get(10)
        send(kafka_settings, "reviews", [b"behind"])
        assert topic_ranges(broker, [topic])[topic, 0] == (0, 0)
        assert topic_ranges(broker, [topic], committed=False)[topic, 0] == (0, 2)
        producer.abort_transaction()


def test_the_mark_a_transaction_leaves_is_no_record_to_wait_for(kafka_settings, topics, tmp_path, prefix) -> None:
    topic = send(kafka_settings, "reviews", [b"one"], transactional_id=prefix)
    settings = Settings(home=tmp_path, kafka=kafka_settings)
    with Broker(kafka_settings) as broker:
        around = LocalSurroundings(settings, broker)
        wait_until(lambda: around.ranges(["reviews"])[topic, 0] == (0, 2), 10)  # the mark is written after the commit
        assert around.empty((topic, 0), 1, 2)
        assert not around.empty((topic, 0), 0, 2)


def test_dead_letters_are_listed_and_shown_and_strangers_do_not_stop_it(kafka_settings, topics, tmp_path) -> None:
    letters = [letter(number, age_s=90 - number) for number in range(3)]
    send(kafka_settings, "dead-letters", [b"not ours", *map(msgspec.json.encode, letters[1:])])
    send(kafka_settings, "dead-letters", [msgspec.json.encode(letters[0])], partition=1)
    env = {"MILLRACE_HOME": str(tmp_path), "MILLRACE_KAFKA": kafka_settings.bootstrap}
    env["MILLRACE_KAFKA_PREFIX"] = kafka_settings.prefix
    runner = CliRunner()
    told = runner.invoke(command, ["list", "--json"], env=env)
    assert told.stdout_bytes == b"".join(msgspec.json.encode(one) + b"\n" for one in letters)
    assert "no dead letter of ours" in told.stderr
    assert len(runner.invoke(command, ["list", "--limit", "1", "--json"], env=env).stdout.splitlines()) == 1
    shown = runner.invoke(command, ["show", letters[2].dead_letter_id, "--json"], env=env)
    assert shown.stdout_bytes == msgspec.json.encode(letters[2]) + b"\n"
    missing = runner.invoke(command, ["show", "digest:x:0:0"], env=env)
    assert missing.exception.code == 5
