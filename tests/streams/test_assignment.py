from datetime import UTC, datetime

import msgspec
import pytest

from infra import fences, outbox
from infra.kafka.admin import TopicIdentity
from schemas.dead_letters import DeadLetter
from streams.assignment import Assignment, FenceRefused
from streams.letters import lost_range
from tests.streams.fakes import DEAD_LETTERS, REVIEWS

ZERO, ONE = (REVIEWS, 0), (REVIEWS, 1)


def assignment(store, ranges, cluster_id="cluster", topic_id="topic") -> Assignment:
    def lose(partition, lost):
        return lost_range(partition, lost, "digest", DEAD_LETTERS, datetime.now(UTC))

    return Assignment(
        store,
        lambda topics: {topic: TopicIdentity(cluster_id, topic_id, 2) for topic in topics},
        lambda places: {place: ranges[place] for place in places},
        lose,
    )


def put(store, partition, offset: int) -> None:
    with store.write() as connection:
        fences.create(connection, partition, offset, "cluster", "topic")


def lost(store) -> list[DeadLetter]:
    with store.read() as connection:
        rows = outbox.oldest(connection, [ZERO, ONE], 10)
    return [msgspec.json.decode(row.output.value, type=DeadLetter) for row in rows]


def test_a_first_start_stores_the_logs_start_as_its_fence(store):
    ranges = {ZERO: (0, 10), ONE: (7, 20)}
    assert assignment(store, ranges).fences([ONE, ZERO]) == {ZERO: 0, ONE: 7}
    assert assignment(store, {ZERO: (0, 10), ONE: (7, 90)}).fences([ONE]) == {ONE: 7}
    assert lost(store) == []


def test_a_standing_fence_stays_where_it_is(store):
    put(store, ZERO, 5)
    assert assignment(store, {ZERO: (0, 5)}).fences([ZERO]) == {ZERO: 5}


def test_what_the_broker_deleted_above_the_fence_is_told_once_and_the_fence_moves_on(store):
    put(store, ZERO, 5)
    for _ in range(2):
        assert assignment(store, {ZERO: (9, 9)}).fences([ZERO]) == {ZERO: 9}
    (letter,) = lost(store)
    assert (letter.reason, letter.source.offset) == ("records_lost", 5)
    assert "offsets 5 to 8" in letter.error


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cluster_id": "another"}, "is from Kafka cluster cluster, this is another"),
        ({"topic_id": "another"}, "was deleted and created again"),
        ({"ranges": {ZERO: (0, 4)}}, "is at 5, but the log ends at 4"),
    ],
    ids=["cluster", "topic", "end"],
)
def test_a_fence_that_does_not_fit_the_broker_is_refused_with_the_remedies_and_left_alone(store, changed, why):
    put(store, ZERO, 5)
    with pytest.raises(FenceRefused) as refused:
        assignment(store, **({"ranges": {ZERO: (0, 9)}} | changed)).fences([ZERO])
    for words in (why, "millrace down --wipe", "millrace fences reset"):
        assert words in str(refused.value)
    with store.read() as connection:
        assert fences.next_offset(connection, ZERO) == 5


def test_one_fence_that_does_not_fit_refuses_before_anything_is_written(store):
    put(store, ZERO, 50)
    with pytest.raises(FenceRefused):
        assignment(store, {ZERO: (0, 9), ONE: (0, 9)}).fences([ZERO, ONE])
    with store.read() as connection:
        assert set(fences.read_fences(connection, [ZERO, ONE])) == {ZERO}
