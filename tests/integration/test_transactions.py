"""An input topic written by transactions: what was committed counts once, what was aborted never."""

import random

import msgspec
import pytest

from streams.topics import topic_name
from tests.broker import delete_records, log_ends, transactional
from tests.integration.harness import Workers, check_everything, read_topic, send, simulated, wait_until


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


def test_committed_records_count_once_and_aborted_ones_never(workers, kafka_settings, prefix):
    reviews, values = simulated(360, products=6)
    topic, chance = topic_name(kafka_settings.prefix, "reviews"), random.Random(1)
    for agent in ("digest", "summarize"):
        workers.start(agent)
    with transactional(kafka_settings, f"{prefix}-a") as one, transactional(kafka_settings, f"{prefix}-b") as other:
        producers = {product: (one, other)[number % 2] for number, product in enumerate(sorted(ids(reviews)))}
        kept = []
        for start in range(0, len(reviews), 30):
            some = list(zip(reviews[start : start + 30], values[start : start + 30], strict=True))
            kept += interleave(producers, topic, some, chance)
    workers.rest(end(kafka_settings))  # marks at the end are passed, too
    assert 0 < len(kept) < len(reviews)
    check_everything(workers, kept)
    assert read_topic(kafka_settings, "dead-letters") == []


def interleave(producers, topic, reviews, chance):
    """Send some reviews in a transaction of each producer; returns those that were committed."""
    both = list(dict.fromkeys(producers.values()))
    for producer in both:
        producer.begin_transaction()
    for review, (key, value) in reviews:
        producers[review.product_id].send(topic, value, key)
        if chance.random() < 0.2:  # so that batches of both lie between each other
            chance.choice(both).flush()
    committed = {producer: chance.random() < 0.6 for producer in both}
    for producer in chance.sample(both, 2):
        if committed[producer]:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    return [review for review, _ in reviews if committed[producers[review.product_id]]]


def test_marks_that_retention_deletes_are_no_loss(workers, kafka_settings, prefix):
    reviews, values = simulated(40, products=2)
    topic = topic_name(kafka_settings.prefix, "reviews")
    with transactional(kafka_settings, prefix) as producer:
        for review, (key, value) in zip(reviews[:20], values[:20], strict=True):
            producer.begin_transaction()
            producer.send(topic, value, key)
            producer.send(topic, msgspec.json.encode(msgspec.structs.replace(review, review_id="aborted")), key)
            producer.flush()
            producer.abort_transaction()
            producer.begin_transaction()
            producer.send(topic, value, key)
            producer.commit_transaction()
    digest = workers.start("digest")
    workers.start("summarize")
    workers.rest(end(kafka_settings))
    digest.terminate()
    digest.wait(60)
    for (_, partition), until in log_ends(kafka_settings, "reviews").items():
        delete_records(kafka_settings, topic, partition, until)
    send(kafka_settings, values[20:])
    workers.start("digest")
    workers.rest(end(kafka_settings))
    check_everything(workers, reviews)


def test_a_transaction_left_open_holds_up_only_what_comes_after_it(workers, kafka_settings, prefix):
    reviews, values = simulated(30, products=2)
    topic = topic_name(kafka_settings.prefix, "reviews")
    send(kafka_settings, values[:10])
    with transactional(kafka_settings, prefix) as producer:
        producer.begin_transaction()
        for key, value in values[10:20]:
            producer.send(topic, value, key)
        producer.flush()
        send(kafka_settings, values[20:])
        workers.start("digest")
        workers.start("summarize")
        workers.rest(10)
        wait_until(lambda: reviews_kept(workers) == 10, 30, told=workers.told)
        check_everything(workers, reviews[:10])
        producer.commit_transaction()
    workers.rest(end(kafka_settings))
    check_everything(workers, reviews)


def ids(reviews):
    return {review.product_id for review in reviews}


def reviews_kept(workers):
    return workers.query("digest", "SELECT count(*) FROM reviews")[0][0]


def end(kafka_settings):
    return sum(log_ends(kafka_settings, "reviews").values())
