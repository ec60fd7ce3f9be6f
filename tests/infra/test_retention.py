import pytest

from infra.retention import read_retention

DAY_MS = 86_400_000
OURS = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * DAY_MS),
    "retention.bytes": "-1",
    "segment.ms": str(DAY_MS),
    "message.timestamp.type": "LogAppendTime",
}


def test_a_record_is_gone_a_segment_after_its_retention_at_the_latest():
    assert read_retention(OURS).until(1_000.0) == 1_000.0 + 8 * 86_400


def test_a_bound_in_bytes_makes_it_no_later():
    assert read_retention({**OURS, "retention.bytes": "1000"}).until(0.0) == 8 * 86_400


@pytest.mark.parametrize(
    "other",
    [{"retention.ms": "-1"}, {"cleanup.policy": "compact"}, {"message.timestamp.type": "CreateTime"}],
)
def test_nobody_can_tell_when_nothing_must_go_or_producers_say_how_old_it_is(other):
    assert read_retention({**OURS, **other}).until(0.0) is None


def test_a_compacted_topic_that_also_deletes_has_an_end():
    assert read_retention({**OURS, "cleanup.policy": "compact,delete"}).until(0.0) is not None
