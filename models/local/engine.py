"""A language model in a folder, as an engine."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from models.local.adapters import Adapter, AdapterFolders
from models.local.chat import Chat
from models.local.folder import LocalModelError, read_folder
from models.local.host import Patience, Result
from models.local.hosts import lend_host
from models.local.limits import Limits
from models.local.process import COMMAND
from models.local.wire import Open, Row, Said, Scored
from models.ports import Completed, Completion, Decoding, Message, WriteFailure

TELLING_S = 3.0
"""A model that had less time than this cannot be said to be slow."""
NEEDED = ("torch", "transformers", "xgrammar", "peft", "accelerate")


class LocalEngine:
    """An ``Engine`` on a model's folder, in a process that all engines of the folder share.

    Free text that takes the likeliest words goes into continuous batching; JSON, and text whose words are drawn, into
    batches by tokens and length. Nothing is ever downloaded.

    Args:
        folder: The model: config.json, tokenizer.json, a chat template, *.safetensors.
        adapter: Name of a LoRA adapter's folder in ``adapters``.
        device: auto, cpu or cuda.
        adapters: Folder of adapters; read while running.
        batch_tokens: Padded tokens of a batch at most.
        linger_s: A batch that is not full waits this long for more while the model is busy, seconds.
        cache_blocks: Blocks of 32 tokens of the cache of continuous batching.
        timeout_s: A completion fails that takes longer once it has its turn.
        patience: With the process.
        command: The program of the process; another one only in tests.

    Raises:
        LocalModelError: If the folder does not hold such a model, or the llm extra is not installed.
    """

    engine = "local"

    def __init__(
        self,
        folder: Path,
        adapter: str | None = None,
        device: str = "auto",
        adapters: Path | None = None,
        batch_tokens: int = 8_192,
        linger_s: float = 0.02,
        cache_blocks: int = 1_024,
        timeout_s: float = 120.0,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        command: Sequence[str] = COMMAND,
    ) -> None:
        found = read_folder(folder)
        if command == COMMAND:
            require_extra()
        self._folders = AdapterFolders(adapters)
        self._adapter = adapter
        if adapter is not None:
            self._folders.find(adapter)
        self._chat = Chat(found)
        self._limits = Limits(found.vocabulary, found.context, batch_tokens, cache_blocks)
        self._timeout_s = timeout_s
        self._name = found.name
        self.endpoint = str(found.path)
        opening = Open(str(found.path), device, batch_tokens, cache_blocks, adapters is not None)
        self._lent = lend_host(found.name, opening, adapters, linger_s, patience, command)

    @property
    def model(self) -> str:
        """Folder and hash of the model, and of the adapter as it is now."""
        try:
            return self._named(self._now())
        except LocalModelError:
            return f"{self._name}#{self._adapter}@gone"

    async def complete(self, completion: Completion) -> Completed | WriteFailure:
        """Return what it says; with a schema it is JSON of that schema, or a failure."""
        return await self._complete(completion, None)

    async def stream(self, completion: Completion) -> AsyncIterator[str | Completed | WriteFailure]:
        """Yield pieces of text as they come, and at last the whole or the failure."""
        queue: asyncio.Queue[Sequence[int] | None] = asyncio.Queue()
        asking = asyncio.create_task(self._complete(completion, queue.put_nowait))
        asking.add_done_callback(lambda _: queue.put_nowait(None))
        pieces, yielded = self._chat.pieces(), ""
        try:
            while (tokens := await queue.get()) is not None:
                if text := pieces.add(tokens):
                    yielded += text
                    yield text
            result = await asking
            if isinstance(result, Completed) and result.text.startswith(yielded) and result.text != yielded:
                yield result.text[len(yielded) :]
            yield result
        finally:
            asking.cancel()

    async def score(
        self, prompt: Sequence[Message], targets: Sequence[str], patience_s: float | None = None
    ) -> tuple[tuple[float, ...], ...] | WriteFailure:
        """Return how likely each target is as what follows the prompt: the logarithm for each of its tokens.

        Args:
            prompt: The turns.
            targets: Texts, none empty.
            patience_s: How long somebody waits; None as long as this engine's own timeout.
        """
        try:
            tokens = self._chat.tokens(prompt)
            found = [self._chat.continuation(target) for target in targets]
            adapter = self._now()
        except LocalModelError as error:
            return WriteFailure(str(error), retryable=False, asked=False)
        if not all(found):
            return WriteFailure("an empty target cannot be scored", retryable=False, lasting=True, asked=False)
        longest = max((len(target) for target in found), default=1)
        if refused := self._limits.refuse(tokens, Decoding(longest), joins=False):
            return refused
        row = Row(0, tokens, max_tokens=longest, targets=found)
        result = await self._ask(row, adapter, patience_s)
        if isinstance(result, Scored):
            return tuple(tuple(each) for each in result.logprobs)
        return _no_result(result)

    async def close(self) -> None:
        """Give back the process; the last engine of a folder ends it."""
        await self._lent.close()

    def _now(self) -> Adapter | None:
        return self._folders.find(self._adapter) if self._adapter is not None else None

    def _named(self, adapter: Adapter | None) -> str:
        return self._name if adapter is None else f"{self._name}#{adapter.name}@{adapter.identity}"

    async def _complete(
        self, completion: Completion, told: Callable[[Sequence[int]], None] | None
    ) -> Completed | WriteFailure:
        decoding = completion.decoding
        joins = completion.schema is None and decoding.temperature == 0
        try:
            tokens = self._chat.tokens(completion.messages)
        except LocalModelError as error:
            return WriteFailure(str(error), retryable=False, lasting=True, asked=False)
        try:
            adapter = self._now()
        except LocalModelError as error:
            return WriteFailure(str(error), retryable=False, asked=False)
        if refused := self._limits.refuse(tokens, decoding, joins):
            return refused
        row = Row(
            number=0,
            tokens=tokens,
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=decoding.seed,
            json_schema=None if completion.schema is None else json.dumps(completion.schema),
            streamed=told is not None,
        )
        result = await self._ask(row, adapter, completion.patience_s, completion.key, joins, told)
        if not isinstance(result, Said):
            return _no_result(result)
        read = self._read(result, row)
        return replace(read, model=self._named(adapter)) if isinstance(read, Completed) else read

    async def _ask(
        self,
        row: Row,
        adapter: Adapter | None,
        patience_s: float | None,
        key: str = "",
        joins: bool = False,
        told: Callable[[Sequence[int]], None] | None = None,
    ) -> Result:
        waits_s = self._timeout_s if patience_s is None else min(patience_s, self._timeout_s)
        turn = _Turn(asyncio.timeout(patience_s), self._timeout_s)
        try:
            async with turn.limit:
                return await self._lent.host.ask(row, waits_s, adapter, key, joins, told, turn.begin)
        except TimeoutError:
            return turn.failure(self._name, len(row.tokens))

    def _read(self, said: Said, row: Row) -> Completed | WriteFailure:
        completed = Completed(self._chat.text(said.tokens), len(row.tokens), len(said.tokens))
        if row.json_schema is None:
            return completed
        failure = WriteFailure(
            "", retryable=False, lasting=True, tokens_in=completed.tokens_in, tokens_out=completed.tokens_out
        )
        if not said.ended:
            return replace(failure, error=f"{self._name}: its JSON is not whole after {row.max_tokens} tokens")
        try:
            # the grammar of a bounded string lets control characters by, which strict JSON escapes
            found = json.loads(completed.text, strict=False)
        except ValueError as error:
            return replace(failure, error=f"{self._name}: said no JSON ({error})")
        return replace(completed, text=json.dumps(found, ensure_ascii=False))


class _Turn:
    """One completion's time: what it waits for its turn is no fault of the model.

    Args:
        limit: Ends when patience does.
        timeout_s: What the model has from the beginning of its turn, seconds.
    """

    def __init__(self, limit: asyncio.Timeout, timeout_s: float) -> None:
        self.limit = limit
        self._timeout_s = timeout_s
        self._asked_s = time.monotonic()
        self._began_s: float | None = None

    def begin(self) -> None:
        """The model has it."""
        self._began_s = time.monotonic()
        ends = asyncio.get_running_loop().time() + self._timeout_s
        until = self.limit.when()
        self.limit.reschedule(ends if until is None else min(until, ends))

    def failure(self, name: str, tokens: int) -> WriteFailure:
        """Return what it means that time is up.

        Args:
            name: Of the model.
            tokens: Of the prompt: read once the turn began.
        """
        now_s = time.monotonic()
        if self._began_s is None:
            told = f"{name}: had no turn within {now_s - self._asked_s:.1f} s"
            return WriteFailure(told, retryable=True, asked=False)
        took_s = now_s - self._began_s
        told = f"{name}: was not done within {took_s:.1f} s"
        fair = took_s >= min(TELLING_S, self._timeout_s)
        return WriteFailure(told, retryable=True, endpoint=fair, tokens_in=tokens)


def require_extra() -> None:
    """Check that what runs local models is installed.

    Raises:
        LocalModelError: If it is not.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise LocalModelError(
            f"local models need {', '.join(missing)}, not installed here; "
            'install the llm extra: pip install "millrace[llm]", or "make .venv-llm" in a checkout'
        )


def _no_result(result: Result) -> WriteFailure:
    if isinstance(result, WriteFailure):
        return result
    return WriteFailure(f"the model's process answered with {type(result).__name__.lower()}", retryable=True)
