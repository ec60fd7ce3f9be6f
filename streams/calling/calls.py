"""Ask models: each call at most once, counted, within its budget, and not while its endpoint is down."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import structlog

from infra.database import Store
from infra.ledger import Entry
from models.ports import WriteFailure, Written
from schemas.heartbeats import Counters
from streams.calling.accounts import Accounts, Bill, Reading, Terms
from streams.calling.asks import Ask, Model, Request, call_key
from streams.calling.circuits import Circuits
from streams.calling.flights import Flights

FAIR_S = 3.0
"""A call that got less time than this and did not end says nothing of its endpoint."""

WHY_CHARACTERS = 400
"""Of a failure's reason that are kept."""

log = structlog.get_logger("calls")
M = TypeVar("M", bound=Model)
Made = Entry | WriteFailure
"""What came of a call: the ledger's entry, or why it was not made or may be made again."""


class Calls(Generic[M, Request]):
    """Asks models for texts.

    A call that is in the ledger is not made again, nor is one that is under way here or whose result still waits
    to be written down. What a call cost is written down at once, in a transaction of its own.

    Args:
        store: The agent's store.
        invoke: Asks one model for several texts; same length and order.
        terms: Prices, budgets, and when to leave an endpoint alone.
        counters: Where calls are counted.
        now: Unix seconds.
        others: Books of other agents that share the budgets.
    """

    def __init__(
        self,
        store: Store,
        invoke: Callable[[M, Sequence[Request]], Awaitable[Sequence[Written | WriteFailure]]],
        *,
        terms: Terms,
        counters: Counters,
        now: Callable[[], float],
        others: Sequence[Reading] = (),
    ) -> None:
        self._store = store
        self._invoke = invoke
        self._prices = terms.prices
        self._accounts = Accounts(store, terms, now=now, others=others)
        self._counters = counters
        self._now = now
        self._flights = Flights[Made]()
        self._recent = WeakValueDictionary[str, Entry]()  # as long as somebody still has to write them down
        self.circuits = Circuits(terms.breaker_failures, terms.breaker_s, counters=counters, now=now)

    async def ask(self, model: M, asks: Sequence[Ask[Request]], patience_s: float | None = None) -> list[Made]:
        """Ask one model for texts; same length and order.

        Args:
            model: Who is asked.
            asks: For what; equal ones are one call.
            patience_s: A call that takes longer has failed, seconds; none waits for ever.
        """
        keys = [call_key(model, ask.given) for ask in asks]
        named = dict(zip(keys, asks, strict=True))
        joined = Counter(keys) - Counter(self._flights.fresh(named))
        try:
            async with asyncio.timeout(patience_s) as limit:
                made = await self._flights.join(
                    named, lambda fresh: self._make(model, {one: named[one] for one in fresh})
                )
        except TimeoutError:
            if not limit.expired() or patience_s is None:
                raise
            failure = await self._abandon(model, named, patience_s)
            return [failure] * len(asks)
        await self._count_hits(model, sum(isinstance(made[key], Entry) for key in joined.elements()))
        return [made[key] for key in keys]

    async def _make(self, model: M, asks: Mapping[str, Ask[Request]]) -> dict[str, Made]:
        looked = await self._store.run(lambda: self._accounts.look(model, asks))
        recent = {key: self._recent[key] for key in asks if key in self._recent}
        made: dict[str, Made] = {**recent, **looked.paid}
        hits = len(made)
        spent = {key: why for key, why in looked.refused.items() if key not in made}
        self._counters.writer_over_budget += len(spent)
        made |= {key: WriteFailure(why, retryable=False) for key, why in spent.items()}
        unpaid = {key: ask for key, ask in asks.items() if key not in made}
        held = self.circuits.admit(model.endpoint) if unpaid else None
        if held is not None:
            made |= dict.fromkeys(unpaid, held)
        elif unpaid:
            made |= await self._call(model, unpaid)
        await self._count_hits(model, hits)
        return made

    async def _call(self, model: M, asks: Mapping[str, Ask[Request]]) -> dict[str, Made]:
        self._counters.writer_calls += len(asks)
        self._counters.refreshes += sum(ask.refresh for ask in asks.values())
        started = time.monotonic()
        results = await self._invoke(model, [ask.request for ask in asks.values()])
        latency_ms = (time.monotonic() - started) * 1000
        self.circuits.note(model.endpoint, results)
        made, costs = dict[str, Made](), []
        for (key, ask), result in zip(asks.items(), results, strict=True):
            cost = self._prices.cost(model.model, result.tokens_in, result.tokens_out)
            costs.append((result.tokens_in, result.tokens_out, cost, ask.account))
            made[key] = self._taken(model, key, ask, result, latency_ms / len(asks), cost)
        failures = sum(isinstance(result, WriteFailure) for result in results)
        await self._record(model, Bill(len(asks), failures, 0, latency_ms, costs))
        return made

    def _taken(
        self, model: M, key: str, ask: Ask[Request], result: Written | WriteFailure, latency_ms: float, cost: float
    ) -> Made:
        if isinstance(result, WriteFailure):
            log.warning("writer failed", subject=ask.subject, error=result.error, retryable=result.retryable)
            if not result.lasting:
                return result
        entry = Entry(
            ledger_key=key,
            engine=model.engine,
            model=model.model,
            prompt_version=model.prompt_version,
            output="" if isinstance(result, WriteFailure) else storable(result.text),
            tokens_in=result.tokens_in,
            tokens_out=result.tokens_out,
            latency_ms=latency_ms,
            created_at=self._now(),
            cost=cost,
            said=None if isinstance(result, WriteFailure) or result.said is None else storable(result.said),
            failure=storable(result.error)[:WHY_CHARACTERS] if isinstance(result, WriteFailure) else None,
        )
        self._recent[key] = entry
        return entry

    async def _abandon(self, model: M, asks: Mapping[str, Ask[Request]], patience_s: float) -> WriteFailure:
        failure = WriteFailure(f"no answer within {patience_s:.1f} s", retryable=True, endpoint=True)
        dropped = len(self._flights.fresh(asks))  # others may still wait for the rest
        if dropped:
            log.warning("writer failed", error=failure.error, model=model.model, calls=dropped)
            await self._record(model, Bill(dropped, dropped, latency_ms=patience_s * 1000 * dropped))
        if dropped and patience_s >= FAIR_S:
            self.circuits.note(model.endpoint, [failure])
        return failure

    async def _count_hits(self, model: M, hits: int) -> None:
        if not hits:
            return
        self._counters.ledger_hits += hits
        await self._store.run(lambda: self._accounts.record(model, Bill(hits=hits)))

    async def _record(self, model: M, bill: Bill) -> None:
        counters = self._counters
        counters.writer_failures += bill.failures
        counters.writer_tokens_in += sum(tokens_in for tokens_in, _, _, _ in bill.costs)
        counters.writer_tokens_out += sum(tokens_out for _, tokens_out, _, _ in bill.costs)
        counters.writer_cost += sum(cost for _, _, cost, _ in bill.costs)
        await self._store.run(lambda: self._accounts.record(model, bill))


def storable(text: str) -> str:
    r"""Take out of a text what a database refuses: NUL, and halves of surrogate pairs.

    Example:
        >>> storable("a\x00b\ud800c")
        'ab?c'
    """
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
