"""``millrace produce`` against a real broker: what a person sends is what is there."""

import json
import signal
import time

import pytest

from schemas.records import decode
from schemas.reviews import Review
from tests.integration.command_line import CommandLine, records, write


@pytest.fixture
def millrace(kafka_settings, topics, tmp_path):
    return CommandLine(kafka_settings, tmp_path / "home")


def test_records_arrive_whole_with_key_headers_and_receipts_in_order(millrace, kafka_settings, topics, tmp_path):
    rows = [
        {"asin": f"p{number % 9}", "text": f"Review {number} 😀", "rating": "5.0", "ts": 1340409600}
        for number in range(3_000)
    ]
    file = write(tmp_path / "reviews.jsonl", rows)
    receipts = tmp_path / "receipts"
    mapped = ("--map", "product_id=asin", "--map", "created_at=ts")
    told = millrace("produce", "reviews", file, *mapped, "--receipts", receipts, "--json")
    assert told.returncode == 0, told.stderr
    outcome = json.loads(told.stdout)
    assert (outcome["produced"], outcome["rejected"]) == (3_000, 0)
    found = records(kafka_settings)
    assert len(found) == 3_000
    lines = receipts.read_text().splitlines()
    assert len(set(lines)) == 3_000
    for row, line in zip(rows, lines, strict=True):
        topic, partition, offset = line.rsplit(":", 2)
        record = found[int(partition), int(offset)]
        review = decode(record.value, Review)
        assert record.topic == topic
        assert (record.key, review.product_id) == (row["asin"].encode(), row["asin"])
        assert (review.text, review.rating) == (row["text"], 5)
    headers = dict(record.headers)
    assert headers["ce_type"] == b"millrace.review.v1"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"].decode() == f"{review.product_id}/{review.review_id}@0"
    assert headers["ce_time"] == b"2012-06-23T00:00:00+00:00"
    assert len(headers["traceparent"].split(b"-")) == 4
    ends = {}
    for partition, offset in found:
        ends[str(partition)] = max(ends.get(str(partition), 0), offset + 1)
    assert outcome["end"] == {"reviews": ends}


def test_one_key_keeps_its_order_and_its_partition(millrace, kafka_settings, topics, tmp_path):
    rows = [{"product_id": f"p{number % 9}", "review_id": f"{number:05}", "text": "x"} for number in range(2_000)]
    assert millrace("produce", "reviews", write(tmp_path / "r.jsonl", rows)).returncode == 0
    by_key = {}
    for place, record in sorted(records(kafka_settings).items()):
        by_key.setdefault(record.key, []).append((place[0], decode(record.value, Review).review_id))
    for found in by_key.values():
        assert len({partition for partition, _ in found}) == 1
        assert [name for _, name in found] == sorted(name for _, name in found)


def test_sending_a_file_twice_makes_the_same_records(millrace, kafka_settings, topics, tmp_path):
    file = write(tmp_path / "r.jsonl", [{"product_id": "p", "text": "same"}] * 50)
    for _ in range(2):
        assert millrace("produce", "reviews", file).returncode == 0
    values = [record.value for record in records(kafka_settings).values()]
    assert len(values) == 100
    assert len(set(values)) == 50


def test_bad_rows_are_told_kept_and_counted_and_the_good_ones_sent(millrace, kafka_settings, topics, tmp_path):
    rows = [
        {"product_id": "p", "review_id": "good", "text": "fine"},
        {"product_id": "p", "review_id": "seven", "text": "x", "rating": 7},
        {"product_id": "p", "review_id": "long", "text": "x" * 3_000_000},
        {"review_id": "nobody", "text": "x"},
        {"product_id": "p", "review_id": "future", "text": "x", "created_at": "2999-01-01T00:00:00Z"},
        {"product_id": "p", "review_id": "last", "text": ""},
    ]
    file = write(tmp_path / "r.jsonl", rows)
    rejects = tmp_path / "rejects.jsonl"
    told = millrace("produce", "reviews", file, "--rejects", rejects)
    assert told.returncode == 3
    assert "sent 2 reviews" in told.stdout
    assert "rejected 4" in told.stdout
    assert "r.jsonl:2  rating: Expected `int` <= 5" in told.stderr
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["line"], one["reason"], one["field"]) for one in kept] == [
        (2, "invalid_field", "rating"),
        (3, "text_too_long", "text"),
        (4, "missing_field", "product_id"),
        (5, "date_out_of_range", "created_at"),
    ]
    assert json.loads(kept[0]["row"]) == rows[1]
    assert {decode(one.value, Review).review_id for one in records(kafka_settings).values()} == {"good", "last"}


def test_a_missing_column_comes_with_the_columns_there_are(millrace, tmp_path):
    told = millrace("produce", "reviews", write(tmp_path / "r.jsonl", [{"asin": "p", "text": "x"}]))
    assert told.returncode == 3
    assert "asin, text; name the right one with --map product_id=COLUMN" in told.stderr


def test_the_rate_is_kept_and_the_limit_too(millrace, kafka_settings, topics, tmp_path):
    rows = [{"product_id": "p", "text": f"{number}"} for number in range(1_000)]
    file = write(tmp_path / "r.jsonl", rows)
    told = millrace("produce", "reviews", file, "--rate", "200", "--limit", "300", "--json")
    outcome = json.loads(told.stdout)
    assert outcome["produced"] == 300
    assert 1.4 < outcome["seconds"] < 4
    assert len(records(kafka_settings)) == 300


def test_a_slow_pipe_is_sent_as_it_comes(millrace, kafka_settings, topics):
    process = millrace.start("produce", "reviews", "-")
    process.stdin.write('{"product_id": "p", "text": "first"}\n')
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not records(kafka_settings) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(records(kafka_settings)) == 1  # while the pipe is still open
    out, _ = process.communicate('{"product_id": "p", "text": "second"}\n', timeout=30)
    assert "sent 2 reviews" in out


def test_an_interrupted_sending_says_what_was_confirmed(millrace, kafka_settings, topics, tmp_path):
    rows = [{"product_id": "p", "text": f"{number}"} for number in range(10_000)]
    process = millrace.start("produce", "reviews", write(tmp_path / "r.jsonl", rows), "--rate", "100", "--json")
    deadline = time.monotonic() + 30
    while not records(kafka_settings) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["produced"] == len(records(kafka_settings)) > 0


@pytest.mark.parametrize(
    ("kind", "row", "key", "event_id"),
    [
        ("documents", {"document_id": "d", "text": "x", "tenant": "t"}, b"d", b"t/d@0"),
        (
            "events",
            {"event_id": "e", "type": "sale", "entity": {"user": "u"}, "values": {}, "occurred_at": 0},
            b"u",
            b"e@0",
        ),
        ("requests", {"request_id": "q", "question": "Why?"}, b"q", b"q"),
        (
            "feedback",
            {
                "feedback_id": "f",
                "target_id": "t",
                "target_kind": "summary",
                "verdict": "up",
                "by": "me",
                "given_at": 0,
            },
            b"t",
            b"f",
        ),
    ],
)
def test_every_kind_has_its_topic_key_and_id(millrace, kafka_settings, topics, tmp_path, kind, row, key, event_id):
    told = millrace("produce", kind, write(tmp_path / "rows.jsonl", [row]))
    assert told.returncode == 0, told.stderr
    (record,) = records(kafka_settings, kind).values()
    assert record.key == key
    assert dict(record.headers)["ce_id"] == event_id


def test_without_topics_the_remedy_is_named(millrace, tmp_path):
    file = write(tmp_path / "r.jsonl", [{"product_id": "p", "text": "x"}])
    told = millrace("produce", "reviews", file, MILLRACE_KAFKA_PREFIX="nobody")
    assert told.returncode == 1
    assert "millrace topics apply" in told.stderr
