"""How numbers, ages and other people's texts look in a terminal."""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

OK = "green"
LATE = "yellow"
FAILING = "red"
QUIET = "dim"

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|$)"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_KEPT_FORMATS = "\u200d\u200c"
"""Joiners: emoji families and several scripts need them."""


def make_console(width: int | None = None) -> Console:
    """Open the terminal for an answer: plain when nobody watches, never a crash on a letter it cannot show.

    Args:
        width: Columns; none asks the terminal.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False, width=width)


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    """Print lines that are laid out already: nothing wraps, nothing is cut."""
    for line in lines:
        console.print(line, overflow="ignore", no_wrap=True, crop=False)


def printable(text: str) -> str:
    r"""Make somebody else's text safe to show on one line.

    Terminal escapes, control characters and overrides of the writing direction go; letters of any
    script and emoji stay.

    Example:
        >>> printable("\x1b[31mred\x1b[0m\talert\r\n\u202egnp.exe")
        'red alert gnp.exe'
    """
    bare = _ESCAPES.sub("", text)
    kept = (letter if letter.isspace() or _shown(letter) else "" for letter in bare)
    return " ".join("".join(kept).split())


def cut(text: str, cells: int) -> str:
    """Shorten to at most ``cells`` columns, at a word where one ends near.

    Example:
        >>> cut("zipper broke after a week", 15)
        'zipper broke …'
        >>> cut("short", 15)
        'short'
    """
    if cell_len(text) <= cells:
        return text
    short = set_cell_size(text, max(cells - 1, 0)).rstrip()
    head, _, tail = short.rpartition(" ")
    if not text[len(short) : len(short) + 1].isspace() and head and cell_len(tail) < cells // 3:
        return f"{head} …"
    return f"{short}…"


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Fill to exactly ``cells`` columns, cutting what is longer; wide letters count two.

    Example:
        >>> pad("手机", 6), pad("7", 3, right=True)
        ('手机  ', '  7')
    """
    text = cut(text, cells)
    space = " " * (cells - cell_len(text))
    return space + text if right else text + space


def count(number: float | None) -> str:
    """Write a count with thousands separators, or a dash where there is none.

    Example:
        >>> count(4915), count(None)
        ('4,915', '-')
    """
    return "-" if number is None else f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    """Write a count with its noun.

    Example:
        >>> plural(1, "review"), plural(2000, "review")
        ('1 review', '2,000 reviews')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def age(seconds: float) -> str:
    """Write how long ago in its one fitting unit; clocks that disagree give no negative age.

    Example:
        >>> age(2.4), age(200), age(7300), age(500_000), age(-1)
        ('2 s', '3 min', '2 h', '5 d', '0 s')
    """
    seconds = max(seconds, 0.0)
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < limit:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 86_400:.0f} d"


def percent(share: float) -> str:
    """Write a share without hiding what is small.

    Example:
        >>> percent(0.204), percent(0.002), percent(0.0)
        ('20 %', '<1 %', '0 %')
    """
    return "<1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def wrapped(text: str, cells: int) -> Iterator[str]:
    """Break a text into lines of at most ``cells`` columns, at spaces where there are any.

    Example:
        >>> list(wrapped("a zipper that broke 手机手机", 6))
        ['a', 'zipper', 'that', 'broke', '手机', '手机']
    """
    line = ""
    for word in _breakable(text.split(), cells):
        if line and cell_len(line) + 1 + cell_len(word) > cells:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _breakable(words: Iterable[str], cells: int) -> Iterator[str]:
    """Break words longer than a line, as scripts without spaces have them."""
    for word in words:
        rest = word
        while cell_len(rest) > cells:
            head = cut(rest, cells).removesuffix("…")
            yield head
            rest = rest[len(head) :]
        yield rest


def _shown(letter: str) -> bool:
    return letter in _KEPT_FORMATS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co")
