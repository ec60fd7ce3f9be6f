"""``millrace usage``: what models were asked for, and what it cost."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from infra.errors import SettingsError
from infra.heartbeats import alive, read_heartbeats
from infra.model_settings import WriterSettings
from infra.rows.usage_rows import UsageRow, day_of, usage_since
from infra.settings import Settings
from infra.store_errors import StoreMissing
from infra.stores import AgentStore
from processors.calls.budgets import Spent
from processors.calls.prices import Prices, WrongPrices
from streams.cli.context import load_settings
from streams.cli.render import make_console, print_lines
from streams.cli.usage_view import Budget, Calls, Circuit, Period, Usage, usage_lines
from streams.places import store_place

AGENTS = ("summarize", "answer")
"""Those that ask models to write."""

PERIODS: Mapping[str, int] = {"today": 1, "7 days": 7, "30 days": 30}
"""With their days, today included."""


@click.command("usage")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Show what models were asked for, by model and prompt, and what is left of the budgets of the day.

    \b
    calls    made, all but extractive ones over the network or in a model's own process
    saved    not made: the same call was in the ledger, or under way
    in, out  tokens read and said
    cost     by the prices of the day it was made
    mean     of the calls' latencies

    Endpoints that failed again and again and are left alone are named below. Days are UTC's; summaries and
    answers share the budgets.

    \b
    Example:
      millrace usage
      millrace usage --json | jq '.periods[0].calls[] | {model, cost}'
    """
    settings, now = load_settings(), time.time()
    usage = read_usage(settings, now)
    if as_json:
        click.echo(msgspec.json.encode(usage))
        return
    console = make_console()
    print_lines(console, usage_lines(usage, now, min(console.width, 120)))


def read_usage(settings: Settings, now: float) -> Usage:
    """Read what all agents' calls came to.

    Args:
        settings: Where stores are, and what the budgets are.
        now: Unix seconds.

    Raises:
        infra.store_errors.StoreError: If a store cannot be read.
        SettingsError: If the prices cannot be read.
    """
    first = _day_before(now, max(PERIODS.values()) - 1)
    rows = [(agent, row) for agent in AGENTS for row in _rows(settings, agent, first)]
    today = [row for _, row in rows if row.day == day_of(now)]
    periods = [
        Period(name=name, calls=_together((agent, row) for agent, row in rows if row.day >= _day_before(now, days - 1)))
        for name, days in PERIODS.items()
    ]
    spent = Spent(sum(row.cost for row in today), sum(row.tokens_in + row.tokens_out for row in today))
    return Usage(
        day=day_of(now),
        periods=periods,
        priced=_priced(settings.writer),
        budgets=_budgets(settings.writer, spent),
        circuits=_circuits(settings, now),
    )


def _rows(settings: Settings, agent: str, first: str) -> Sequence[UsageRow]:
    try:
        with AgentStore(store_place(settings, agent)).transaction() as connection:
            return usage_since(connection, first)
    except StoreMissing:
        return []


def _together(rows: Iterable[tuple[str, UsageRow]]) -> list[Calls]:
    """Add up the days of each model and prompt of an agent; the most expensive first, then the most asked."""
    found: dict[tuple[str, str, str, str], list[UsageRow]] = {}
    for agent, row in rows:
        found.setdefault((agent, row.engine, row.model, row.prompt_version), []).append(row)
    calls = [_calls(agent, days) for (agent, *_), days in found.items()]
    return sorted(calls, key=lambda one: (-one.cost, -one.calls, one.agent, one.engine, one.model, one.prompt_version))


def _calls(agent: str, days: Sequence[UsageRow]) -> Calls:
    made = sum(row.calls for row in days)
    return Calls(
        agent=agent,
        engine=days[0].engine,
        model=days[0].model,
        prompt_version=days[0].prompt_version,
        calls=made,
        hits=sum(row.hits for row in days),
        failures=sum(row.failures for row in days),
        tokens_in=sum(row.tokens_in for row in days),
        tokens_out=sum(row.tokens_out for row in days),
        cost=sum(row.cost for row in days),
        mean_latency_ms=sum(row.latency_ms for row in days) / made if made else None,
    )


def _budgets(writer: WriterSettings, spent: Spent) -> list[Budget]:
    limits = {"cost": (spent.cost, writer.budget_day), "tokens": (spent.tokens, writer.tokens_day)}
    return [
        Budget(what=what, spent=used, limit=limit, left=max(limit - used, 0))
        for what, (used, limit) in limits.items()
        if limit is not None
    ]


def _circuits(settings: Settings, now: float) -> list[Circuit]:
    return [
        Circuit(
            endpoint=endpoint,
            agent=beat.agent,
            slot=beat.slot,
            until=until,
            reason=beat.circuit_reasons.get(endpoint),
        )
        for beat in read_heartbeats(settings.home)
        if alive(beat, now)
        for endpoint, until in sorted(beat.circuits.items())
    ]


def _priced(writer: WriterSettings) -> bool:
    try:
        return bool(Prices.parse(writer.prices).by_model)
    except WrongPrices as error:
        raise SettingsError(f"writer.prices: {error}", "Correct MILLRACE_WRITER_PRICES.") from error


def _day_before(now: float, days: int) -> str:
    return (datetime.fromtimestamp(now, UTC) - timedelta(days=days)).date().isoformat()
