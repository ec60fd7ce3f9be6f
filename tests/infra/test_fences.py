import pytest

from infra import fences
from infra.fences import Moved

HERE = ("millrace.reviews.v1", 3)


@pytest.fixture
def connection(store):
    with store.write() as connection:
        yield connection


def test_a_partition_never_consumed_has_no_fence(connection):
    assert fences.read_fences(connection, [HERE]) == {}
    with pytest.raises(Moved, match="no fence any more"):
        fences.next_offset(connection, HERE)


def test_the_first_fence_wins_over_later_ones(connection):
    fences.create(connection, HERE, 17, "cluster", "id")
    fences.create(connection, HERE, 99, "other", "other")
    row = fences.read_fences(connection, [HERE])[HERE]
    assert (row.next_offset, row.cluster_id, row.topic_id) == (17, "cluster", "id")


def test_a_fence_moves_from_where_it_is_said_to_stand(connection):
    fences.create(connection, HERE, 17, "cluster", "id")
    fences.advance(connection, HERE, 17, 20)
    assert fences.next_offset(connection, HERE) == 20


@pytest.mark.parametrize("standing", [16, 18])
def test_a_fence_that_stands_elsewhere_does_not_move(connection, standing):
    fences.create(connection, HERE, 17, "cluster", "id")
    with pytest.raises(Moved, match=f"moved away from {standing}"):
        fences.advance(connection, HERE, standing, 20)
    assert fences.next_offset(connection, HERE) == 17


def test_fences_of_other_partitions_are_left_alone(connection):
    near = (HERE[0], 4)
    for place in (HERE, near, ("another", 3)):
        fences.create(connection, place, 5, "cluster", "id")
    fences.advance(connection, HERE, 5, 6)
    found = fences.read_fences(connection, [HERE, near, (HERE[0], 9)])
    assert {place: row.next_offset for place, row in found.items()} == {HERE: 6, near: 5}
