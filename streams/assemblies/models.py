"""Build what the agents that write share: language models, the terms on which they are asked, and who stands in."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from infra.model_settings import WriterSettings
from infra.settings import Settings
from models.engines import EngineOptions, Engines, Manner
from models.naming import ModelName, UnknownWriterError
from models.ports import Decoding
from processors.calls.budgets import Budgets
from processors.calls.prices import Prices, WrongPrices
from streams.calling.accounts import Terms, books_at
from streams.calling.asks import Request
from streams.calling.calls import Calls, Invoke, M
from streams.calling.chain import Chain
from streams.parts import Context, Service, Unusable
from streams.places import store_place


@contextmanager
def refusing() -> Iterator[None]:
    """Turn settings that nobody can write with into a refusal to start.

    Raises:
        Unusable: If models are named that cannot be had, or prices that cannot be read.
    """
    try:
        yield
    except UnknownWriterError as error:
        raise Unusable(error.message, error.remedy) from error
    except WrongPrices as error:
        raise Unusable(f"writer.prices: {error}", "Correct MILLRACE_WRITER_PRICES.") from error


def build_engines(settings: Settings, concurrency: int) -> Engines:
    """Build language models as they are asked for.

    Args:
        settings: Where they are.
        concurrency: Calls at a time.
    """
    writer, local = settings.writer, settings.local
    options = EngineOptions(
        url=writer.url,
        api_key=None if writer.api_key is None else writer.api_key.reveal(),
        json_schema=writer.json_schema,
        concurrency=concurrency,
        timeout_s=writer.timeout_s,
        device=local.device,
        adapters=local.adapters,
        batch_tokens=local.batch_tokens,
        linger_s=local.linger_s,
        cache_blocks=local.cache_blocks,
    )
    decoding = Decoding(max_tokens=writer.max_tokens, temperature=writer.temperature)
    return Engines(options, Manner(decoding, writer.language or ""))


def build_terms(writer: WriterSettings) -> Terms:
    """Build the terms on which models are asked.

    Raises:
        WrongPrices: If the prices cannot be read.
    """
    return Terms(
        prices=Prices.parse(writer.prices),
        budgets=Budgets(writer.budget_day, writer.budget_key, writer.tokens_day, writer.tokens_key),
        breaker_failures=writer.breaker_failures,
        breaker_s=writer.breaker_s,
    )


def build_calls(
    context: Context,
    invoke: Invoke[M, Request],
    others: Collection[str],
) -> Calls[M, Request]:
    """Build what makes an agent's calls.

    Args:
        context: Of the agent.
        invoke: Asks one model for several texts, and tells it how long it may take.
        others: Agents that share its budgets.

    Raises:
        WrongPrices: If the prices cannot be read.
    """
    terms = build_terms(context.settings.writer)
    books = [books_at(store_place(context.settings, agent)) for agent in others]
    return Calls(context.store, invoke, terms=terms, counters=context.counters, now=context.now, others=books)


def build_chain(writer: WriterSettings, prompt: str, choose: Callable[[str, str], M], last: M) -> Chain[M]:
    """Put those who write in order.

    Args:
        writer: Who they are.
        prompt: Of all but the second of a split, if that has its own.
        choose: Builds one from its name and prompt.
        last: The extractive one.

    Raises:
        UnknownWriterError: If one of them cannot be had.
    """

    def model(name: str, with_prompt: str) -> M:
        return last if ModelName.parse(name).kind == "extractive" else choose(name, with_prompt)

    firsts = [(model(writer.use, prompt), 1.0 - writer.other_share)]
    if writer.other is not None and writer.other_share > 0:
        firsts.append((model(writer.other, writer.other_prompt or prompt), writer.other_share))
    else:
        firsts = [(firsts[0][0], 1.0)]
    names = [one.strip() for one in (writer.fallbacks or "").split(",") if one.strip()]
    return Chain(tuple(firsts), tuple(model(name, prompt) for name in names), last)


def closing(engines: Engines) -> Service:
    """Give models back when the worker stops."""
    return lambda _: _Closing(engines)


class _Closing:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def run(self) -> None:
        """Wait for the end."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._engines.close()
