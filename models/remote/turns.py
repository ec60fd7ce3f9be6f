"""Who may call an endpoint now: so many at a time, and the completions of one key in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """Lets so many in at a time.

    Args:
        concurrency: So many.

    Example:
        >>> async def enter():
        ...     turns = Turns(1)
        ...     async with turns.one_of("a", None) as entered:
        ...         async with turns.one_of("b", 0.0) as also:
        ...             return entered, also
        >>> asyncio.run(enter())
        (True, False)
    """

    def __init__(self, concurrency: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def one_of(self, key: str, until: float | None) -> AsyncIterator[bool]:
        """Wait for a turn, then hold it.

        Args:
            key: Whose turn; empty is nobody's, so that nothing is in order.
            until: By the loop's clock; whoever has no turn by then gets none. None waits for ever.

        Yields:
            Whether there is a turn.
        """
        lock = self._keys.setdefault(key, asyncio.Lock()) if key else asyncio.Lock()
        entered = await self._enter(lock, until)
        try:
            yield entered
        finally:
            if entered:
                self._slots.release()
                lock.release()

    async def _enter(self, lock: asyncio.Lock, until: float | None) -> bool:
        """Take the key's lock, then a slot: one busy key may not hold them all."""
        try:
            async with asyncio.timeout_at(until):
                await lock.acquire()
                try:
                    await self._slots.acquire()
                except BaseException:
                    lock.release()
                    raise
        except TimeoutError:
            return False
        return True
