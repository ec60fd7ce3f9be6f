from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.batching.batcher import Batch, Batcher, Request
from processors.batching.packing import Length
from tests.processors.batching.test_packing import brute_force, worth

BATCH_TOKENS, LINGER_S, IN_FLIGHT, COST = 100, 3.0, 2, 40


def request(
    number: int,
    prompt: int = 10,
    said: int = 10,
    arrived_s: float = 0.0,
    deadline_s: float = 100.0,
    group: str = "",
    key: str | None = None,
    joins: bool = False,
) -> Request:
    return Request(number, Length(prompt, said), arrived_s, deadline_s, group, key, joins)


def batcher(in_flight: int = IN_FLIGHT) -> Batcher:
    return Batcher(BATCH_TOKENS, LINGER_S, in_flight, COST)


def numbers(batch: Batch | None) -> list[int]:
    return [each.number for each in batch.requests] if batch else []


@dataclass
class Oracle:
    """Says by the definitions alone which batches may start."""

    arrived: list[Request] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)
    finished: set[int] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)

    @property
    def started(self) -> set[int]:
        return {each.number for batch in self.batches for each in batch.requests}

    def running(self) -> int:
        batches = [{one.number for one in batch.requests if not one.joins} for batch in self.batches]
        return sum(not batch <= self.finished for batch in batches)

    def ready(self, group: str) -> list[Request]:
        gone = self.withdrawn | self.finished
        return [
            one
            for one in self.arrived
            if one.group == group
            and one.number not in gone | self.started
            and not any(
                one.key is not None and one.key == other.key and other.number < one.number and other.number not in gone
                for other in self.arrived
            )
        ]

    def allowed(self, now: float) -> dict[str, tuple[Request, list[Request]]]:
        """Groups of which a batch may start: the request that must be in it, and those that may."""
        if self.running() >= IN_FLIGHT:
            return {}
        found = {}
        for group in {one.group for one in self.arrived}:
            batched = [one for one in self.ready(group) if not one.joins]
            if ready := sorted(batched, key=lambda one: (one.deadline_s, one.number)):
                found[group] = (ready[0], ready)
        return found

    def joining(self) -> list[Request]:
        groups = {one.group for one in self.arrived}
        return sorted((one for group in groups for one in self.ready(group) if one.joins), key=lambda one: one.number)

    def due(self, ready: list[Request], now: float) -> bool:
        return not self.running() or any(now >= min(one.arrived_s + LINGER_S, one.deadline_s) for one in ready)


ADDING = st.tuples(
    st.just("add"),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(1, 20),
    st.sampled_from(["", "lora"]),
    st.sampled_from([None, "a", "b", "c"]),
    st.sampled_from([False, False, True]),
)
STEPS = st.one_of(
    ADDING,
    ADDING,
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.tuples(st.just("take")),
    st.tuples(st.just("finish"), st.integers(0, 9)),
    st.tuples(st.just("withdraw"), st.integers(0, 9)),
)


def check_take(real: Batcher, oracle: Oracle, now: float) -> None:
    allowed = oracle.allowed(now)
    batch = real.take(now)
    if joining := oracle.joining():
        assert numbers(batch) == [joining[0].number]
        oracle.batches.append(batch)
        return
    if batch is None:
        assert not any(oracle.due(ready, now) for _, ready in allowed.values())
        return
    first, ready = allowed[batch.group]
    assert {one.number for one in batch.requests} <= {one.number for one in ready}
    assert first in batch.requests
    keys = [one.key for one in batch.requests if one.key is not None]
    assert len(keys) == len(set(keys))
    lengths = [first.length, *(one.length for one in ready if one is not first)]
    taken = [one.length for one in batch.requests]
    assert worth(taken, COST) == brute_force(lengths, BATCH_TOKENS, COST)
    room = (len(taken) + 1) * (max(one.prompt for one in taken) + max(one.said for one in taken)) <= BATCH_TOKENS
    assert oracle.due(ready, now) or not room
    oracle.batches.append(batch)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_every_batch_is_one_that_the_definitions_allow_and_the_best_of_them(steps):
    real, oracle, now = batcher(), Oracle(), 0.0
    for step in steps:
        match step:
            case ("add", prompt, said, patience, group, key, joins):
                added = request(len(oracle.arrived), prompt, said, now, now + patience, group, key, joins)
                if len(oracle.arrived) - len(oracle.started) < 8:  # brute force tries every subset
                    oracle.arrived.append(added)
                    real.add(added)
            case ("wait", seconds):
                now += seconds
            case ("take",):
                check_take(real, oracle, now)
            case ("finish", place):
                if left := sorted(oracle.started - oracle.finished):
                    oracle.finished.add(left[place % len(left)])
                    real.finish(left[place % len(left)])
            case ("withdraw", place):
                if left := sorted(set(real.waiting)):
                    oracle.withdrawn.add(left[place % len(left)])
                    assert real.withdraw(left[place % len(left)])
        assert real.in_flight == oracle.running()


@settings(max_examples=200)
@given(st.lists(ADDING, min_size=1, max_size=30))
def test_everything_that_came_is_done_once_and_a_key_in_its_order(steps):
    real = batcher(in_flight=1)
    keys = {}
    for number, (_, prompt, said, patience, group, key, joins) in enumerate(steps):
        real.add(request(number, prompt, said, 0.0, patience, group, key, joins))
        keys[number] = key
    done = []
    while batch := real.take(now=0.0):
        done += numbers(batch)
        for number in numbers(batch):
            real.finish(number)
    assert sorted(done) == list(range(len(steps)))
    for key in {"a", "b", "c"}:
        mine = [number for number in done if keys[number] == key]
        assert mine == sorted(mine)


def test_an_idle_model_waits_for_nobody():
    real = batcher()
    real.add(request(0))
    assert numbers(real.take(now=0.0)) == [0]


def test_a_busy_model_gets_a_batch_that_is_not_full_only_after_it_lingered():
    real = batcher()
    real.add(request(0))
    real.take(now=0.0)
    real.add(request(1, arrived_s=1.0))
    assert real.take(now=3.9) is None
    assert real.wake_s == 4.0
    assert numbers(real.take(now=4.0)) == [1]


def test_a_deadline_closes_a_batch_earlier():
    real = batcher()
    real.add(request(0))
    real.take(now=0.0)
    real.add(request(1, arrived_s=1.0, deadline_s=2.0))
    real.add(request(2, arrived_s=1.0))
    assert real.wake_s == 2.0
    assert numbers(real.take(now=2.0)) == [1, 2]


def test_a_full_batch_does_not_linger():
    real = batcher()
    real.add(request(0))
    real.take(now=0.0)
    for number in range(1, 7):
        real.add(request(number))
    assert numbers(real.take(now=0.0)) == [1, 2, 3, 4, 5]


def test_a_full_batch_of_another_group_passes_one_that_lingers():
    real = batcher()
    real.add(request(0))
    real.take(now=0.0)
    real.add(request(1, deadline_s=5.0))
    for number in range(2, 7):
        real.add(request(number, group="lora"))
    assert numbers(real.take(now=0.0)) == [2, 3, 4, 5, 6]


def test_no_more_batches_start_than_may_be_in_flight():
    real = batcher(in_flight=1)
    real.add(request(0))
    real.add(request(1, prompt=90))
    assert numbers(real.take(now=0.0)) == [0]
    assert real.take(now=50.0) is None
    assert real.wake_s is None
    real.finish(0)
    assert numbers(real.take(now=50.0)) == [1]


def test_the_next_of_a_key_goes_when_the_one_before_is_finished_though_its_batch_is_not():
    real = batcher()
    real.add(request(0, key="a"))
    real.add(request(1))
    real.add(request(2, key="a"))
    assert numbers(real.take(now=0.0)) == [0, 1]
    assert real.take(now=9.0) is None
    real.finish(0)
    assert numbers(real.take(now=9.0)) == [2]
    assert real.in_flight == 2


def test_who_gave_up_leaves_the_line_to_the_next_of_its_key():
    real = batcher()
    real.add(request(0, key="a"))
    real.add(request(1, key="a"))
    assert real.withdraw(0)
    assert not real.withdraw(0)
    assert numbers(real.take(now=0.0)) == [1]


def test_the_most_urgent_is_in_the_next_batch_however_long_the_line():
    real = Batcher(BATCH_TOKENS, LINGER_S, 1, COST, lookahead=4)
    for number in range(50):
        real.add(request(number))
    real.add(request(50, prompt=60, deadline_s=1.0))
    assert 50 in numbers(real.take(now=0.0))


def test_what_joins_takes_no_place_in_flight_but_keeps_the_order_of_its_key():
    real = batcher(in_flight=1)
    real.add(request(0, key="a"))
    real.add(request(1, key="a", joins=True))
    real.add(request(2, key="b", joins=True))
    assert numbers(real.take(now=0.0)) == [2]
    assert numbers(real.take(now=0.0)) == [0]
    assert real.take(now=99.0) is None
    real.finish(0)
    assert numbers(real.take(now=0.0)) == [1]
    assert real.in_flight == 0


def test_numbers_only_grow():
    real = batcher()
    real.add(request(1))
    with pytest.raises(ValueError, match="came after"):
        real.add(request(1))
