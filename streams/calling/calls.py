"""Ask models: each call at most once, counted, within its budget, and not while its endpoint is down."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar
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

KEPT_BACK_S = 0.25
"""Of patience at most, so that a model that gives up can still say what it spent; a tenth where that is less."""

WHY_CHARACTERS = 400
"""Of a failure's reason that are kept."""

log = structlog.get_logger("calls")
M = TypeVar("M", bound=Model)
Made = Entry | WriteFailure
"""What came of a call: the ledger's entry, or why it was not made or may be made again."""
Invoke: TypeAlias = Callable[[M, Sequence[Request], float | None], Awaitable[Sequence[Written | WriteFailure]]]
"""Asks one model for several texts; the number is how long it may take, seconds."""


class Calls(Generic[M, Request]):
    """Asks models for texts.

    A call that is in the ledger is not made again, nor is one that is under way here or whose result still waits
    to be written down. What a call cost is written down at once, in a transaction of its own.

    Args:
        store: The agent's store.
        invoke: Asks one model for several texts, and tells it how many seconds it may take at most; same length and
            order.
        terms: Prices, budgets, and when to leave an endpoint alone.
        counters: Where calls are counted.
        now: Unix seconds.
        others: Books of other agents that share the budgets.
    """

    def __init__(
        self,
        store: Store,
        invoke: Invoke[M, Request],
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
        self._invoked = set[str]()  # keys of calls that a model has in hand
        self._recent = WeakValueDictionary[str, Entry]()  # as long as somebody still has to write them down
        self.circuits = Circuits(terms.breaker_failures, terms.breaker_s, counters=counters, now=now)

    async def ask(self, model: M, asks: Sequence[Ask[Request]], patience_s: float | None = None) -> list[Made]:
        """Ask one model for texts; same length and order.

        Patience is handed down, so that the model gives up itself and says what it spent; the little that is kept back
        is for that.

        Args:
            model: Who is asked.
            asks: For what; equal ones are one call.
            patience_s: A call that takes longer has failed, seconds; none leaves that to the model.
        """
        name = model.model
        keys = [call_key(model, ask.given, name) for ask in asks]
        named = dict(zip(keys, asks, strict=True))
        joined = Counter(keys) - Counter(self._flights.fresh(named))
        until = None if patience_s is None else asyncio.get_running_loop().time() + patience_s
        try:
            async with asyncio.timeout_at(until) as limit:
                made = await self._flights.join(
                    named, lambda fresh: self._make(model, name, {one: named[one] for one in fresh}, until)
                )
        except TimeoutError:
            if not limit.expired() or patience_s is None:
                raise
            failure = await self._abandon(model, name, named, patience_s)
            return [failure] * len(asks)
        await self._count_hits(model, name, sum(isinstance(made[key], Entry) for key in joined.elements()))
        return [made[key] for key in keys]

    async def _make(
        self, model: M, name: str, asks: Mapping[str, Ask[Request]], until: float | None
    ) -> dict[str, Made]:
        looked = await self._store.run(lambda: self._accounts.look(model, asks))
        recent = {key: self._recent[key] for key in asks if key in self._recent}
        made: dict[str, Made] = {**recent, **looked.paid}
        hits = len(made)
        spent = {key: why for key, why in looked.refused.items() if key not in made}
        self._counters.writer_over_budget += len(spent)
        made |= {key: WriteFailure(why, retryable=False, asked=False, over_budget=True) for key, why in spent.items()}
        unpaid = {key: ask for key, ask in asks.items() if key not in made}
        held = self.circuits.admit(model.endpoint) if unpaid else None
        if held is not None:
            made |= dict.fromkeys(unpaid, held)
        elif unpaid:
            made |= await self._call(model, name, unpaid, until)
        await self._count_hits(model, name, hits)
        return made

    async def _call(
        self, model: M, name: str, asks: Mapping[str, Ask[Request]], until: float | None
    ) -> dict[str, Made]:
        self._counters.writer_calls += len(asks)
        self._counters.refreshes += sum(ask.refresh for ask in asks.values())
        started = time.monotonic()
        self._invoked |= asks.keys()
        try:
            results = await self._invoke(model, [ask.request for ask in asks.values()], _handed_down(until))
        finally:
            self._invoked -= asks.keys()
        latency_ms = (time.monotonic() - started) * 1000 / len(asks)
        self.circuits.note(model.endpoint, results)
        paid = [self._paid(name, ask, result, latency_ms) for ask, result in zip(asks.values(), results, strict=True)]
        made = {key: self._taken(model, one) for key, one in zip(asks, paid, strict=True)}
        for who in dict.fromkeys(one.said_by for one in paid):
            await self._record(model, who, _bill([one for one in paid if one.said_by == who]))
        return made

    def _paid(
        self, name: str, ask: Ask[Request], result: Written | WriteFailure, latency_ms: float
    ) -> "_Paid[Request]":
        said_by = name if isinstance(result, WriteFailure) or result.model is None else result.model
        return _Paid(ask, result, said_by, self._prices.cost(said_by, result.tokens_in, result.tokens_out), latency_ms)

    def _taken(self, model: M, paid: "_Paid[Request]") -> Made:
        result, ask = paid.result, paid.ask
        if isinstance(result, WriteFailure):
            log.warning("writer failed", subject=ask.subject, error=result.error, retryable=result.retryable)
            if not result.lasting:
                return result
            if model.model != paid.said_by:  # exchanged during the call: which of the two will fail for ever?
                return replace(result, lasting=False, retryable=True)
        entry = Entry(
            ledger_key=call_key(model, ask.given, paid.said_by),
            engine=model.engine,
            model=paid.said_by,
            prompt_version=model.prompt_version,
            output="" if isinstance(result, WriteFailure) else storable(result.text),
            tokens_in=result.tokens_in,
            tokens_out=result.tokens_out,
            latency_ms=paid.latency_ms,
            created_at=self._now(),
            cost=paid.cost,
            said=None if isinstance(result, WriteFailure) or result.said is None else storable(result.said),
            failure=storable(result.error)[:WHY_CHARACTERS] if isinstance(result, WriteFailure) else None,
        )
        self._recent[entry.ledger_key] = entry
        return entry

    async def _abandon(self, model: M, name: str, asks: Mapping[str, Ask[Request]], patience_s: float) -> WriteFailure:
        """Give up calls that took too long, though their model was told how long they may take.

        So it was not the model: they waited for this process. That says nothing of the endpoint.
        """
        dropped = self._invoked.intersection(self._flights.fresh(asks))  # others may still wait for the rest
        told = f"no answer within {patience_s:.1f} s"
        failure = WriteFailure(told, retryable=True, asked=not self._invoked.isdisjoint(asks))
        if dropped:
            log.warning("writer failed", error=failure.error, model=name, calls=len(dropped))
            await self._record(
                model, name, Bill(len(dropped), len(dropped), latency_ms=patience_s * 1000 * len(dropped))
            )
        return failure

    async def _count_hits(self, model: M, name: str, hits: int) -> None:
        if not hits:
            return
        self._counters.ledger_hits += hits
        await self._store.run(lambda: self._accounts.record(model, name, Bill(hits=hits)))

    async def _record(self, model: M, name: str, bill: Bill) -> None:
        counters = self._counters
        counters.writer_failures += bill.failures
        counters.writer_tokens_in += sum(tokens_in for tokens_in, _, _, _ in bill.costs)
        counters.writer_tokens_out += sum(tokens_out for _, tokens_out, _, _ in bill.costs)
        counters.writer_cost += sum(cost for _, _, cost, _ in bill.costs)
        await self._store.run(lambda: self._accounts.record(model, name, bill))


@dataclass(frozen=True, slots=True)
class _Paid(Generic[Request]):
    """What came of one text that was asked for.

    Args:
        ask: What was asked.
        result: What came.
        said_by: Name of the model that it came from.
        cost: Of it.
        latency_ms: Its share of the call's.
    """

    ask: Ask[Request]
    result: Written | WriteFailure
    said_by: str
    cost: float
    latency_ms: float


def _bill(paid: Sequence[_Paid[Request]]) -> Bill:
    failures = sum(isinstance(one.result, WriteFailure) for one in paid)
    costs = [(one.result.tokens_in, one.result.tokens_out, one.cost, one.ask.account) for one in paid]
    return Bill(len(paid), failures, 0, sum(one.latency_ms for one in paid), costs)


def _handed_down(until: float | None) -> float | None:
    """Return how long a model may take, seconds, if all must be over by then, by the loop's clock."""
    if until is None:
        return None
    left_s = max(until - asyncio.get_running_loop().time(), 0.0)
    return left_s - min(KEPT_BACK_S, left_s / 10)


def storable(text: str) -> str:
    r"""Take out of a text what a database refuses: NUL, and halves of surrogate pairs.

    Example:
        >>> storable("a\x00b\ud800c")
        'ab?c'
    """
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
