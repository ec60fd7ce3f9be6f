"""How feature tables and specs look in a terminal: a line each."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from rich.text import Text

from streams.cli.render import FAILING, LATE, OK, QUIET, age, count, cut, pad, percent, plural, printable, wrapped

_COLUMNS = (("features", 9), ("keys", 10), ("newest", 8), ("readable", 16), ("null", 6))
_STATE_CELLS = 9
_NAME_CELLS = 18
"""At least, of a table's name."""

_STYLES = {"live": OK, "building": LATE, "defined": LATE, "failing": FAILING}


State = Literal["live", "building", "defined", "failing"]
"""defined: in the module, and featurize has not begun with it; failing: it could never be copied."""


class Building(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is being built beside the one that is read, or before there is one."""

    version: str
    events: int  # of the log, that are in it
    of: int
    share: float


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One feature table; what is not known is null."""

    kind: Literal["table"] = "table"
    name: str
    state: State
    version: str | None  # that is read
    synced: bool = False  # with a table or file elsewhere
    features: int | None = None
    building: Building | None = None
    keys: int | None = None
    newest_event_at: float | None = None  # unix seconds; of a synced table, when it was looked at last
    readable_p50_s: float | None = None
    readable_p99_s: float | None = None
    null_share: float | None = None
    default_share: float | None = None
    error: str | None = None


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """One feature spec."""

    kind: Literal["spec"] = "spec"
    name: str
    inputs: list[str]
    outputs: list[str]
    tables: list[str]


def list_lines(tables: Sequence[Listed], specs: Sequence[Spec], now: float, width: int) -> Iterator[Text]:
    """Lay tables and specs out.

    Args:
        tables: Those that stand, or are defined.
        specs: Those that are served.
        now: Unix seconds.
        width: Columns of the terminal.
    """
    yield from table_lines(tables, now, width)
    if specs:
        yield Text()
        cells = max([_NAME_CELLS, *(len(one.name) + 2 for one in specs)])
        yield Text(pad("spec", cells) + "takes → gives", style="bold")
    for spec in specs:
        told = f"{', '.join(map(printable, spec.inputs))} → {', '.join(spec.outputs)}"
        for place, line in enumerate(wrapped(told, max(width - cells, 30))):
            yield Text(pad("" if place else spec.name, cells) + line)


def table_lines(tables: Sequence[Listed], now: float, width: int) -> Iterator[Text]:
    """Lay tables out alone; without any there is nothing."""
    if not tables:
        return
    name_cells = max(width - _STATE_CELLS - sum(cells for _, cells in _COLUMNS), _NAME_CELLS)
    name_cells = min(name_cells, max([_NAME_CELLS, *(len(one.name) + 2 for one in tables)]))
    head = pad("table", name_cells) + pad("state", _STATE_CELLS)
    yield Text(head + "".join(f"{name:>{cells}}" for name, cells in _COLUMNS), style="bold")
    for table in tables:
        yield _line(table, now, name_cells)
        for words, style in _notes(table):
            for line in wrapped(words, max(width - 2, 40)):
                yield Text(f"  {line}", style=style)


def seconds(number: float) -> str:
    """Write a short time.

    Example:
        >>> seconds(0.0123), seconds(0.43), seconds(2.34), seconds(200)
        ('12 ms', '430 ms', '2.3 s', '3 min')
    """
    if number < 1:
        return f"{number * 1_000:.0f} ms"
    return f"{number:.1f} s" if number < 100 else age(number)


def _line(table: Listed, now: float, name_cells: int) -> Text:
    line = Text(pad(cut(table.name, name_cells - 1), name_cells))
    line.append(pad(table.state, _STATE_CELLS), style=_STYLES[table.state])
    newest = None if table.newest_event_at is None else age(now - table.newest_event_at)
    told = (count(table.features), count(table.keys), newest or "-", _readable(table), _percent(table.null_share))
    for value, (_, cells) in zip(told, _COLUMNS, strict=True):
        line.append(f"{value:>{cells}}")
    return line


def _readable(table: Listed) -> str:
    if table.readable_p50_s is None or table.readable_p99_s is None:
        return "-"
    median, worst = seconds(table.readable_p50_s), seconds(table.readable_p99_s)
    number, _, unit = median.partition(" ")
    return f"{number if worst.endswith(f' {unit}') else median} / {worst}"


def _percent(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _notes(table: Listed) -> Iterator[tuple[str, str]]:
    if table.state == "defined":
        what = "copied by featurize: millrace up" if table.synced else "made by featurize: millrace up"
        yield f"not there yet; {what}", QUIET
    if table.building is not None:
        new, done = table.building, percent(table.building.share)
        beside = f"version {new.version} is being built" + ("" if table.state == "building" else " beside this one")
        yield f"{beside}: {done} of {plural(new.of, 'event')}", LATE
    if table.error:
        yield f"last error: {printable(table.error)}", FAILING if table.state == "failing" else LATE
