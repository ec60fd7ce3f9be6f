import pytest

from infra.kafka.probe import Prober
from streams.topics import topic_name
from tests.broker import transactional

PROBE_S = 10.0


@pytest.fixture
def place(kafka_settings, topics, prefix):
    """A partition with ten committed records, each behind an aborted one: a record, its mark, a record, its mark."""
    topic = topic_name(kafka_settings.prefix, "reviews")
    with transactional(kafka_settings, prefix) as producer:
        for number in range(10):
            for end in (producer.abort_transaction, producer.commit_transaction):
                producer.begin_transaction()
                producer.send(topic, str(number).encode(), partition=0)
                producer.flush()
                end()
    return topic, 0


def test_one_reader_looks_here_and_there_and_sees_what_was_committed(kafka_settings, place):
    with Prober(kafka_settings) as prober:
        for start, until in ((0, 40), (2, 3), (30, 40), (0, 8), (3, 6)):
            seen = prober.look(place, start, until, PROBE_S)
            assert seen.offsets == [offset for offset in range(2, 40, 4) if start <= offset < until]
            assert (seen.log_start, seen.position >= until) == (0, True)
        assert prober.look(place, 0, 40, PROBE_S, limit=2).offsets == [2, 6]
        assert prober.look((place[0], 1), 0, 0, PROBE_S).offsets == []


def test_it_looks_no_longer_than_it_may(kafka_settings, place):
    with Prober(kafka_settings) as prober:
        seen = prober.look(place, 40, 50, timeout_s=0.5)  # nothing will ever be there
    assert (seen.offsets, seen.position) == ([], 40)
