"""How the health of all parts looks in a terminal: a line a part, the worst first."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from streams.cli.agent_runs import FAILING, State
from streams.cli.health import Part
from streams.cli.render import FAILING as RED
from streams.cli.render import LATE, OK, QUIET, age, count, cut, pad, plural, printable, wrapped

_WORDS: dict[State, tuple[str, str]] = {
    "ok": ("ok", OK),
    "late": ("late", LATE),
    "starting": ("starting", LATE),
    "waiting": ("waiting", LATE),
    "restarting": ("restarting", RED),
    "stuck": ("stuck", RED),
    "stopped": ("stopped", RED),
    "down": ("DOWN", RED),
}
_PART_CELLS = 11
_STATE_CELLS = 10
_NOTE_LINES = 6
"""Of a note, at most: what to do stands at its end."""

_COLUMNS = (("lag", 9), ("pending", 8), ("behind", 8), ("outbox", 7), ("work", 6), ("timers", 7), ("events/s", 9))


def status_lines(parts: Sequence[Part], title: str, width: int) -> Iterator[Text]:
    """Lay the health of all parts out.

    Args:
        parts: The worst first.
        title: Where this is.
        width: Columns of the terminal, 80 or more; narrower cuts numbers from the right.
    """
    yield _headline(parts, title, width)
    yield Text()
    yield from part_lines(parts, width)


def part_lines(parts: Sequence[Part], width: int) -> Iterator[Text]:
    """Lay out the table alone."""
    head = pad("part", _PART_CELLS) + " " + pad("state", _STATE_CELLS)
    yield Text(head + "".join(f"{name:>{cells}}" for name, cells in _COLUMNS), style="bold")
    for part in parts:
        yield _line(part)
        yield from _notes(part, width)


def _headline(parts: Sequence[Part], title: str, width: int) -> Text:
    failing = [part.part for part in parts if part.state in FAILING]
    odd = [part.part for part in parts if part.state != "ok"]
    if failing:
        words, style = f"failing: {', '.join(failing)}", RED
    elif odd:
        words, style = f"not yet well: {', '.join(odd)}", LATE
    else:
        words, style = "all parts ok", OK
    left = cut(title, max(width - cell_len(words) - 2, 10))
    return Text.assemble((left, "bold"), " " * max(width - cell_len(left) - cell_len(words), 2), (words, style))


def _line(part: Part) -> Text:
    word, style = _WORDS[part.state]
    line = Text(pad(part.part, _PART_CELLS) + " ")
    line.append(pad(word, _STATE_CELLS), style=style)
    if part.lag is None and part.outbox is None:
        return line.append(f"  {part.detail}" if part.detail else "", style=QUIET)
    values = (
        count(part.lag), count(part.pending), _behind(part.behind_s), count(part.outbox), count(part.work),
        count(part.timers), count(part.events_per_s),
    )  # fmt: skip
    for value, (_, cells) in zip(values, _COLUMNS, strict=True):
        line.append(f"{value:>{cells}}")
    return line


def _behind(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return "current" if seconds == 0 else age(seconds)


def _notes(part: Part, width: int) -> Iterator[Text]:
    notes = []
    if part.restarts:
        ended = "" if part.last_exit is None else f", last after exit {part.last_exit}"
        notes.append((f"restarted {plural(part.restarts, 'time')}{ended}", LATE))
    style = RED if part.state in FAILING else LATE
    if part.refusal:
        notes.append((f"refuses to run: {printable(part.refusal)}", style))
    if part.work_failing:
        how_much = f"{count(part.work_failing)} of {count(max(part.work or 0, part.work_failing))} in work"
        notes.append((f"{how_much} failed and are tried again: {printable(part.work_error or '')}", style))
    else:  # others write instead
        told = [f"{one}: {why or 'it failed again and again'}" for one, why in (part.left_alone or {}).items()]
        notes += [(f"leaves alone {printable(one)}", LATE) for one in told]
    if part.last_error and part.last_error != part.refusal:
        notes.append((f"last error: {printable(part.last_error)}", style))
    for words, colour in notes:
        for line in _note(words, width - _PART_CELLS - 1):
            yield Text(" " * (_PART_CELLS + 1) + line, style=colour)


def _note(words: str, cells: int) -> Iterator[str]:
    lines = list(wrapped(words, cells))
    yield from lines[: _NOTE_LINES - 1]
    if rest := lines[_NOTE_LINES - 1 :]:
        yield cut(" ".join(rest), cells)
