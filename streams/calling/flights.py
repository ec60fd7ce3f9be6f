"""Let equal calls that are made at the same time be one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class _Flight(Generic[Result]):
    task: asyncio.Task[Mapping[str, Result]]
    keys: Collection[str]
    waiting: int = 0


class Flights(Generic[Result]):
    """Calls under way in this process, by their keys.

    A call goes on as long as anybody waits for it, and is cancelled with the last who does.

    Example:
        >>> async def make(keys):
        ...     print("made", *keys)
        ...     return {key: key.upper() for key in keys}
        >>> async def twice():
        ...     flights = Flights()
        ...     return await asyncio.gather(flights.join(["a"], make), flights.join(["a", "b"], make))
        >>> asyncio.run(twice())
        made a
        made b
        [{'a': 'A'}, {'a': 'A', 'b': 'B'}]
    """

    def __init__(self) -> None:
        self._flying: dict[str, _Flight[Result]] = {}

    def fresh(self, keys: Collection[str]) -> list[str]:
        """List those of some keys whose call is not under way."""
        return [key for key in keys if key not in self._flying]

    async def join(
        self, keys: Collection[str], make: Callable[[Collection[str]], Awaitable[Mapping[str, Result]]]
    ) -> dict[str, Result]:
        """Wait for calls, those under way as well as those that are begun here.

        Args:
            keys: Of the calls, each once.
            make: Makes the calls that are not under way, all at once.

        Raises:
            Exception: Whatever ``make`` raises, to all who wait.
        """
        self._begin(self.fresh(keys), make)
        flights = list({id(flight): flight for flight in (self._flying[key] for key in keys)}.values())
        for flight in flights:
            flight.waiting += 1
        try:
            results: dict[str, Result] = {}
            for flight in flights:
                results |= await asyncio.shield(flight.task)
            return {key: results[key] for key in keys}
        finally:
            for flight in flights:
                self._leave(flight)

    def _begin(self, keys: Collection[str], make: Callable[[Collection[str]], Awaitable[Mapping[str, Result]]]) -> None:
        if not keys:
            return
        flight = _Flight(asyncio.ensure_future(_run(keys, make)), keys)
        self._flying |= dict.fromkeys(keys, flight)
        flight.task.add_done_callback(lambda _: self._land(flight))

    def _leave(self, flight: _Flight[Result]) -> None:
        flight.waiting -= 1
        if flight.waiting == 0 and not flight.task.done():
            self._land(flight)  # at once: who comes now begins anew
            flight.task.cancel()

    def _land(self, flight: _Flight[Result]) -> None:
        for key in flight.keys:
            if self._flying.get(key) is flight:
                del self._flying[key]


async def _run(
    keys: Collection[str], make: Callable[[Collection[str]], Awaitable[Mapping[str, Result]]]
) -> Mapping[str, Result]:
    return await make(keys)
