"""``millrace erase review`` with real workers: what is erased is gone, and the receipt is true."""

import json
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType

from schemas.points import Points
from schemas.reviews import Review
from schemas.summaries import Summary
from schemas.tables import GROUPS, STORES
from streams.topics import topic_name
from tests.broker import admin, set_topic
from tests.integration.command_line import CommandLine
from tests.integration.harness import Workers, check_everything, newest, read_topic, send, simulated, wait_until

SECRET = "secret-review/7f3a"
MARK = b"zanzibar"
TEXT = (
    "The sole caught fire and burned my foot in Zanzibar. Great value for the money, says Zanzibar. "
    "The Zanzibar laces dissolved in salty water overnight."
)
OTHERS = simulated(120, products=2)[0]
PRODUCT = OTHERS[0].product_id
MINE = Review(review_id=SECRET, product_id=PRODUCT, text=TEXT, rating=1, created_at=OTHERS[60].created_at)
IDS_STAY = {("digest", "tombstones"), ("digest", "products"), ("summarize", "summaries")}
SLACK_S = 10.0
"""The broker looks for old segments every half second, and the machine may be busy."""


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    workers = Workers(tmp_path, kafka_settings, **store_environ)
    mixed = [*OTHERS[:60], MINE, *OTHERS[60:]]
    send(kafka_settings, [(one.product_id.encode(), msgspec.json.encode(one)) for one in mixed])
    try:
        workers.start("digest")
        workers.start("summarize")
        workers.rest(len(mixed))
        yield workers
    finally:
        workers.stop()


@pytest.fixture
def millrace(workers, kafka_settings, store_environ):
    millrace = CommandLine(kafka_settings, workers.home)
    millrace.environ |= store_environ
    return millrace


def test_what_is_erased_is_gone_everywhere_and_the_receipt_is_true(workers, millrace):
    before = count(workers)
    assert before["quotes"] > 0  # otherwise this test shows nothing
    told = millrace("erase", "review", f"{PRODUCT}/{SECRET}", "--json")
    assert told.returncode == 0, told.stderr
    receipt = json.loads(told.stdout)
    check_stores(workers)
    check_newest(workers.settings)
    check_everything(workers, OTHERS)
    check_counts(receipt, before)
    check_deletion(receipt, workers.settings)
    check_retained(receipt, workers.settings)
    assert receipt["scrubbed"] == ([] if "MILLRACE_SQL" in millrace.environ else ["digest", "summarize"])


@pytest.mark.parametrize("store_environ", ["sqlite"], indirect=True)
def test_it_stays_gone_until_the_topics_have_forgotten_it_too(workers, millrace):
    assert millrace("erase", "review", f"{PRODUCT}/{SECRET}").returncode == 0
    for revision in (0, 1):  # that of the tombstone is 1
        late = msgspec.structs.replace(MINE, revision=revision)
        send(workers.settings, [(PRODUCT.encode(), msgspec.json.encode(late))])
    for logical in ("reviews", "points", "summaries"):
        set_topic(workers.settings, topic_name(workers.settings.prefix, logical), retention_ms=10_000, segment_ms=500)
    again = millrace("erase", "review", SECRET, "--json")
    assert again.returncode == 0, again.stderr
    receipt = json.loads(again.stdout)
    assert (receipt["was"], receipt["receipt"], receipt["removed"], receipt["left"]) == ("deleted", None, [], [])
    check_stores(workers)
    ends = [datetime.fromisoformat(one["until"]).timestamp() for one in receipt["retained"]]
    wait_until(lambda: gone(workers.settings), max(ends, default=0.0) - time.time() + SLACK_S)


@pytest.mark.parametrize("store_environ", ["sqlite"], indirect=True)
def test_people_are_told_what_was_done_and_what_cannot_be(workers, millrace):
    told = millrace("erase", "review", SECRET, "--product", PRODUCT)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"Erased: review {SECRET} of {PRODUCT}\n")
    assert "Kafka keeps what was published until it expires" in told.stdout
    unknown = millrace("erase", "review", "nobody/knows")
    assert (unknown.returncode, unknown.stdout) == (5, "")
    assert "nothing is known of a review 'nobody/knows'" in unknown.stderr
    unseen = millrace("erase", "review", "nobody/knows", "--unseen", "--json")
    assert unseen.returncode == 0, unseen.stderr
    assert json.loads(unseen.stdout)["was"] == "unseen"
    workers.stop()
    alone = millrace("erase", "review", OTHERS[0].review_id)
    assert alone.returncode == 1
    assert "does not run, so nothing moves" in alone.stderr


def count(workers):
    """Count what there is of the review, without the code that erases."""
    mine = f"WHERE product_id = '{PRODUCT}'"
    ((record, text_points),) = workers.query("summarize", f"SELECT record, text_points FROM summaries {mine}")
    name = b'"review_id":"%s"' % SECRET.encode()
    parts = workers.query("digest", f"SELECT state FROM product_parts {mine}")
    ((ledger,),) = workers.query("summarize", f"SELECT count(*) FROM ledger WHERE subject = '{PRODUCT}'")
    state = sum(state.count(SECRET.encode()) for (state,) in parts)
    return {"quotes": record.count(name), "text": int(name in text_points), "state": state, "ledger": ledger}


def check_stores(workers):
    for agent in {agent for agent, _ in workers.processes}:
        for table in (table for group in STORES[agent] for table in GROUPS[group].sorted_tables):
            rows = workers.query(agent, f'SELECT * FROM "{table.name}"')
            cells = [cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row]
            assert not any(MARK in cell.lower() for cell in cells), (agent, table.name)
            named = any(SECRET.encode() in cell for cell in cells)
            assert named == ((agent, table.name) in IDS_STAY), (agent, table.name)
    for path in (workers.home / "state").glob("*"):
        assert MARK not in path.read_bytes().lower(), path


def check_newest(settings):
    for topic, kind in (("points", Points), ("summaries", Summary)):
        last = newest(read_topic(settings, topic), kind)[PRODUCT]
        assert MARK not in msgspec.json.encode(last).lower()


def check_counts(receipt, before):
    assert receipt["erased"] == {"kind": "review", "product_id": PRODUCT, "review_id": SECRET, "revision": 1}
    assert {(one["agent"], one["where"]): one["count"] for one in receipt["removed"]} == {
        ("digest", "reviews"): 1,
        ("digest", "product_parts"): before["state"],
        ("summarize", "summaries"): before["quotes"],
        ("summarize", "text"): before["text"],
        ("summarize", "ledger"): before["ledger"],
    }
    kept = {(one["agent"], one["where"]) for one in receipt["kept"]}
    assert kept == {("digest", "tombstones"), ("digest", "forgotten"), ("summarize", "forgotten")}
    assert (receipt["left"], receipt["looked_for"]) == ([], ["id", "words"])


def check_deletion(receipt, settings):
    by_receipt = {f"{one.topic}:{one.partition}:{one.offset}": one for one in read_topic(settings, "reviews")}
    record = by_receipt[receipt["receipt"]]
    assert record.key == PRODUCT.encode()
    deletion = Review(review_id=SECRET, product_id=PRODUCT, op="delete", revision=1)
    assert msgspec.json.decode(record.value, type=Review) == deletion
    headers = dict(record.headers)
    assert headers["ce_id"] == f"{PRODUCT}/{SECRET}@1".encode()
    assert headers["ce_type"] == b"millrace.review.v1"
    assert len(headers["traceparent"].split(b"-")) == 4


def check_retained(receipt, settings):
    retained = {one["topic"]: one for one in receipt["retained"]}
    for logical in ("reviews", "points", "summaries"):
        name = topic_name(settings.prefix, logical)
        holding = [one for one in read_topic(settings, logical) if MARK in one.value.lower()]
        assert holding
        last = datetime.fromtimestamp(max(one.timestamp for one in holding) / 1_000, UTC)
        told = retained.pop(name)
        assert (told["records"], told["unbounded"]) == (len(holding), None)
        assert told["partitions"] == sorted({one.partition for one in holding})
        assert datetime.fromisoformat(told["until"]) == last + kept_for(settings, name)
    assert retained == {}  # no dead letter ever held it


def kept_for(settings, topic):
    with admin(settings) as client:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic)]
        told = client.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"][topic]
    return timedelta(milliseconds=sum(int(told[name]["value"]) for name in ("retention.ms", "segment.ms")))


def gone(settings):
    return not any(
        MARK in (one.value or b"").lower()
        for logical in ("reviews", "points", "summaries")
        for one in read_topic(settings, logical)
    )
