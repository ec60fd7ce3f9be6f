"""A language model behind an OpenAI-compatible endpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from models.ports import Completed, Completion, Message, WriteFailure
from models.remote.address import endpoint_name, read_address, read_key
from models.remote.answers import Said
from models.remote.dialect import starting_dialect
from models.remote.judging import Unfit, judged
from models.remote.server_errors import ServerError
from models.remote.spoken_text import SpokenPieces
from models.remote.turns import Turns
from models.remote.wire import Wire

REFUSED_S: Final = 600.0
"""How long a refused temperature is not tried again: every text would be refused."""
MAX_SHOWN: Final = 4_000
"""Characters of a rejected text that are shown to the model again."""

Tell = Callable[[str], None]


class RemoteEngine:
    """An ``Engine`` behind an OpenAI-compatible endpoint.

    What an endpoint cannot do is found out once and remembered as long as this lives; that a model does not take a
    temperature, for ten minutes. After 429 or 503 with ``Retry-After`` nobody calls until then: calls fail at once, and
    say how long.

    Args:
        model: As the endpoint calls it.
        url: Of the endpoint, with its version: ``https://HOST/v1``.
        api_key: Sent as a bearer token; None sends none.
        json_schema: Whether it takes JSON Schema: ``auto`` finds out, ``yes``, ``no``.
        concurrency: Calls at a time.
        timeout_s: A call that takes longer has failed.

    Raises:
        UnusableEndpointError: If url or key cannot work.
        ValueError: If json_schema is something else.

    Example:
        >>> RemoteEngine("a-model", url="http://127.0.0.1:8000/v1").endpoint
        'http://127.0.0.1:8000/v1'
    """

    engine = "openai"

    def __init__(
        self,
        model: str,
        *,
        url: str,
        api_key: str | None = None,
        json_schema: str = "auto",
        concurrency: int = 4,
        timeout_s: float = 120.0,
    ) -> None:
        address = read_address(url)
        self.model = model
        self.endpoint = endpoint_name(address)
        self._wire = Wire(address, read_key(api_key), concurrency, timeout_s)
        self._dialect = starting_dialect(json_schema)
        self._turns = Turns(concurrency)
        self._left_alone_until = 0.0
        self._refused = dict[float, tuple[float, WriteFailure]]()  # temperature: until when, by the loop's clock, why

    async def complete(self, completion: Completion) -> Completed | WriteFailure:
        """Return what it says; with a schema it is JSON of that schema, or a failure.

        Such JSON is written anew: compact, without what stood around it.
        """
        return await self._answer(completion, None)

    async def stream(self, completion: Completion) -> AsyncIterator[str | Completed | WriteFailure]:
        """Yield pieces of text as they come, and at last the whole or the failure.

        The whole counts: with a schema it may have been repaired, and differ from the pieces.
        """
        pieces: asyncio.Queue[str | None] = asyncio.Queue()  # bounded by the longest answer
        answer = asyncio.create_task(self._answer(completion, pieces.put_nowait))
        answer.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            yield await answer
        finally:  # whoever stops listening stops the call
            answer.cancel()
            await asyncio.wait([answer])

    async def close(self) -> None:
        """Close all connections; calls in flight fail and can be made again."""
        await self._wire.close()

    async def _answer(self, completion: Completion, tell: Tell | None) -> Completed | WriteFailure:
        """Ask in turn, and a second time if the model may repair what it said."""
        clock = asyncio.get_running_loop().time
        until = None if completion.patience_s is None else clock() + completion.patience_s
        async with self._turns.one_of(completion.key, until) as entered:
            if not entered:
                told = f"no call could begin within {completion.patience_s:.3g} s: as many as allowed are under way"
                return WriteFailure(told, retryable=True, asked=False)
            left_alone_s = self._left_alone_until - clock()
            if left_alone_s > 0:
                told = f"the endpoint wants to be left alone for {left_alone_s:.1f} s more"
                return WriteFailure(told, retryable=True, retry_after_s=left_alone_s, asked=False)
            refused_until, refusal = self._refused.get(completion.decoding.temperature, (0.0, None))
            if refusal is not None and clock() < refused_until:
                return replace(refusal, asked=False)
            outcome = await self._ask(completion, until, tell)
            return await self._repaired(outcome, completion, until) if isinstance(outcome, Unfit) else outcome

    async def _ask(
        self, completion: Completion, until: float | None, tell: Tell | None
    ) -> Completed | WriteFailure | Unfit:
        """Ask once, in a dialect that the endpoint understands."""
        dialect, with_schema, pieces = self._dialect, completion.schema is not None, SpokenPieces(tell)
        while True:
            body = dialect.body(self.model, completion, streamed=tell is not None)
            heard = await self._wire.ask(body, until, pieces.take)
            other = dialect.after(heard, with_schema) if isinstance(heard, ServerError) else None
            if other is None:
                break
            if other.sends_schema == dialect.sends_schema:  # named, not guessed: true whatever comes of this call
                self._dialect = other
            dialect = other  # knows less of what could be refused each time, so this ends
        if not isinstance(heard, Said):
            return self._failure(heard, completion.decoding.temperature)
        self._dialect = dialect.after_success(with_schema)
        return judged(heard, completion, self.model)

    async def _repaired(self, unfit: Unfit, completion: Completion, until: float | None) -> Completed | WriteFailure:
        """Show the model what was wrong, and return its second answer, or that this was wrong too."""
        self._dialect = self._dialect.after_unfit()
        told = f"Your answer was rejected: {unfit.reason}. Answer again."
        turns = (Message("assistant", unfit.text[:MAX_SHOWN] or "(nothing)"), Message("user", told))
        second = await self._ask(replace(completion, messages=completion.messages + turns), until, None)
        tokens_in, tokens_out = unfit.tokens_in + second.tokens_in, unfit.tokens_out + second.tokens_out
        if isinstance(second, Unfit):
            told = f"the model's answer was wrong twice: {second.fault}"
            return WriteFailure(told, retryable=False, lasting=True, tokens_in=tokens_in, tokens_out=tokens_out)
        return replace(second, tokens_in=tokens_in, tokens_out=tokens_out)

    def _failure(self, heard: ServerError | WriteFailure, temperature: float) -> WriteFailure:
        """Return what it means, and what it means for the calls after this one."""
        if isinstance(heard, WriteFailure):
            return heard
        now, failure = asyncio.get_running_loop().time(), heard.failure
        if heard.status in {429, 503} and heard.retry_after_s:
            self._left_alone_until = now + heard.retry_after_s
        if heard.field == "temperature" and not failure.retryable and not failure.lasting:
            self._refused[temperature] = now + REFUSED_S, failure
        return failure
