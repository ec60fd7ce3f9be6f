"""How calls of models look in a terminal: a table a period, then what is left of budgets and who is left alone."""

from collections.abc import Iterator, Sequence

import msgspec
from rich.text import Text

from streams.cli.render import FAILING, LATE, QUIET, age, count, cut, pad, printable, wrapped

_COLUMNS = (("calls", 8), ("saved", 8), ("failed", 7), ("in", 8), ("out", 8), ("cost", 9), ("mean", 8))
_NAME_CELLS = 23
"""At least, of the model's name."""


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one model with one prompt by one agent."""

    agent: str
    engine: str
    model: str
    prompt_version: str
    calls: int
    hits: int  # not made: the ledger had them
    failures: int  # of the calls
    tokens_in: int
    tokens_out: int
    cost: float
    mean_latency_ms: float | None  # of the calls that were made


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """All calls of some days that end with today."""

    name: str
    calls: list[Calls]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of today."""

    what: str  # cost or tokens
    spent: float
    limit: float
    left: float


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that one worker leaves alone."""

    endpoint: str
    agent: str
    slot: int
    until: float  # unix seconds
    reason: str | None  # why; none of a worker of an older version


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``millrace usage`` tells."""

    day: str  # today, UTC
    periods: list[Period]
    priced: bool  # whether any model has a price
    budgets: list[Budget]
    circuits: list[Circuit]


def usage_lines(usage: Usage, now: float, width: int) -> Iterator[Text]:
    """Lay everything out.

    Args:
        usage: What was asked for.
        now: Unix seconds.
        width: Columns of the terminal.
    """
    if not any(period.calls for period in usage.periods):
        yield Text("No model was asked for anything in the last 30 days.")
    else:
        yield from _tables(usage, max(width - sum(cells for _, cells in _COLUMNS), _NAME_CELLS))
    if usage.budgets:
        yield Text()
    for budget in usage.budgets:
        yield _budget(budget)
    if usage.circuits:
        yield Text()
    for circuit in usage.circuits:
        yield from _circuit(circuit, now, width)


def _tables(usage: Usage, name_cells: int) -> Iterator[Text]:
    shown: Sequence[Calls] = ()
    for place, period in enumerate(usage.periods):
        if place and period.calls == shown:  # nothing was called before: the same table again tells nothing
            yield Text(f"{period.name}: the same", style=QUIET)
            continue
        if place:
            yield Text()
        columns = "".join(f"{name:>{cells}}" for name, cells in _COLUMNS)
        yield Text(pad(period.name, name_cells) + columns, style="bold")
        if not period.calls:
            yield Text("nothing", style=QUIET)
        for one in period.calls:
            yield from _row(one, name_cells, usage.priced)
        shown = period.calls


def _row(one: Calls, name_cells: int, priced: bool) -> Iterator[Text]:
    mean = "-" if one.mean_latency_ms is None else duration(one.mean_latency_ms)
    told = (
        count(one.calls),
        count(one.hits),
        count(one.failures),
        tokens(one.tokens_in),
        tokens(one.tokens_out),
        money(one.cost) if priced else "-",
        mean,
    )
    line = Text(pad(cut(printable(f"{one.engine}:{one.model}"), name_cells - 1), name_cells))
    for (name, cells), value in zip(_COLUMNS, told, strict=True):
        line.append(f"{value:>{cells}}", style=LATE if name == "failed" and one.failures else "")
    yield line
    yield Text(f"  {one.agent} · {printable(one.prompt_version)}", style=QUIET)


def _budget(budget: Budget) -> Text:
    show = money if budget.what == "cost" else count
    told = f"{budget.what} of today: {show(budget.spent)} of {show(budget.limit)}, {show(budget.left)} left"
    if budget.left > 0:
        return Text(told)
    return Text(f"{told}: no such calls until tomorrow (UTC)", style=FAILING)


def _circuit(circuit: Circuit, now: float, width: int) -> Iterator[Text]:
    how = f"left alone for {age(circuit.until - now)}" if circuit.until > now else "to be tried by the next call"
    told = f"{how}: {printable(circuit.endpoint)} ({circuit.agent}-{circuit.slot})"
    yield Text(cut(told, max(width, 60)), style=FAILING)
    for line in wrapped(f"because {printable(circuit.reason)}", max(width, 60) - 2) if circuit.reason else ():
        yield Text(f"  {line}", style=FAILING)


def money(cost: float) -> str:
    """Write a cost in the unit of the prices: no small one looks like nothing.

    Example:
        >>> money(12.5), money(0.0042), money(0.0), money(0.00001)
        ('12.50', '0.0042', '0.00', '<0.0001')
    """
    if 0 < cost < 0.0001:
        return "<0.0001"
    return f"{cost:,.2f}" if cost >= 0.1 or cost == 0 else f"{cost:.4f}"


def tokens(number: int) -> str:
    """Write how many tokens, short.

    Example:
        >>> tokens(950), tokens(412_003), tokens(12_400_000)
        ('950', '412 k', '12.4 M')
    """
    if number < 10_000:
        return count(number)
    return f"{number / 1e3:,.0f} k" if number < 999_500 else f"{number / 1e6:,.1f} M"


def duration(milliseconds: float) -> str:
    """Write how long something took.

    Example:
        >>> duration(0.4), duration(812.5), duration(12_400)
        ('<1 ms', '812 ms', '12.4 s')
    """
    if milliseconds < 1:
        return "<1 ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
