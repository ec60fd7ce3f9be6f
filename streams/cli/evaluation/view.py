"""What people see of an evaluation: a bar while it runs, one row a configuration at the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from streams.cli.evaluation.evaluating import Measured
from streams.cli.render import count, pad

Step = Callable[[], None]
"""One more is done."""


@contextmanager
def bars() -> Iterator[Callable[[str, int | None], Step]]:
    """Show bars on stderr, one under the other; nothing where nobody watches.

    Yields:
        Starts a bar: what is done, and how often at the end, if that is known.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def start(what: str, total: int | None) -> Step:
            task = progress.add_task(what, total=total)
            return lambda: progress.advance(task)

        yield start


def table_lines(measured: Sequence[Measured]) -> Iterator[Text]:
    """Lay measurements out: a block a k, the difference of nDCG to the first row with its interval.

    Args:
        measured: At least one; those of one k together.
    """
    width = max(len(one.configuration.name) for one in measured)
    for k in dict.fromkeys(one.k for one in measured):
        rows = [one for one in measured if one.k == k]
        yield Text(f"{count(rows[0].questions)} questions, first {k} documents")
        head = f"  {pad('configuration', width)} {'precision':>9} {'recall':>7} {'MRR':>7} {'nDCG':>7}"
        yield Text(f"{head}   nDCG against the first, 95 %", style="bold")
        yield from (_row(one, width) for one in rows)
        yield Text("")
    if any(one.versus_first for one in measured):
        yield Text("* more than luck: the interval of the difference does not hold 0", style="dim")


def _row(one: Measured, width: int) -> Text:
    numbers = f"{one.precision:>9.3f} {one.recall:>7.3f} {one.mrr:>7.3f} {one.ndcg:>7.3f}"
    line = Text(f"  {pad(one.configuration.name, width)} {numbers}")
    if one.versus_first is None:
        return line
    found = one.versus_first["ndcg"]
    sign = "*" if found.low > 0 or found.high < 0 else " "
    return line.append(f"   {found.mean:+.3f} {sign} ({found.low:+.3f} to {found.high:+.3f})")
