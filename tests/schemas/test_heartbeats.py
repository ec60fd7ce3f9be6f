import msgspec

from schemas.heartbeats import Counters, Heartbeat, PartitionState
from schemas.points import RatingCounts


def test_stars_are_counted_under_their_own_numbers():
    assert msgspec.json.encode(RatingCounts(one=1, five=5)) == b'{"1":1,"2":0,"3":0,"4":0,"5":5}'


def test_a_heartbeat_comes_back_as_it_was_written():
    beat = Heartbeat(
        agent="digest",
        slot=0,
        pid=7,
        at=1.5,
        started_at=1.0,
        state="running",
        batch_started_at=None,
        partitions=[PartitionState(topic="t", partition=1, fence=3, end=None)],
        counters=Counters(events=4),
        outbox_depth=1,
        work_depth=2,
        timer_depth=3,
        newest_event_at=None,
        last_error=None,
    )
    assert msgspec.json.decode(msgspec.json.encode(beat), type=Heartbeat) == beat
