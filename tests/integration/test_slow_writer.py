"""A writer that takes a minute holds up nothing but its own texts."""

import contextlib
import signal
import time

import msgspec

from infra.store_errors import StoreMissing
from schemas.summaries import Summary
from tests.integration.harness import Workers, newest, read_topic, send, simulated, wait_until

SLEEP_S = 60


def test_a_slow_writer_moves_no_consumer_group_and_sigterm_stops_its_worker_at_once(
    tmp_path, kafka_settings, topics, store_environ
):
    reviews, values = simulated(200)
    send(kafka_settings, values[:100])
    slow_writer = {"MILLRACE_WRITER": "local:sleepy", "TEST_WRITER_SLEEP_S": str(SLEEP_S)}
    workers = Workers(tmp_path, kafka_settings, **slow_writer, **store_environ)
    try:
        workers.start("digest")
        slow = workers.start("summarize")
        wait_until(lambda: leased(workers) > 0, 60, told=workers.told)
        send(kafka_settings, values[100:])
        wait_until(lambda: counted(kafka_settings) == len(reviews), 40, told=workers.told)
        assert all(value.text is None for value in newest(read_topic(kafka_settings, "summaries"), Summary).values())
        started = time.monotonic()
        slow.send_signal(signal.SIGTERM)
        assert slow.wait(10) == 0
        assert time.monotonic() - started < 10
        assert workers.query("summarize", "SELECT count(*) FROM ledger") == [(0,)]  # the call in flight was dropped
        again = workers.start("summarize", TEST_WRITER_SLEEP_S="0.01")
        workers.rest(len(values))
        heartbeat = msgspec.json.decode((tmp_path / "run" / "summarize-0.json").read_bytes())
        assert heartbeat["pid"] == again.pid
        assert heartbeat["counters"]["replays"] == 0  # nothing of the stream was to be done again
        texts = newest(read_topic(kafka_settings, "summaries"), Summary)
        assert all(value.text == f"Written for {product_id}." for product_id, value in texts.items())
    finally:
        workers.stop()


def leased(workers):
    with contextlib.suppress(StoreMissing):
        return workers.query("summarize", "SELECT count(*) FROM work WHERE lease_owner IS NOT NULL")[0][0]
    return 0


def counted(kafka_settings):
    standing = newest(read_topic(kafka_settings, "summaries"), Summary)
    return sum(value.metrics.review_count for value in standing.values())
