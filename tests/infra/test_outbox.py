import pytest

from infra import outbox
from infra.outbox import Cause, Output

REVIEWS = "millrace.reviews.v1"


@pytest.fixture
def connection(store):
    with store.write() as connection:
        yield connection


def output(number: int, **headers: bytes) -> Output:
    return Output("points", f"key{number}".encode(), f"value{number}".encode(), headers)


def add(connection, *places: tuple[int, int]) -> None:
    outbox.add(connection, [(output(offset), Cause(REVIEWS, partition, offset)) for partition, offset in places])


def offsets(connection, *partitions: int, limit: int = 100) -> list[int]:
    found = outbox.oldest(connection, [(REVIEWS, partition) for partition in partitions], limit)
    return [waiting.cause.offset for waiting in found]


def test_outputs_come_back_in_the_order_they_were_made(connection):
    add(connection, (0, 9), (1, 4))
    add(connection, (0, 2))
    assert offsets(connection, 0, 1) == [9, 4, 2]
    assert offsets(connection, 0, 1, limit=2) == [9, 4]
    assert offsets(connection, 1) == [4]
    assert offsets(connection, 7) == []


def test_an_output_comes_back_byte_for_byte(connection):
    made = Output("points", None, b"\x00\xff", {"traceparent": b"", "ce_id": b"\xff"})
    cause = Cause(REVIEWS, 0, 5)
    outbox.add(connection, [(made, cause), (Output("points", b"", None), cause)])
    first, second = outbox.oldest(connection, [(REVIEWS, 0)], 10)
    assert (first.output, first.cause) == (made, cause)
    assert (second.output.key, second.output.value, second.output.headers) == (b"", None, {})


def test_only_what_is_removed_goes(connection):
    add(connection, (0, 1), (0, 2), (0, 3))
    first, _, third = outbox.oldest(connection, [(REVIEWS, 0)], 10)
    outbox.remove(connection, [first.seq, third.seq])
    assert offsets(connection, 0) == [2]
    assert outbox.depth(connection) == 1


def test_a_seq_is_never_used_again_so_a_zombie_cannot_remove_new_rows(connection):
    add(connection, (0, 1), (0, 2))
    zombie = [waiting.seq for waiting in outbox.oldest(connection, [(REVIEWS, 0)], 10)]
    outbox.remove(connection, zombie)
    add(connection, (0, 3), (0, 4))
    outbox.remove(connection, zombie)
    assert offsets(connection, 0) == [3, 4]


def test_another_output_takes_the_place_and_the_cause_of_a_refused_one(connection):
    add(connection, (0, 1), (0, 2))
    first, _ = outbox.oldest(connection, [(REVIEWS, 0)], 10)
    letter = Output("dead-letters", b"k", b"letter", {"ce_type": b"dead"})
    outbox.replace(connection, first.seq, letter)
    again, _ = outbox.oldest(connection, [(REVIEWS, 0)], 10)
    assert (again.seq, again.output, again.cause) == (first.seq, letter, first.cause)


def test_what_waits_for_one_key_says_what_the_newest_output_says_and_keeps_its_place(connection):
    older = [Output("points", b"p", b"secret"), Output("points", b"q", b"kept"), Output("letters", b"p", b"kept")]
    outbox.add(connection, [(one, Cause(REVIEWS, place, place)) for place, one in enumerate(older)])
    outbox.add(connection, [(older[0], Cause(REVIEWS, 0, 9))])
    newest = Output("points", b"p", b"clean", {"ce_id": b"new"})
    outbox.supersede(connection, "points", b"p", newest)
    found = outbox.oldest(connection, [(REVIEWS, number) for number in range(3)], 10)
    assert [one.output for one in found] == [newest, older[1], older[2], newest]
    assert [one.cause.offset for one in found] == [0, 1, 2, 9]


def test_nothing_that_waits_is_nothing_to_be_superseded(connection):
    outbox.supersede(connection, "points", b"p", Output("points", b"p", b"clean"))
    assert outbox.depth(connection) == 0


def test_what_waits_for_one_topic_is_listed_whatever_its_key_and_input(connection):
    add(connection, (0, 9), (1, 4))
    outbox.add(connection, [(Output("dead-letters", b"k", b"v"), Cause(REVIEWS, 0, 5))])
    assert [one.cause.offset for one in outbox.for_topic(connection, "points")] == [9, 4]
    assert [one.output.key for one in outbox.for_topic(connection, "dead-letters")] == [b"k"]
