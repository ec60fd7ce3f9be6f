import asyncio
import inspect
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from infra import outbox
from infra.database import Store, Waits
from infra.fences import Partition
from infra.outbox import Cause, Output, Waiting
from schemas.heartbeats import Counters
from streams import publisher as publishing
from streams.publisher import Publisher, latest
from tests.streams.fakes import DEAD_LETTERS, POINTS, REVIEWS, CrashAt, FakeProducer, Killed, never, until

ZERO, ONE = (REVIEWS, 0), (REVIEWS, 1)


@dataclass
class Desk:
    """A publisher with everything around it."""

    store: Store
    waits: Waits
    producer: FakeProducer = field(default_factory=FakeProducer)
    mine: set[Partition] = field(default_factory=lambda: {ZERO, ONE})
    counters: Counters = field(default_factory=Counters)
    refused: list[Waiting] = field(default_factory=list)

    def publisher(self, crash=never) -> Publisher:
        return Publisher(
            self.store,
            self.producer,
            mine=lambda: self.mine,
            superseding=[POINTS],
            refuse=self._refuse,
            counters=self.counters,
            waits=self.waits,
            crash=crash,
        )

    def _refuse(self, waiting: Waiting) -> Output:
        self.refused.append(waiting)
        return Output(DEAD_LETTERS, waiting.output.key, b"letter", {"h": b"1"})

    def add(self, *outputs: tuple[str, str, str], cause: Partition = ZERO) -> None:
        made = [(Output(topic, key.encode(), value.encode()), Cause(*cause, 0)) for topic, key, value in outputs]
        with self.store.write() as connection:
            outbox.add(connection, made)

    def waiting(self) -> list[bytes | None]:
        with self.store.read() as connection:
            return [one.output.value for one in outbox.oldest(connection, [ZERO, ONE], 10_000)]


@pytest.fixture
async def desk(store, waits, monkeypatch):
    monkeypatch.setattr(publishing, "RETRY_S", 0.01)
    return Desk(store, waits)


def by_key(desk: Desk, topic: str) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for one in desk.producer.sent:
        if one.topic == topic:
            found.setdefault(one.key, []).append(one.value)
    return found


async def test_everything_is_published_in_the_order_it_was_made_key_by_key(desk):
    for number in range(50):
        desk.add((DEAD_LETTERS, f"k{number % 7}", f"v{number}"))
    await desk.publisher().flush()
    expected = {f"k{key}".encode(): [f"v{n}".encode() for n in range(key, 50, 7)] for key in range(7)}
    assert by_key(desk, DEAD_LETTERS) == expected
    assert (desk.waiting(), desk.counters.outputs) == ([], 50)


async def test_one_key_stays_on_one_partition_the_one_that_java_clients_choose(desk):
    java = {
        "foobar": 1_357_151_166 % 3,
        "a-little-bit-long-string": 1_161_502_112 % 3,
    }  # murmur2, from Kafka's own tests
    desk.add(*((topic, key, "v") for topic in (POINTS, DEAD_LETTERS, DEAD_LETTERS) for key in java))
    await desk.publisher().flush()
    assert {(one.key.decode(), one.partition) for one in desk.producer.sent} == set(java.items())


async def test_of_a_superseding_topic_only_the_newest_of_a_key_is_sent_but_never_of_dead_letters(desk):
    desk.add(
        (POINTS, "p", "1"), (POINTS, "q", "1"), (POINTS, "p", "2"), (DEAD_LETTERS, "p", "1"), (DEAD_LETTERS, "p", "2")
    )
    await desk.publisher().flush()
    assert by_key(desk, POINTS) == {b"p": [b"2"], b"q": [b"1"]}
    assert by_key(desk, DEAD_LETTERS) == {b"p": [b"1", b"2"]}
    assert desk.waiting() == []


def test_outputs_without_a_key_supersede_each_other_only_on_superseding_topics():
    rows = [Waiting(seq, Output(DEAD_LETTERS, None, b""), Cause(REVIEWS, 0, 0)) for seq in range(3)]
    assert latest(rows, [POINTS]) == rows


async def test_outputs_larger_than_a_batch_still_go_and_in_order(desk):
    desk.producer = FakeProducer(partitions=1, batch_bytes=100)
    desk.add(*((DEAD_LETTERS, "k", str(number) * 60) for number in range(5)), (DEAD_LETTERS, "k", "x" * 500))
    await desk.publisher().flush()
    assert [value[:1] for value in desk.producer.values()] == [b"0", b"1", b"2", b"3", b"4", b"x"]


async def test_nothing_is_deleted_before_the_broker_has_confirmed_it(desk):
    desk.producer.receipts.clear()
    desk.add((POINTS, "p", "1"))
    flush = asyncio.create_task(desk.publisher().flush())
    await until(lambda: desk.producer.sent)
    await asyncio.sleep(0.05)
    assert not flush.done()
    assert desk.waiting() == [b"1"]
    assert desk.waits.waiting
    desk.producer.receipts.set()
    await flush
    assert (desk.waiting(), desk.waits.waiting) == ([], False)


@pytest.mark.parametrize("error", [KafkaTimeoutError(), ConnectionError(), TimeoutError()], ids=repr)
async def test_a_broker_that_does_not_answer_is_waited_for(desk, error):
    desk.producer.failures = [error, error]
    desk.add((POINTS, "p", "1"), (DEAD_LETTERS, "d", "2"))
    await desk.publisher().flush()
    assert (desk.waiting(), by_key(desk, POINTS), by_key(desk, DEAD_LETTERS)) == ([], {b"p": [b"1"]}, {b"d": [b"2"]})


async def test_what_waits_for_a_partition_that_moved_away_during_an_outage_is_left_to_its_new_owner(desk):
    desk.add((POINTS, "p", "1"))
    desk.producer.failures = [KafkaTimeoutError()] * 10_000
    flush = asyncio.create_task(desk.publisher().flush())
    await until(lambda: len(desk.producer.failures) < 10_000)
    desk.mine = {ONE}
    await asyncio.wait_for(flush, 5)
    assert (desk.producer.sent, desk.waiting()) == ([], [b"1"])


async def test_only_outputs_of_our_partitions_are_published(desk):
    desk.mine = {ONE}
    desk.add((POINTS, "p", "theirs"), cause=ZERO)
    desk.add((POINTS, "p", "ours"), cause=ONE)
    await desk.publisher().flush()
    assert (desk.producer.values(), desk.waiting()) == ([b"ours"], [b"theirs"])
    desk.mine = set()
    await desk.publisher().flush()
    assert desk.waiting() == [b"theirs"]


async def test_an_output_too_large_for_the_broker_becomes_a_dead_letter_and_its_neighbours_go(desk):
    desk.producer.limit_bytes[POINTS] = 10
    desk.add((POINTS, "a", "small"), (POINTS, "b", "x" * 11), (POINTS, "c", "tiny"))
    await desk.publisher().flush()
    assert {key: set(values) for key, values in by_key(desk, POINTS).items()} == {b"a": {b"small"}, b"c": {b"tiny"}}
    assert by_key(desk, DEAD_LETTERS) == {b"b": [b"letter"]}
    assert [one.output.value for one in desk.refused] == [b"x" * 11]
    assert (desk.waiting(), desk.counters.outputs) == ([], 3)


async def test_a_refused_output_stays_a_dead_letter_when_the_process_dies_before_it_is_sent(desk):
    desk.producer.limit_bytes[POINTS] = 10
    desk.add((POINTS, "b", "x" * 11))
    real, sends = desk.producer.send_and_wait, []

    async def die_at_the_letter(topic, *rest, **options):
        sends.append(topic)
        if topic == DEAD_LETTERS:
            raise Killed
        await real(topic, *rest, **options)

    desk.producer.send_and_wait = die_at_the_letter
    with pytest.raises(Killed):
        await desk.publisher().flush()
    assert (sends, desk.waiting()) == ([POINTS, DEAD_LETTERS], [b"letter"])


async def test_a_dead_letter_that_is_refused_too_is_handed_back_for_another(desk):
    desk.producer.limit_bytes |= {POINTS: 10, DEAD_LETTERS: 5}
    desk.add((POINTS, "b", "x" * 11))
    letters = iter([b"letter", b"tiny"])
    refuse = desk._refuse

    def shorter(waiting: Waiting) -> Output:
        refuse(waiting)
        return Output(DEAD_LETTERS, None, next(letters))

    desk._refuse = shorter
    await desk.publisher().flush()
    assert [one.output.value for one in desk.refused] == [b"x" * 11, b"letter"]
    assert (desk.producer.values(), desk.waiting()) == ([b"tiny"], [])


async def test_a_broker_that_fails_while_outputs_are_sent_one_by_one_is_waited_for(desk):
    desk.producer.limit_bytes[POINTS] = 10
    desk.add((POINTS, "a", "small"), (POINTS, "b", "x" * 11))
    real, failures = desk.producer.send_and_wait, [KafkaTimeoutError()]

    async def fail_once(*given, **options):
        if failures:
            raise failures.pop()
        await real(*given, **options)

    desk.producer.send_and_wait = fail_once
    await desk.publisher().flush()
    assert by_key(desk, DEAD_LETTERS) == {b"b": [b"letter"]}
    assert desk.waiting() == []


@pytest.mark.parametrize(("point", "left"), [("after_publish", 1), ("after_delete", 0)])
async def test_a_process_that_dies_while_publishing_repeats_outputs_byte_for_byte(desk, point, left):
    desk.add((POINTS, "p", "1"))
    with pytest.raises(Killed):
        await desk.publisher(CrashAt(point)).flush()
    assert len(desk.waiting()) == left
    await desk.publisher().flush()
    assert by_key(desk, POINTS) == {b"p": [b"1"] * (1 + left)}
    assert desk.waiting() == []


async def test_flushes_at_the_same_time_do_not_send_anything_twice(desk):
    desk.add((POINTS, "p", "1"))
    publisher = desk.publisher()
    await asyncio.gather(*(publisher.flush() for _ in range(5)))
    assert desk.producer.values() == [b"1"]


async def test_rows_that_other_processes_queued_are_found_within_a_poll(desk):
    task = asyncio.create_task(desk.publisher().run(poll_s=0.01))
    try:
        await asyncio.sleep(0.05)
        desk.add((POINTS, "p", "1"))
        await until(lambda: not desk.waiting())
    finally:
        task.cancel()
    assert desk.producer.values() == [b"1"]


def test_aiokafka_batches_are_what_the_publisher_takes_them_for():
    batch = BatchBuilder(batch_size=100, compression_type=0)
    assert batch.append(key=b"k", value=b"v" * 500, timestamp=None, headers=[("h", b"1")]) is not None
    assert batch.append(key=b"k", value=b"v", timestamp=None, headers=[]) is None
    assert batch.record_count() == 1
    assert list(inspect.signature(AIOKafkaProducer.send_batch).parameters) == ["self", "batch", "topic", "partition"]
    taken = list(inspect.signature(AIOKafkaProducer.send_and_wait).parameters)
    assert taken[:5] == ["self", "topic", "value", "key", "partition"]
    assert "headers" in taken
    assert issubclass(MessageSizeTooLargeError, publishing.KafkaError)
