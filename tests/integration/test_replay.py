"""``millrace dead-letters replay`` against a real broker."""

import base64
import contextlib
import hashlib
import json

import pytest

from infra.store_errors import StoreMissing
from schemas.dead_letters import DeadLetter
from schemas.records import decode
from streams.topics import topic_name
from tests.integration.command_line import CommandLine, records
from tests.integration.harness import Workers, send, wait_until


@pytest.fixture
def millrace(kafka_settings, topics, tmp_path):
    return CommandLine(kafka_settings, tmp_path)


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


def coded(value):
    return base64.b64encode(value).decode()


def delete_letter(topic, partition=1, offset=5, product_id="p", review_id="r0"):
    """A delete that the first release could not apply, byte for byte as it kept it."""
    payload = b'{"review_id": "%s", "product_id": "%s", "op": "delete"}' % (review_id.encode(), product_id.encode())
    return json.dumps(
        {
            "dead_letter_id": f"digest:{topic}:{partition}:{offset}",
            "agent": "digest",
            "source": {"topic": topic, "partition": partition, "offset": offset},
            "reason": "not_yet_supported",
            "error": "op: deletions are not applied yet; this record is kept and can be replayed when they are",
            "payload_base64": coded(payload),
            "headers": [
                {"key": "ce_id", "value_base64": coded(f"{product_id}/{review_id}@0".encode())},
                {"key": "nothing", "value_base64": None},
            ],
            "failed_at": "2026-11-21T17:00:00.123456Z",
            "field": "op",
            "key_base64": coded(product_id.encode()),
            "payload_bytes": len(payload),
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
        },
        separators=(",", ":"),
    ).encode(), payload


def test_an_event_is_sent_again_as_it_was_and_the_receipt_points_at_it(millrace, kafka_settings):
    topic = topic_name(kafka_settings.prefix, "reviews")
    letter, payload = delete_letter(topic)
    away, _ = delete_letter(topic, partition=7, offset=6)  # of a topic that had more partitions
    lost = json.loads(delete_letter(topic, offset=9)[0]) | {"reason": "records_lost", "payload_base64": None}
    values = [(b"p", letter), (b"p", letter), (b"p", away), (b"q", json.dumps(lost).encode()), (b"q", b"no letter")]
    send(kafka_settings, values, "dead-letters")
    shown = millrace("dead-letters", "replay", "--all", "--dry-run")
    assert "would replay 2 dead letters, left out 1" in shown.stdout
    assert records(kafka_settings) == {}
    told = millrace("dead-letters", "replay", "--reason", "not_yet_supported", "--json")
    assert told.returncode == 0, told.stderr
    first, second = [json.loads(line) for line in told.stdout.splitlines()]
    found = records(kafka_settings)
    assert len(found) == 2
    _, partition, offset = first["receipt"].rsplit(":", 2)
    record = found[int(partition), int(offset)]
    assert (record.partition, record.key, record.value) == (1, b"p", payload)
    assert record.headers == [
        ("ce_id", b"p/r0@0"),
        ("nothing", None),
        ("millrace_replay_of", f"digest:{topic}:1:5".encode()),
    ]
    assert second["to"] in (f"{topic}:0", f"{topic}:1")
    told = millrace("dead-letters", "replay", "--all")
    assert told.returncode == 3
    assert f"left out digest:{topic}:1:9: the broker deleted these events" in told.stderr
    assert len(records(kafka_settings)) == 4


def letters(kafka_settings):
    return [decode(record.value, DeadLetter) for record in records(kafka_settings, "dead-letters").values()]


def test_an_event_that_fails_again_becomes_a_new_letter_that_names_the_old_one(millrace, workers, kafka_settings):
    send(kafka_settings, [(b"p", b"\xff no json")])
    workers.start("digest")
    wait_until(lambda: len(letters(kafka_settings)) == 1, 60, told=workers.told)
    (first,) = letters(kafka_settings)
    told = millrace("dead-letters", "replay", first.dead_letter_id[:-1])
    assert "replayed 1 dead letter, left out 0" in told.stdout, told.stderr
    wait_until(lambda: len(letters(kafka_settings)) == 2, 60, told=workers.told)
    (second,) = [one for one in letters(kafka_settings) if one.dead_letter_id != first.dead_letter_id]
    headers = {header.key: base64.b64decode(header.value_base64) for header in second.headers}
    assert headers["millrace_replay_of"].decode() == first.dead_letter_id
    assert (second.payload_base64, second.key_base64) == (first.payload_base64, first.key_base64)
    told = millrace("dead-letters", "replay", "--all", "--json")
    assert [json.loads(line)["dead_letter_id"] for line in told.stdout.splitlines()] == [second.dead_letter_id]


def test_a_delete_that_the_first_release_could_not_apply_is_applied_when_it_is_replayed(
    millrace, workers, kafka_settings
):
    topic = topic_name(kafka_settings.prefix, "reviews")
    rows = [{"product_id": "p", "review_id": f"r{number}", "text": "It broke after a week."} for number in range(3)]
    send(kafka_settings, [(b"p", json.dumps(row).encode()) for row in rows])
    send(kafka_settings, [(b"p", delete_letter(topic)[0])], "dead-letters")
    workers.start("digest")
    kept = "SELECT review_id FROM reviews ORDER BY review_id"
    wait_until(lambda: folded(workers) == 3, 60, told=workers.told)
    assert millrace("dead-letters", "replay", "--reason", "not_yet_supported").returncode == 0
    wait_until(lambda: folded(workers) == 4, 60, told=workers.told)
    assert workers.query("digest", kept) == [("r1",), ("r2",)]
    assert millrace("dead-letters", "replay", "--reason", "not_yet_supported").returncode == 0  # twice is harmless
    wait_until(lambda: folded(workers) == 5, 60, told=workers.told)
    assert workers.query("digest", kept) == [("r1",), ("r2",)]
    assert len(letters(kafka_settings)) == 1


def folded(workers):
    """How many events are in digest's state."""
    with contextlib.suppress(StoreMissing):
        return workers.query("digest", "SELECT coalesce(sum(next_offset), 0) FROM fences")[0][0]
    return 0
