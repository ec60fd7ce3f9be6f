"""How the features of keys look in a terminal: a line a feature, its windows side by side."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import inf

from rich.cells import cell_len
from rich.text import Text

from processors.features.cells.cell import Value
from processors.features.shape import TableShape
from streams.cli.render import LATE, QUIET, age, cut, pad, printable
from streams.features.reading import Standing
from streams.features.standing import Kept, Table

ALL = "all time"
_WINDOWED = re.compile(r"(?P<name>.+)_(?P<window>\d+[smhd])")
_LEAST_CELLS, _MOST_CELLS = 8, 24
_GAP = 2


def row_lines(rows: Sequence[Standing], table: Table, width: int) -> Iterator[Text]:
    """Lay rows of one table out.

    Args:
        rows: At least one.
        table: Theirs.
        width: Columns of the terminal.
    """
    for place, row in enumerate(rows):
        if place:
            yield Text()
        yield _headline(row, width)
        if row.missing:
            yield Text("  no events are known of this key: these are the defaults", style=LATE)
        if row.partial:
            yield Text("  not exact: events of after that moment are in it, or what it had then is gone", style=LATE)
        yield from _values(row.values, table.shape if isinstance(table, Kept) else None, width)
    if isinstance(table, Kept) and table.filling is not None:
        done = f"{table.filling.share:.0%}".replace("%", " %")
        yield Text()
        yield Text(f"Version {table.filling.version} is being built beside this one: {done} done.", style=LATE)


def value_text(value: Value | None) -> str:
    """Write a value, short.

    Example:
        >>> [value_text(one) for one in (None, True, 1234567, 12.0, 0.123456, 45678.912, "Halle")]
        ['-', 'true', '1,234,567', '12.0', '0.1235', '45,678.91', 'Halle']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if abs(value) >= 1e12:
            return f"{value:.6g}"
        if value == round(value, 1):
            return f"{value:,.1f}"
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
    return printable(value)


def table_of(names: Sequence[str], shape: TableShape | None) -> dict[str, dict[str, str]]:
    """Sort features into lines by name and columns by window, in the order they are defined.

    Example:
        >>> table_of(["left", "shelf"], None)
        {'left': {'all time': 'left'}, 'shelf': {'all time': 'shelf'}}
    """
    windowed = {one.name for one in shape.features if one.width_us is not None} if shape else set()
    lines: dict[str, dict[str, str]] = {}
    for name in names:
        line = line_name(name, windowed=name in windowed)
        lines.setdefault(line, {})[name.removeprefix(line).removeprefix("_") or ALL] = name
    return lines


def line_name(name: str, *, windowed: bool) -> str:
    """Name a feature without its window.

    Example:
        >>> line_name("spent_1h", windowed=True), line_name("spent_1h", windowed=False)
        ('spent', 'spent_1h')
    """
    found = _WINDOWED.fullmatch(name) if windowed else None
    return name if found is None else found["name"]


def _headline(row: Standing, width: int) -> Text:
    newest = "no events" if row.age_s is None else f"newest event {age(row.age_s)} ago"
    right = f"{newest} · {row.version}"
    left = cut(f"{row.table} · {printable(row.key)}", max(width - cell_len(right) - _GAP, 20))
    return Text.assemble((left, "bold"), " " * max(width - cell_len(left) - cell_len(right), _GAP), (right, QUIET))


def _values(values: Mapping[str, Value | None], shape: TableShape | None, width: int) -> Iterator[Text]:
    lines = table_of(list(values), shape)
    windows = sorted({window for line in lines.values() for window in line}, key=_width_s)
    texts = {name: value_text(value) for name, value in values.items()}
    name_cells = min(max(map(cell_len, lines), default=0), _MOST_CELLS)
    cells = [_cells(window, [texts[line[window]] for line in lines.values() if window in line]) for window in windows]
    for some in _fitting(cells, width - name_cells - _GAP):
        if windows != [ALL]:
            head = "".join(" " * _GAP + pad(windows[place], cells[place], right=True) for place in some)
            yield Text("  " + pad("", name_cells) + head, style=QUIET)
        for name, line in lines.items():
            told = [texts[line[windows[place]]] if windows[place] in line else "" for place in some]
            shown = (" " * _GAP + pad(one, cells[place], right=True) for one, place in zip(told, some, strict=True))
            yield Text(("  " + pad(name, name_cells) + "".join(shown)).rstrip())


def _width_s(window: str) -> float:
    return inf if window == ALL else int(window[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[window[-1]]


def _cells(window: str, texts: Sequence[str]) -> int:
    return min(max([_LEAST_CELLS, cell_len(window), *map(cell_len, texts)]), _MOST_CELLS)


def _fitting(cells: Sequence[int], room: int) -> Iterator[list[int]]:
    """Break columns into groups that fit."""
    some: list[int] = []
    for place in range(len(cells)):
        if some and sum(cells[one] + _GAP for one in [*some, place]) > room:
            yield some
            some = []
        some.append(place)
    yield some
