import asyncio

import pytest

from streams.calling.flights import Flights
from tests.streams.fakes import until


class Making:
    """Makes what it is asked for once a test lets it."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []
        self.cancelled = 0
        self.gate = asyncio.Event()

    async def __call__(self, keys):
        self.made.append(list(keys))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {key: key.upper() for key in keys}


@pytest.fixture
async def making():
    return Making()


async def test_calls_that_are_under_way_are_joined_and_only_the_rest_are_made(making):
    flights = Flights()
    first = asyncio.create_task(flights.join(["a", "b"], making))
    await until(lambda: len(making.made) == 1)
    assert flights.fresh(["c", "b"]) == ["c"]
    second = asyncio.create_task(flights.join(["c", "b"], making))
    await until(lambda: len(making.made) == 2)
    making.gate.set()
    assert await first == {"a": "A", "b": "B"}
    assert list((await second).items()) == [("c", "C"), ("b", "B")]
    assert (making.made, flights.fresh(["a", "b", "c"])) == ([["a", "b"], ["c"]], ["a", "b", "c"])


async def test_a_call_goes_on_while_anybody_waits_for_it_and_ends_with_the_last(making):
    flights = Flights()
    waiting = [asyncio.create_task(flights.join(["a"], making)) for _ in range(3)]
    await until(lambda: len(making.made) == 1)
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    assert (making.cancelled, flights.fresh(["a"])) == (0, [])
    waiting[2].cancel()
    await asyncio.gather(waiting[2], return_exceptions=True)
    assert flights.fresh(["a"]) == ["a"]
    await until(lambda: making.cancelled == 1)


async def test_who_comes_just_after_the_last_left_begins_anew_and_is_not_cancelled_with_it(making):
    flights = Flights()

    async def impatient():
        async with asyncio.timeout(0.01):
            await flights.join(["a"], making)

    with pytest.raises(TimeoutError):
        await impatient()
    making.gate.set()
    assert await flights.join(["a"], making) == {"a": "A"}
    assert len(making.made) == 2


async def test_a_bug_reaches_all_who_wait_and_nothing_is_remembered_of_it():
    flights, gate = Flights(), asyncio.Event()

    async def broken(keys):
        await gate.wait()
        raise ZeroDivisionError

    waiting = [asyncio.create_task(flights.join(["a"], broken)) for _ in range(2)]
    await until(lambda: flights.fresh(["a"]) == [])
    gate.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [ZeroDivisionError] * 2
    assert flights.fresh(["a"]) == ["a"]
