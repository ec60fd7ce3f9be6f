"""One model's process and all who ask it: starts it, feeds it batches, tells everybody what became of theirs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.local.adapters import Adapter, AdapterFolders
from models.local.backoff import Backoff
from models.local.folder import LocalModelError
from models.local.held_adapters import HeldAdapters
from models.local.process import COMMAND, ModelProcess, ProcessEndedError
from models.local.wire import Cancel, Event, Failed, Join, Open, Order, Piece, Row, Said, Scored, Together
from models.ports import WriteFailure
from processors.batching.batcher import Batch, Batcher, Request
from processors.batching.packing import Length

Result = Said | Scored | WriteFailure


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for a process.

    Args:
        start_s: For loading the model, seconds.
        silence_s: For a step while something is asked of it, seconds; then it hangs and is killed.
    """

    start_s: float = 300.0
    silence_s: float = 600.0


@dataclass(slots=True, eq=False)
class _Call:
    row: Row
    adapter: Adapter | None
    joins: bool
    result: asyncio.Future[Result]
    told: Callable[[Sequence[int]], None] | None
    began: Callable[[], None] | None


class ModelHost:
    """Owns a model's process on behalf of every engine of its folder.

    The process starts with the first request and again after a fall, not before its backoff is over. When it falls, all
    who wait fail and may try again; a request in it that hangs makes it fall.

    Args:
        name: Of the model, for what is told.
        opening: What the process is to load.
        adapters: Where adapters are.
        linger_s: A batch that is not full waits this long for more while the model is busy.
        patience: With the process.
        command: The program.
    """

    def __init__(
        self,
        name: str,
        opening: Open,
        adapters: AdapterFolders,
        linger_s: float,
        patience: Patience,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._name, self._opening, self._linger_s = name, opening, linger_s
        self._patience, self._command = patience, command
        self._held = HeldAdapters(adapters)
        self._backoff = Backoff()
        self._batcher = self._new_batcher()
        self._calls: dict[int, _Call] = {}
        self._inside: set[int] = set()
        self._busy_since_s = 0.0
        self._asked = 0
        self._closed = self._ending = False
        self._process: ModelProcess | None = None
        self._life: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def ask(
        self,
        row: Row,
        patience_s: float,
        adapter: Adapter | None = None,
        key: str = "",
        joins: bool = False,
        told: Callable[[Sequence[int]], None] | None = None,
        began: Callable[[], None] | None = None,
    ) -> Result:
        """Have one row done.

        Args:
            row: Its number is given here.
            patience_s: How long the asker will wait: the batcher's deadline.
            adapter: The one it is for.
            key: Rows of one key are done in order; empty for none.
            joins: Whether it goes into continuous batching at once.
            told: Called with the tokens of each piece of a streamed row.
            began: Called when the process gets the row: until then it waits for its turn.

        Returns:
            What came of it; a failure says whether to try again.
        """
        if self._closed:
            return WriteFailure(f"{self._name}: closed", retryable=True, asked=False)
        if left_s := self._backoff.left_s(time.monotonic()):
            error = f"{self._name}: its process fell and starts again in {left_s:.1f} s"
            return WriteFailure(error, retryable=True, retry_after_s=left_s, endpoint=True, asked=False)
        self._asked += 1
        number, now = self._asked, time.monotonic()
        length = Length(len(row.tokens), max(row.max_tokens, 1))
        group = f"{'score' if row.targets is not None else 'say'} {adapter.identity if adapter else ''}"
        numbered = _numbered(row, number, adapter)
        call = _Call(numbered, adapter, joins, asyncio.get_running_loop().create_future(), told, began)
        self._calls[number] = call
        self._batcher.add(Request(number, length, now, now + patience_s, group, key or None, joins))
        asyncio.get_running_loop().call_soon(self._feed)  # after all who ask in this turn of the loop
        try:
            return await call.result
        finally:
            self._leave(call)

    @property
    def held(self) -> frozenset[str]:
        """Identities of the adapters its process has loaded."""
        return self._held.loaded

    async def close(self) -> None:
        """End the process; who waits fails."""
        self._closed = True
        if self._life:
            if not self._ending:
                self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        if self._alarm:
            self._alarm.cancel()
        self._fail_all(WriteFailure(f"{self._name}: closed", retryable=True))

    def _leave(self, call: _Call) -> None:
        """The asker is gone: forget what waits, end what runs; what runs keeps its place until the process says so."""
        number = call.row.number
        if number not in self._calls or self._calls[number] is not call:
            return
        if self._batcher.withdraw(number):
            del self._calls[number]
        elif self._process:
            self._process.send(Cancel(number))

    def _feed(self) -> None:
        if not self._calls or self._closed:
            return
        if self._process is None:
            if self._life is None:
                self._life = asyncio.create_task(self._live())
            return
        while batch := self._batcher.take(time.monotonic()):
            for order in self._orders(batch):
                self._process.send(order)
        if self._alarm:
            self._alarm.cancel()
        if (wake_s := self._batcher.wake_s) is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, wake_s - time.monotonic()), self._feed)

    def _orders(self, batch: Batch) -> list[Order]:
        calls = [self._calls[request.number] for request in batch.requests]
        if not self._inside:
            self._busy_since_s = time.monotonic()
        self._inside.update(call.row.number for call in calls)
        for call in calls:
            if call.began:
                call.began()
        wanted = {call.adapter for call in self._calls.values() if call.adapter}
        orders: list[Order] = list(self._held.orders(calls[0].adapter, wanted))
        if calls[0].joins:
            return [*orders, Join(calls[0].row)]
        return [*orders, Together([call.row for call in calls])]

    async def _live(self) -> None:
        """One life of the process: from its start to its fall."""
        process = ModelProcess(self._opening, self._command)
        failure = WriteFailure(f"{self._name}: its process was stopped", retryable=True, endpoint=True)
        try:
            await process.start(self._patience.start_s)
            self._process = process
            self._feed()
            await self._listen(process)
        except LocalModelError as error:
            failure = WriteFailure(f"{self._name}: {error}", retryable=False, endpoint=True)
        except (ProcessEndedError, OSError) as error:
            failure = WriteFailure(f"{self._name}: its process {error}", retryable=True, endpoint=True)
        finally:
            self._process, self._ending = None, True
            wait_s = self._backoff.fell(time.monotonic())
            self._fail_all(
                WriteFailure(failure.error, failure.retryable, retry_after_s=wait_s, endpoint=failure.endpoint)
            )
            await process.end()
            self._life, self._ending = None, False
            self._feed()  # who asked while it ended

    async def _listen(self, process: ModelProcess) -> None:
        while True:
            try:
                async with asyncio.timeout(self._patience.silence_s):
                    event = await process.read()
            except TimeoutError:
                if self._inside and time.monotonic() - self._busy_since_s >= self._patience.silence_s:
                    raise ProcessEndedError(f"made no step for {self._patience.silence_s:g} s") from None
                continue
            self._busy_since_s = time.monotonic()
            self._hear(event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Said | Scored | Failed):
            call = self._calls.pop(event.number, None)
            if call is None:
                raise ProcessEndedError(f"answered request {event.number}, which nobody asked")
            self._inside.discard(event.number)
            self._batcher.finish(event.number)
            self._backoff.stood()
            if not call.result.done():
                call.result.set_result(self._failure(event) if isinstance(event, Failed) else event)
            self._feed()
        elif isinstance(event, Piece):
            call = self._calls.get(event.number)
            if call and call.told and not call.result.done():
                call.told(event.tokens)

    def _failure(self, event: Failed) -> WriteFailure:
        return WriteFailure(f"{self._name}: {event.error}", retryable=event.retryable, lasting=event.lasting)

    def _fail_all(self, failure: WriteFailure) -> None:
        calls, self._calls = self._calls, {}
        self._inside.clear()
        self._held.forget()
        self._batcher = self._new_batcher()
        for call in calls.values():
            if not call.result.done():
                call.result.set_result(failure)

    def _new_batcher(self) -> Batcher:
        return Batcher(self._opening.batch_tokens, self._linger_s)


def _numbered(row: Row, number: int, adapter: Adapter | None) -> Row:
    return Row(
        number=number,
        tokens=row.tokens,
        adapter=adapter.identity if adapter else None,
        max_tokens=row.max_tokens,
        temperature=row.temperature,
        top_p=row.top_p,
        seed=row.seed,
        json_schema=row.json_schema,
        streamed=row.streamed,
        targets=row.targets,
    )
