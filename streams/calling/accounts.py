"""What calls cost: looked at before each, written down after each."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import structlog
from sqlalchemy import Connection

from infra import ledger
from infra.database import Store
from infra.ledger import Entry
from infra.places import StorePlace
from infra.rows import usage_rows
from infra.rows.usage_rows import SpendingRow, UsageRow, day_of
from infra.store_errors import StoreError, StoreMissing
from infra.stores import AgentStore
from processors.calls.budgets import Budgets, Spent
from processors.calls.prices import Prices
from streams.calling.asks import Ask, Model, Request

log = structlog.get_logger("calls")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which calls may be made.

    Args:
        prices: Of tokens.
        budgets: Of a day.
        breaker_failures: In a row, that open an endpoint's circuit.
        breaker_s: How long it stays open, seconds.
    """

    prices: Prices = field(default_factory=Prices)
    budgets: Budgets = field(default_factory=Budgets)
    breaker_failures: int = 5
    breaker_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Bill:
    """What calls of one model came to.

    Args:
        calls: Made.
        failures: Of these.
        hits: Not made: the ledger had them, or the same call was under way.
        latency_ms: Of all calls together.
        costs: Tokens in, tokens out, cost and account of each call.
    """

    calls: int = 0
    failures: int = 0
    hits: int = 0
    latency_ms: float = 0.0
    costs: Sequence[tuple[int, int, float, str | None]] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known before calls are made, by their ledger keys.

    Args:
        paid: Made before.
        refused: Whose budget is spent, and which.
    """

    paid: Mapping[str, Entry]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Books:
    """What was spent on one day: by all keys together, and by some."""

    day: Spent
    keys: Mapping[str, Spent]


Reading = Callable[[str, Collection[str]], Books]
"""Reads the books of a day for some keys."""


class Accounts:
    """Keeps the books of an agent's calls. Both methods run in the store's thread.

    Calls under way are not in the books yet: a budget is passed by what they cost, never by more.

    Args:
        store: The agent's store.
        terms: Prices and budgets.
        now: Unix seconds; a day is UTC's.
        others: Books of other agents that share the budgets.
    """

    def __init__(self, store: Store, terms: Terms, *, now: Callable[[], float], others: Sequence[Reading] = ()) -> None:
        self._store = store
        self._terms = terms
        self._now = now
        self._others = others

    def look(self, model: Model, asks: Mapping[str, Ask[Request]]) -> Looked:
        """Look calls up, and the budgets of those that would have to be made.

        Args:
            model: Who would be asked; what runs in this process costs nothing.
            asks: By ledger keys.
        """
        limited = bool(model.endpoint) and self._terms.budgets.limited
        with self._store.read() as connection:
            paid = ledger.find(connection, list(asks))
            unpaid = {key: ask for key, ask in asks.items() if key not in paid}
            if not limited or not unpaid:
                return Looked(paid, {})
            refusals = self._refusals(connection, self._terms.prices.priced(model.model), unpaid)
        return Looked(paid, {key: why for key, why in refusals.items() if why is not None})

    def _refusals(
        self, connection: Connection, priced: bool, asks: Mapping[str, Ask[Request]]
    ) -> dict[str, str | None]:
        today, budgets = day_of(self._now()), self._terms.budgets
        keys = {ask.account for ask in asks.values() if ask.account is not None}
        books = [read_books(connection, today, keys), *(read(today, keys) for read in self._others)]
        day = sum((one.day for one in books), Spent())
        spent = {key: sum((one.keys[key] for one in books), Spent()) for key in keys}
        return {
            name: budgets.refusal(day, spent.get(ask.account or "", Spent()), priced=priced)
            for name, ask in asks.items()
        }

    def record(self, model: Model, name: str, bill: Bill) -> None:
        """Write down what calls came to, in a transaction of its own: they were made, whatever becomes of them.

        Args:
            model: Who was asked.
            name: Which model that was then.
            bill: What it came to.
        """
        day = day_of(self._now())
        row = UsageRow(
            day=day,
            engine=model.engine,
            model=name,
            prompt_version=model.prompt_version,
            calls=bill.calls,
            failures=bill.failures,
            hits=bill.hits,
            tokens_in=sum(tokens_in for tokens_in, _, _, _ in bill.costs),
            tokens_out=sum(tokens_out for _, tokens_out, _, _ in bill.costs),
            cost=sum(cost for _, _, cost, _ in bill.costs),
            latency_ms=bill.latency_ms,
        )
        spending = _by_account(day, bill)

        def write(connection: Connection) -> None:
            usage_rows.add_usage(connection, row)
            usage_rows.add_spending(connection, spending)

        self._store.change(write)


def read_books(connection: Connection, day: str, keys: Collection[str]) -> Books:
    """Read the books of one agent.

    Args:
        connection: To its store.
        day: UTC, as 2026-11-22.
        keys: Whose spending to read.
    """
    spent = {key: Spent(*usage_rows.spent_for(connection, day, key)) for key in keys}
    return Books(Spent(*usage_rows.spent_on(connection, day)), spent)


def books_at(place: StorePlace) -> Reading:
    """Prepare reading the books of another agent; while they cannot be read, it has spent nothing.

    Args:
        place: Where its store is.
    """
    opened = cache(lambda: AgentStore(place))  # one for all: each compiles its statements anew

    def read(day: str, keys: Collection[str]) -> Books:
        try:
            with opened().transaction() as connection:
                return read_books(connection, day, keys)
        except StoreMissing:
            pass  # it never ran: nothing was spent
        except StoreError as error:
            log.warning("the other agent's spending is not known", agent=place.agent, why=str(error))
        return Books(Spent(), dict.fromkeys(keys, Spent()))

    return read


def _by_account(day: str, bill: Bill) -> list[SpendingRow]:
    tokens, costs = defaultdict[str, int](int), defaultdict[str, float](float)
    for tokens_in, tokens_out, cost, account in bill.costs:
        if account is not None and tokens_in + tokens_out:
            tokens[account] += tokens_in + tokens_out
            costs[account] += cost
    return [SpendingRow(day, account, tokens[account], costs[account]) for account in tokens]
