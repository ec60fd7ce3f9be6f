import asyncio
from datetime import UTC, datetime

import pytest

from infra import fences
from infra.errors import BrokerUnreachable
from infra.fences import Moved
from infra.kafka.admin import TopicIdentity
from infra.kafka.probe import Probe
from streams import watching
from streams.assignment import Assignment, FenceRefused
from streams.letters import lost_range
from streams.watching import Watch
from tests.streams.fakes import DEAD_LETTERS, REVIEWS, Log, until

ZERO, ONE = (REVIEWS, 0), (REVIEWS, 1)


class Brokers:
    """What the broker tells, changed by a test while somebody watches."""

    def __init__(self, **ranges):
        self.topic_id = "topic"
        self.ranges = {ZERO: (0, 5), ONE: (0, 0)}
        self.asked = 0

    def identify(self, topics):
        self.asked += 1
        return {topic: TopicIdentity("cluster", self.topic_id, 2) for topic in topics}

    def log_ranges(self, places):
        return {place: self.ranges[place] for place in places}


@pytest.fixture
def brokers(store):
    with store.write() as connection:
        fences.create(connection, ZERO, 5, "cluster", "topic")
        fences.create(connection, ONE, 0, "cluster", "topic")
    return Brokers()


def watch(store, brokers, log=None, mine=(ZERO, ONE)) -> Watch:
    def lose(partition, lost):
        return lost_range(partition, lost, "digest", DEAD_LETTERS, datetime.now(UTC))

    return Watch(store, Assignment(store, brokers.identify, brokers.log_ranges, lose), log or Log(), lambda: mine)


def standing(store) -> tuple[int, int]:
    with store.read() as connection:
        return fences.next_offset(connection, ZERO), fences.next_offset(connection, ONE)


def test_a_log_that_is_read_to_its_end_is_left_alone(store, brokers):
    log = Log()
    watch(store, brokers, log).look()
    assert (standing(store), log.probes) == ((5, 0), [])


@pytest.mark.parametrize("change", [{"topic_id": "another"}, {"ranges": {ZERO: (0, 4), ONE: (0, 0)}}])
def test_a_topic_made_anew_and_a_log_cut_short_are_refused_while_workers_run(store, brokers, change):
    for name, value in change.items():
        setattr(brokers, name, value)
    with pytest.raises(FenceRefused, match="millrace fences reset"):
        watch(store, brokers).look()


def test_fences_that_are_others_now_are_others_to_judge(store, brokers):
    brokers.ranges[ZERO] = (0, 4)
    watch(store, brokers, mine=[ONE]).look()
    watch(store, brokers, mine=[]).look()


def test_marks_at_the_end_of_a_log_are_passed(store, brokers):
    brokers.ranges |= {ZERO: (0, 8), ONE: (0, 1)}
    watch(store, brokers, Log()).look()
    assert standing(store) == (8, 1)


def test_a_record_that_waits_is_never_passed(store, brokers):
    brokers.ranges[ZERO] = (0, 8)
    log = Log(7)
    watch(store, brokers, log).look()
    assert (standing(store), log.probes) == ((5, 0), [(5, 8)])


def test_what_the_broker_has_deleted_is_not_taken_for_marks(store, brokers):
    brokers.ranges[ZERO] = (7, 8)
    watch(store, brokers, Log(start=7)).look()
    assert standing(store) == (5, 0)


def test_a_reader_that_did_not_get_there_in_time_proves_nothing(store, brokers):
    brokers.ranges[ZERO] = (0, 8)
    watch(store, brokers, lambda topic, partition, offset, until: Probe(0, [], 7)).look()
    assert standing(store) == (5, 0)


def test_a_run_that_comes_first_wins(store, brokers):
    brokers.ranges[ZERO] = (0, 8)

    def probe(topic, partition, offset, until):
        with store.write() as connection:
            fences.advance(connection, ZERO, 5, 6)
        return Probe(0, [], until)

    watch(store, brokers, probe).look()
    assert standing(store) == (6, 0)
    with pytest.raises(Moved), store.write() as connection:
        fences.advance(connection, ZERO, 5, 8)


async def test_a_broker_that_is_away_is_no_reason_to_end(store, brokers, monkeypatch):
    monkeypatch.setattr(watching, "WATCH_S", 0.01)
    answers = [BrokerUnreachable("here"), BrokerUnreachable("here")]
    told = brokers.identify

    def identify(topics):
        if answers:
            raise answers.pop()
        return told(topics)

    brokers.identify = identify
    task = asyncio.create_task(watch(store, brokers).run())
    await until(lambda: brokers.asked > 1)
    brokers.topic_id = "another"
    with pytest.raises(FenceRefused):
        await asyncio.wait_for(task, 5)
