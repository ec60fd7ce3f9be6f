"""``millrace produce`` after interruptions: nothing is missing, and little comes twice."""

import json
import os
import signal
import time
from collections import Counter

import pytest

from infra.kafka.admin import Broker
from schemas.records import decode
from schemas.reviews import Review
from streams.cli.sending.checkpoints import KEEP_S
from streams.topics import topic_name
from tests.integration.command_line import CommandLine, records, write
from tests.integration.harness import wait_until

RATE = 1_000
IN_FLIGHT_S = 1.0
"""What is under way at a time, in seconds of sending: linger, a batch, and a busy machine."""


@pytest.fixture
def millrace(kafka_settings, topics, tmp_path):
    return CommandLine(kafka_settings, tmp_path / "home")


def reviews(count, broken_every=0):
    rows = []
    for number in range(count):
        row = {"product_id": f"p{number % 9}", "review_id": f"{number:05}", "text": f"Number {number}"}
        if broken_every and number % broken_every == broken_every - 1:
            row["rating"] = 7
        rows.append(row)
    return rows


def name_of(record):
    return decode(record.value, Review).review_id


def good(rows):
    return [row["review_id"] for row in rows if "rating" not in row]


def standing(millrace):
    """The rows of the checkpoint, if there is one."""
    found = list((millrace.home / "produce").glob("*.json"))
    return json.loads(found[0].read_bytes())["rows"] if found else None


def check_receipts(path, rows, found):
    """Complete, in order, and each points at its record."""
    lines = path.read_text().splitlines()
    assert len(lines) == len(good(rows))
    for name, line in zip(good(rows), lines, strict=True):
        _, partition, offset = line.rsplit(":", 2)
        assert name_of(found[int(partition), int(offset)]) == name


def first_appearances_in_order(found):
    """Within a partition the rows come in order, when repeats are left out."""
    for partition in {place[0] for place in found}:
        names = [name_of(record) for place, record in sorted(found.items()) if place[0] == partition]
        firsts = list(dict.fromkeys(names))
        if firsts != sorted(firsts):
            return False
    return True


def test_a_run_that_was_killed_goes_on_without_a_gap_and_its_files_end_complete(millrace, kafka_settings, tmp_path):
    rows = reviews(5_000, broken_every=100)
    receipts, rejects = tmp_path / "receipts", tmp_path / "rejects"
    file = write(tmp_path / "r.jsonl", rows)
    command = ("produce", "reviews", file, "--rate", RATE, "--receipts", receipts, "--rejects", rejects, "--json")
    kills = 2
    for _ in range(kills):
        before = standing(millrace) or 0
        process = millrace.start(*command)
        wait_until(lambda seen=before: (standing(millrace) or 0) >= seen + 500, 60)
        process.kill()
        process.communicate()
    before = standing(millrace)
    with receipts.open("a") as killed:
        killed.write("half a rece")  # as a kill in the middle of a write leaves it
    told = millrace(*command)
    assert told.returncode == 3, told.stderr
    assert f"going on after row {before:,} of an interrupted run (--from-start sends everything again)" in told.stderr
    outcome = json.loads(told.stdout)
    assert outcome["resumed_at"] == before
    assert outcome["produced"] + outcome["rejected"] == len(rows) - before
    found = records(kafka_settings)
    times = Counter(name_of(record) for record in found.values())
    assert set(times) == set(good(rows))
    assert sum(times.values()) - len(times) <= kills * RATE * (KEEP_S + IN_FLIGHT_S)
    assert first_appearances_in_order(found)
    check_receipts(receipts, rows, found)
    kept = [json.loads(json.loads(line)["row"])["review_id"] for line in rejects.read_text().splitlines()]
    assert kept == [row["review_id"] for row in rows if "rating" in row]
    assert standing(millrace) is None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_told_to_end_goes_on_and_sends_nothing_twice(millrace, kafka_settings, tmp_path, how):
    rows = reviews(3_000)
    command = ("produce", "reviews", write(tmp_path / "r.jsonl", rows), "--rate", RATE, "--json")
    process = millrace.start(*command)
    wait_until(lambda: records(kafka_settings), 60)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    first = json.loads(out)
    assert f"run the same command, it goes on after row {first['produced']:,}" in err
    second = json.loads(millrace(*command).stdout)
    assert (first["resumed_at"], second["resumed_at"]) == (None, first["produced"])
    assert sorted(map(name_of, records(kafka_settings).values())) == good(rows)


def test_the_broker_killed_in_the_middle_of_a_run_costs_nothing(millrace, kafka, kafka_settings, tmp_path):
    rows = reviews(4_000)
    receipts = tmp_path / "receipts"
    process = millrace.start(
        "produce", "reviews", write(tmp_path / "r.jsonl", rows), "--rate", 500, "--receipts", receipts, "--json"
    )
    wait_until(lambda: receipts.exists() and receipts.stat().st_size > 0, 60)
    kafka.kill()
    kafka.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    outcome = json.loads(out)
    assert (outcome["produced"], outcome["resumed_at"]) == (4_000, None)
    found = records(kafka_settings)
    assert sorted(map(name_of, found.values())) == good(rows)  # an idempotent producer's repeats are dropped
    assert first_appearances_in_order(found)
    check_receipts(receipts, rows, found)


def test_a_run_whose_broker_stays_away_goes_on_when_it_is_back(millrace, kafka, kafka_settings, tmp_path):
    rows = reviews(4_000)
    command = ("produce", "reviews", write(tmp_path / "r.jsonl", rows), "--rate", RATE)
    process = millrace.start(*command)
    wait_until(lambda: standing(millrace), 60)
    kafka.kill()
    try:
        process.send_signal(signal.SIGINT)  # a person does not wait for the producer's patience
        os.kill(process.pid, 0)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 130
    finally:
        kafka.start()
    before = standing(millrace)
    told = millrace(*command)
    assert f"going on after row {before:,}" in told.stderr
    assert set(map(name_of, records(kafka_settings).values())) == set(good(rows))


def test_from_start_a_recreated_topic_and_another_file_begin_anew(millrace, kafka_settings, topics, tmp_path):
    rows = reviews(2_500)
    file = write(tmp_path / "r.jsonl", rows)

    def interrupt():
        process = millrace.start("produce", "reviews", file, "--rate", RATE)
        wait_until(lambda: standing(millrace), 60)
        process.kill()
        process.communicate()

    interrupt()
    told = millrace("produce", "reviews", write(tmp_path / "other.jsonl", rows[:5]), "--json")
    assert json.loads(told.stdout)["resumed_at"] is None
    told = millrace("produce", "reviews", file, "--from-start", "--json")
    assert (json.loads(told.stdout)["produced"], json.loads(told.stdout)["resumed_at"]) == (2_500, None)
    interrupt()
    told = millrace("produce", "reviews", file, "--receipts", tmp_path / "receipts", "--json")
    assert "does not hold its receipts: sending everything again" in told.stderr
    assert json.loads(told.stdout)["produced"] == 2_500
    interrupt()
    name = topic_name(kafka_settings.prefix, "reviews")
    with Broker(kafka_settings) as broker:
        broker._ask(lambda client: client.delete_topics([name]))
        wait_until(lambda: name not in {topic.name for topic in broker.list_topics()}, 30)
        broker.apply_topics(topics)
    told = millrace("produce", "reviews", file, "--json")
    assert (json.loads(told.stdout)["produced"], json.loads(told.stdout)["resumed_at"]) == (2_500, None)


def test_a_pipe_has_no_checkpoint(millrace, tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in reviews(2_900))
    process = millrace.start("produce", "reviews", "-", "--rate", RATE)
    process.stdin.write(lines)
    process.stdin.flush()
    time.sleep(2 * KEEP_S)
    process.kill()
    process.communicate()
    assert standing(millrace) is None
    told = millrace("produce", "reviews", "-", stdin=lines)
    assert told.stderr == ""
    assert "sent 2,900 reviews" in told.stdout
