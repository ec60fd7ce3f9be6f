"""A topic deleted and made anew under its name: refused with the remedy, and nothing is skipped or counted twice."""

import signal

import pytest

from streams.topics import topic_name
from streams.worker import REFUSED
from tests.broker import recreate_topic
from tests.integration.command_line import CommandLine
from tests.integration.harness import Workers, check_everything, send, simulated, wait_until


@pytest.fixture
def workers(tmp_path, kafka_settings, topics):
    workers = Workers(tmp_path, kafka_settings)
    yield workers
    workers.stop()


@pytest.fixture
def topic(kafka_settings):
    return topic_name(kafka_settings.prefix, "reviews")


@pytest.fixture
def history(workers, kafka_settings):
    """Reviews and what carries them; the first 40 stand."""
    reviews, values = simulated(100, products=1)
    send(kafka_settings, values[:40])
    workers.start("digest")
    workers.start("summarize")
    workers.rest(40)
    return reviews, values


def test_running_and_starting_workers_refuse_it_and_go_on_after_a_reset(workers, kafka_settings, topic, history):
    reviews, values = history
    other = workers.start("digest", slot=1)
    recreate_topic(kafka_settings, topic)
    assert workers.processes["digest", 0].wait(60) == REFUSED
    assert other.wait(60) == REFUSED
    assert workers.start("digest").wait(60) == REFUSED
    assert "was deleted and created again" in workers.beat("digest")
    assert "millrace fences reset" in workers.beat("digest")
    assert workers.query("digest", "SELECT count(*) FROM reviews") == [(40,)]
    send(kafka_settings, values[20:])  # some of the old ones, and all that are new
    reset(workers, kafka_settings)
    workers.start("digest")
    workers.rest(len(values) - 20)
    check_everything(workers, reviews)


def test_one_that_is_longer_than_the_old_one_before_anybody_fetches_is_noticed(workers, kafka_settings, topic, history):
    """A consumer knows topics by name: it would read on in the new one, at the old offset."""
    reviews, values = history
    workers.processes["digest", 0].send_signal(signal.SIGSTOP)
    recreate_topic(kafka_settings, topic)
    send(kafka_settings, values[40:])
    workers.processes["digest", 0].send_signal(signal.SIGCONT)
    assert workers.processes["digest", 0].wait(60) == REFUSED
    assert "was deleted and created again" in workers.beat("digest")
    reset(workers, kafka_settings)
    workers.start("digest")
    workers.rest(len(values) - 40)
    kept = workers.query("digest", "SELECT review_id FROM reviews")
    assert sorted(review_id for (review_id,) in kept) == sorted(review.review_id for review in reviews)


def reset(workers, kafka_settings):
    """Do what the refusal names; the worker must be heard of no more."""
    millrace = CommandLine(kafka_settings, workers.home)
    command = ("fences", "reset", "--agent", "digest", "--to", "earliest", "--yes")
    wait_until(lambda: (done := millrace(*command)).returncode == 0 or print(done.stderr), 60, told=workers.told)
