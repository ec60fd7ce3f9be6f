"""Receipts through the whole chain: what was just produced is in the next answer, or the answer says that it is not."""

import json
import signal
import time

import msgspec
import pytest
from kafka import KafkaProducer

from infra.kafka.connection import admin_options
from streams.__main__ import run
from streams.topics import topic_name
from tests.broker import delete_records, recreate_topic, transactional
from tests.integration.command_line import CommandLine, records, write
from tests.integration.harness import Workers, wait_until

SLOW = {"MILLRACE_DIGEST_QUIET_S": "60", "MILLRACE_DIGEST_UNREAD_S": "120", "MILLRACE_WRITER_DEBOUNCE_S": "60"}
"""Left alone, nothing of this happens while a test lasts."""

SOON_S = 30.0
"""Long enough for a busy machine, half of what the first timer would take."""


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    workers = Workers(tmp_path, kafka_settings, **SLOW, **store_environ)
    yield workers
    workers.stop()


@pytest.fixture
def millrace(kafka_settings, topics, tmp_path, store_environ):
    millrace = CommandLine(kafka_settings, tmp_path)
    millrace.environ |= store_environ
    return millrace


@pytest.fixture
def running(workers):
    for agent in ("digest", "summarize"):
        workers.start(agent)
    for agent in ("digest", "summarize"):
        wait_until(lambda agent=agent: '"state":"running"' in workers.beat(agent), 60, told=workers.told)
    return workers


on_sqlite = pytest.mark.parametrize("store_environ", ["sqlite"], indirect=True)


def reviews(*numbers, product="kettle"):
    return [
        {
            "review_id": f"r{number}",
            "product_id": product,
            "text": f"The spout of it drips after {number} days of use.",
            "rating": 2,
        }
        for number in numbers
    ]


def produce(millrace, rows):
    """Send reviews; returns their receipts as text, and the file that has them."""
    told, file = write(millrace.home / "reviews.jsonl", rows), millrace.home / "sent"
    done = millrace("produce", "reviews", told, "--receipts", file)
    assert done.returncode == 0, done.stderr
    return file.read_text().split(), f"@{file}"


def send_to(settings, partition, values, **options):
    """Send values to one partition of reviews, whatever their key."""
    producer = KafkaProducer(**admin_options(settings), **options)
    topic = topic_name(settings.prefix, "reviews")
    receipts = [producer.send(topic, msgspec.json.encode(value), partition=partition).get(10) for value in values]
    producer.close()
    return [f"{topic}:{one.partition}:{one.offset}" for one in receipts]


def count(told):
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)["metrics"]["review_count"]


def test_a_summary_read_with_receipts_holds_them_long_before_any_timer_is_due(running, millrace):
    started = time.monotonic()
    for batch in (reviews(1, 2, 3), reviews(4)):
        receipts, file = produce(millrace, [*batch, *reviews(*(row["review_id"] for row in batch), product="lamp")])
        told = millrace("summaries", "kettle", "--at-least", file, "--json")
        assert told.returncode == 0, told.stderr
        summary = json.loads(told.stdout)
        of_kettle, place = receipts[len(batch) - 1], summary["sources"]["reviews"]
        _, partition, offset = of_kettle.rsplit(":", 2)
        assert place[partition] > int(offset)
        assert summary["text"]
    assert summary["metrics"]["review_count"] == 4
    assert time.monotonic() - started < SOON_S


@on_sqlite
def test_one_receipt_is_enough_and_a_table_is_read_with_it_too(running, millrace):
    (*_, last), _ = produce(millrace, reviews(1, 2, 3))
    told = millrace("summaries", "--at-least", last)
    assert (told.returncode, told.stderr) == (0, "")
    assert "kettle" in told.stdout
    waited = millrace("wait", "--at-least", last, "--json")
    assert json.loads(waited.stdout)["standing"] is True


def test_a_review_that_another_partition_brought_first_is_waited_for_where_it_is_held(
    running, millrace, kafka_settings
):
    (first,) = send_to(kafka_settings, 0, reviews(1))
    wait_until(lambda: running.query("digest", "SELECT count(*) FROM timers") == [(1,)], 30, told=running.told)
    (again,) = send_to(kafka_settings, 1, reviews(1))
    assert first.split(":")[1] != again.split(":")[1]
    assert count(millrace("summaries", "kettle", "--at-least", again, "--json")) == 1


@on_sqlite
def test_what_stands_is_shown_with_its_staleness_when_the_time_is_over(running, millrace):
    _, file = produce(millrace, reviews(1, 2, 3))
    before = millrace("summaries", "kettle", "--at-least", file, "--json")
    assert count(before) == 3
    running.processes["summarize", 0].send_signal(signal.SIGSTOP)
    _, file = produce(millrace, reviews(4, 5))
    late = millrace("summaries", "kettle", "--at-least", file, "--timeout", "3", "--json")
    assert (late.returncode, late.stdout) == (4, before.stdout)
    told = json.loads(late.stderr)
    assert told["standing"] is False
    (gap,) = told["gaps"]
    assert (gap["agent"], gap["topic"], gap["held_by"]) == (
        "summarize",
        topic_name(running.settings.prefix, "points"),
        "fence",
    )
    assert 0 < gap["stale_s"] == told["stale_s"] < SOON_S
    people = millrace("summaries", "kettle", "--at-least", file, "--timeout", "1")
    assert people.returncode == 4
    assert "kettle" in people.stdout
    assert "summarize lacks 1 event, the oldest" in people.stderr
    assert len(people.stderr.splitlines()) == 1
    running.processes["summarize", 0].send_signal(signal.SIGCONT)
    assert count(millrace("summaries", "kettle", "--at-least", file, "--json")) == 5


@on_sqlite
def test_nobody_is_waited_for_who_does_not_run(running, millrace):
    _, file = produce(millrace, reviews(1, 2, 3))
    assert count(millrace("summaries", "kettle", "--at-least", file, "--json")) == 3
    running.processes["summarize", 0].terminate()
    running.processes["summarize", 0].wait(30)
    _, file = produce(millrace, reviews(4))
    started = time.monotonic()
    late = millrace("summaries", "kettle", "--at-least", file, "--timeout", "100")
    assert time.monotonic() - started < SOON_S
    assert late.returncode == 4
    assert "kettle" in late.stdout
    assert "summarize lacks 1 event" in late.stderr
    assert "it does not run. Start it: `millrace up`" in late.stderr
    unknown = millrace("summaries", "lamp", "--at-least", file, "--timeout", "100", "--json")
    assert (unknown.returncode, unknown.stdout) == (4, "")  # it may stand once what is missing does
    recreate_topic(running.settings, topic_name(running.settings.prefix, "points"))
    strange = millrace("wait")
    assert strange.returncode == 1
    assert "summarize cannot go on" in strange.stderr
    assert "was deleted and created again" in strange.stderr


@on_sqlite
def test_what_cannot_come_is_told_at_once(millrace, kafka_settings, monkeypatch, capsys):
    for name, value in millrace.environ.items():
        monkeypatch.setenv(name, value)
    topic = topic_name(kafka_settings.prefix, "reviews")
    send_to(kafka_settings, 0, reviews(1, 2, 3))
    delete_records(kafka_settings, topic, 0, 2)
    for receipt, code, words in (
        (f"{topic}:0:3", 5, f"no such record yet: {topic}:0:3; {topic}:0 ends at 3"),
        (f"{topic}:1:0", 5, f"{topic}:1 ends at 0"),
        (f"{topic}:2:0", 5, f"no such partition: {topic}:2; {topic} has 2, from 0"),
        (f"{topic}:0:1", 5, f"{topic}:0:1 expired before digest read it; {topic}:0 begins at 2"),
        ("summaries:0:0", 2, "nobody reads summaries"),
        ("reviews:0", 2, "is no receipt TOPIC:PARTITION:OFFSET"),
        ("@nowhere", 2, "cannot read nowhere"),
    ):
        for command in ("wait", "summaries"):
            assert run([command, "--at-least", receipt]) == code
            told = capsys.readouterr()
            assert told.out == ""
            assert words in told.err
            assert len(told.err.splitlines()) == 1


@on_sqlite
def test_an_acknowledged_record_behind_an_open_transaction_does_not_stand_yet(
    running, millrace, kafka_settings, prefix
):
    topic = topic_name(kafka_settings.prefix, "reviews")
    with transactional(kafka_settings, prefix) as producer:
        producer.begin_transaction()
        producer.send(topic, msgspec.json.encode(reviews(1)[0]), partition=0).get(10)
        (behind,) = send_to(kafka_settings, 0, reviews(2))
        for arguments in (("wait",), ("wait", "--at-least", behind)):
            told = millrace(*arguments, "--timeout", "2", "--json")
            assert told.returncode == 4
            (gap,) = json.loads(told.stdout)["gaps"]
            assert (gap["missing"], gap["held_by"]) == (2, "fence")
            assert gap["stale_s"] > 0
        producer.commit_transaction()
        told = millrace("wait", "--json")  # its mark may not be written yet
    assert told.returncode == 0, told.stdout
    assert count(millrace("summaries", "kettle", "--json")) == 2


@on_sqlite
def test_a_trace_goes_from_the_producer_through_timer_and_writer_to_the_summary(running, millrace, kafka_settings):
    _, file = produce(millrace, reviews(1))
    assert count(millrace("summaries", "kettle", "--at-least", file, "--json")) == 1
    assert running.query("summarize", "SELECT count(*) FROM ledger") == [(1,)]  # a writer was asked
    (sent,) = traces(kafka_settings, "reviews")
    version, trace_id, span_id, flags = sent.split("-")
    assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "01")
    for topic in ("points", "summaries"):
        assert {one.split("-")[1] for one in traces(kafka_settings, topic)} == {trace_id}


def traces(kafka_settings, topic):
    found = [dict(one.headers).get("traceparent") for one in records(kafka_settings, topic).values()]
    assert found
    assert None not in found
    return [one.decode() for one in found]


@on_sqlite
def test_a_wait_right_after_the_first_up_sees_the_workers_come(millrace, kafka_settings):
    millrace.environ |= {"MILLRACE_METRICS_PORT": "0", "MILLRACE_KAFKA_PARTITIONS": "2"}  # nothing more to wait for
    send_to(kafka_settings, 0, reviews(1, 2))
    try:
        up = millrace("up", "--only", "workers", "--detach")
        assert up.returncode == 0, up.stderr
        waited = millrace("wait")
        assert waited.returncode == 0, waited.stderr
        assert count(millrace("summaries", "kettle", "--json")) == 2
    finally:
        millrace("down")
