"""How a definition looks in a terminal: what it is, then a line a feature."""

from collections.abc import Iterator
from math import inf

from rich.cells import cell_len
from rich.text import Text

from streams.cli.feature_commands.definition import Definition, Feature, span
from streams.cli.feature_commands.row_view import line_name, value_text
from streams.cli.render import LATE, OK, QUIET, pad, printable, wrapped

_LABEL_CELLS = 11
_HEADS = ("feature", "is", "windows", "default")
_STYLES = {"live": OK}


def definition_lines(definition: Definition, width: int) -> Iterator[Text]:
    """Lay a definition out.

    Args:
        definition: Of a table.
        width: Columns of the terminal.
    """
    right = f"{definition.state} · {definition.version}"
    gap = " " * max(width - cell_len(definition.name) - cell_len(right), 2)
    yield Text.assemble((definition.name, "bold"), gap, (right, _STYLES.get(definition.state, LATE)))
    for line in wrapped(printable(definition.description), width - 2) if definition.description else ():
        yield Text(f"  {line}")
    yield Text()
    for label, told in _facts(definition):
        for place, line in enumerate(wrapped(told, max(width - _LABEL_CELLS - 2, 30))):
            yield Text("  " + pad("" if place else label, _LABEL_CELLS) + line)
    if definition.features:
        yield Text()
        yield from _features(definition, width)


def _facts(definition: Definition) -> Iterator[tuple[str, str]]:
    yield "key", ", ".join(definition.primary_key)
    types = f": {', '.join(definition.types)}" if definition.types else ""
    yield "source", printable(f"{definition.source}{types}")
    if definition.keep_days is not None:
        yield "events", f"can come late or be corrected for {definition.keep_days:g} days"
        yield "tiles", ", ".join(_tiles(definition))
    yield "written", printable(definition.place) or "-"


def _features(definition: Definition, width: int) -> Iterator[Text]:
    lines: dict[str, list[Feature]] = {}
    for feature in definition.features:
        lines.setdefault(line_name(feature.name, windowed=feature.window_s is not None), []).append(feature)
    rows = [
        (name, some[0].is_, ", ".join(map(_window, some)), value_text(some[0].default)) for name, some in lines.items()
    ]
    cells = [max(cell_len(one) for one in column) for column in zip(_HEADS, *rows, strict=True)]
    spare = width - 2 - 2 * 3 - sum(cells)
    cells[1] = max(cells[1] + min(spare, 0), 12)
    for number, row in enumerate((_HEADS, *rows)):
        told = [pad(one, size, right=place == 3) for place, (one, size) in enumerate(zip(row, cells, strict=True))]
        yield Text(("  " + "  ".join(told)).rstrip(), style="" if number else QUIET)


def _tiles(definition: Definition) -> Iterator[str]:
    """Say of which widths tiles are kept, and how far back each reaches."""
    for tile_s in sorted({one.tile_s for one in definition.features}):
        reach_s = max(one.window_s or inf for one in definition.features if one.tile_s == tile_s)
        yield f"{_span(tile_s)} {_reach(reach_s)}"


def _window(feature: Feature) -> str:
    return "all" if feature.window_s is None else _span(feature.window_s)


def _reach(reach_s: float) -> str:
    return "of all time" if reach_s == inf else f"to {_span(reach_s)} back"


def _span(seconds: float) -> str:
    return span(int(seconds * 1e6))
