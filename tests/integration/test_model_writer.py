"""Texts written by a language model behind an endpoint: whose they are, and that none is paid twice."""

import contextlib
import json
import signal

import pytest
import sqlalchemy as sa
from msgspec.json import decode, encode

from infra.store_errors import StoreMissing
from schemas import tables
from schemas.reviews import Review
from schemas.summaries import Summary
from tests import parrot
from tests.fake_endpoint import FakeEndpoint
from tests.integration.harness import Workers, newest, read_topic, same_revision_same_bytes, send, simulated, wait_until

CONCURRENCY = 2
INVENTED = json.dumps({"sentences": [{"text": "It won 99 awards in Sweden.", "points": ["P1"]}]})
SAID = {"kettle": "The water boils very quickly.", "coat": "The zipper broke after a week."}


@pytest.fixture
def endpoint():
    with FakeEndpoint(says=parrot.answer) as endpoint:
        yield endpoint


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ, endpoint):
    model = {
        "MILLRACE_WRITER": "openai:scripted",
        "MILLRACE_WRITER_URL": endpoint.url,
        "MILLRACE_WRITER_CONCURRENCY": str(CONCURRENCY),
        "MILLRACE_DIGEST_RUN_SIZE": "500",
    }
    workers = Workers(tmp_path, kafka_settings, **model, **store_environ)
    yield workers
    workers.stop()


def test_texts_are_the_models_sentences_and_extractive_where_it_invents_twice(workers, endpoint, kafka_settings):
    endpoint.says = lambda asked: INVENTED if "zipper" in json.dumps(asked["messages"]) else parrot.answer(asked)
    reviews = [
        Review(review_id=str(number), product_id=name, text=text, rating=5 if name == "kettle" else 1)
        for name, text in SAID.items()
        for number in range(8)
    ]
    send(kafka_settings, [(review.product_id.encode(), encode(review)) for review in reviews])
    workers.start("digest")
    workers.start("summarize")
    workers.rest(len(reviews))
    found = newest(read_topic(kafka_settings, "summaries"), Summary)
    kettle, coat = found["kettle"], found["coat"]
    (told,) = [asked for asked in endpoint.asked if "zipper" not in json.dumps(asked["messages"])]
    said = json.loads(parrot.answer(told))["sentences"]
    assert kettle.text == " ".join(one["text"] for one in said)
    assert (kettle.writer.engine, kettle.writer.model) == ("openai", "scripted")
    assert (kettle.writer.instead_of, kettle.writer.because) == (None, None)
    assert "zipper broke" in coat.text.lower()
    assert (coat.writer.engine, coat.writer.instead_of) == ("extractive", "openai:scripted")
    assert coat.writer.because.startswith("rejected twice: ")
    assert "says a number" in coat.writer.because
    assert "99" not in coat.writer.because
    assert len(endpoint.asked) == 1 + 2  # once, and twice


def test_a_replay_over_the_same_ledger_asks_nobody_and_brings_the_same_texts(workers, endpoint, kafka_settings):
    reviews, values = simulated(150)
    send(kafka_settings, values)
    workers.start("digest")
    wait_until(lambda: digested(workers, len(values)), 60, told=workers.told)
    workers.start("summarize")
    workers.rest(len(values))
    asked, texts = len(endpoint.asked), written(workers)
    assert asked == paid(workers) == len({review.product_id for review in reviews})
    stop(workers, "summarize")
    forgotten = (tables.summaries, tables.work, tables.work_inputs, tables.outbox, tables.fences)
    workers.change("summarize", *(sa.delete(table) for table in forgotten))
    workers.start("summarize")
    workers.rest(len(values))
    assert len(endpoint.asked) == asked
    assert written(workers) == texts
    assert workers.query("summarize", "SELECT sum(calls), sum(hits) FROM usage") == [(asked, asked)]


def test_a_crash_between_call_and_commit_costs_at_most_the_calls_in_flight(workers, endpoint, kafka_settings):
    _, values = simulated(200, products=6)
    send(kafka_settings, values)
    workers.start("digest")
    victim = workers.start("summarize", MILLRACE_CRASH_AT="work_after_call:3")
    wait_until(lambda: victim.poll() is not None, 60, told=workers.told)
    assert victim.returncode == -signal.SIGKILL
    workers.rest(len(values))
    assert 6 <= paid(workers) < len(endpoint.asked) <= paid(workers) + CONCURRENCY
    records = read_topic(kafka_settings, "summaries")
    assert same_revision_same_bytes(records, Summary)
    assert all(one.writer.engine == "openai" for one in newest(records, Summary).values())


def digested(workers, sent):
    """Whether all reviews are read and their points are published."""
    with contextlib.suppress(StoreMissing):
        (state,) = workers.query(
            "digest",
            "SELECT (SELECT coalesce(sum(next_offset), 0) FROM fences), "
            "(SELECT count(*) FROM timers) + (SELECT count(*) FROM outbox)",
        )
        return state == (sent, 0)
    return False


def paid(workers):
    """How many calls of the model the ledger has."""
    return workers.query("summarize", "SELECT count(*) FROM ledger WHERE engine = 'openai'")[0][0]


def written(workers):
    """The standing texts, and the call that each is from."""
    rows = workers.query("summarize", "SELECT product_id, record FROM summaries")
    found = {product_id: decode(record, type=Summary) for product_id, record in rows}
    return {product_id: (summary.text, summary.writer.ledger_key) for product_id, summary in found.items()}


def stop(workers, agent):
    process = workers.processes.pop((agent, 0))
    process.terminate()
    assert process.wait(20) == 0
