"""What people see of the index's upkeep: bars while it runs, a small table at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from streams.cli.indexes.rebuilding import Rebuilt
from streams.cli.indexes.verifying import Advance, Show, Tally, Verified
from streams.cli.render import FAILING, QUIET, count, pad, plural

COLUMNS = ("standing", "missing", "stale", "pending")
WIDTH = 9


class RateColumn(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Write it, or nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{count(speed)}/s", style="progress.data.speed")


@contextmanager
def bars(quiet: bool) -> Iterator[Show]:
    """Show bars on stderr, one under the other; nothing where nobody watches.

    Yields:
        Begins a bar, or begins that of the same name anew.
    """
    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    console, rest = Console(stderr=True), TimeRemainingColumn(compact=True)
    hidden = quiet or not console.is_terminal
    with Progress(*columns, rest, console=console, transient=True, disable=hidden) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, total: int | None) -> Advance:
            if what in tasks:
                progress.reset(tasks[what], total=total)
            else:
                tasks[what] = progress.add_task(what, total=total)
            return lambda more: progress.advance(tasks[what], more)

        yield show


def verified_json(verified: Verified) -> dict[str, object]:
    """Lay what was found out for machines."""
    documents, chunks, words, vectors, reviews = verified.tallies.values()
    return {
        "agree": verified.agree,
        "documents": documents.standing,
        "chunks": chunks.standing,
        "reviews": reviews.standing,
        "stale_documents": documents.stale,
        "missing_chunks": chunks.missing,
        "stale_chunks": chunks.stale,
        "missing_words": words.missing,
        "stale_words": words.stale,
        "missing_vectors": vectors.missing,
        "stale_vectors": vectors.stale,
        "missing_reviews": reviews.missing,
        "stale_reviews": reviews.stale,
        "pending": vectors.pending,
        "pending_documents": documents.pending,
        "collection": verified.collection.name,
        "model": verified.collection.model,
        "chunking": verified.collection.chunking,
    }


def verified_lines(verified: Verified) -> Iterator[Text]:
    """Lay what was found out for people: what it is, a row a kind, what it means."""
    yield Text(f"{verified.collection.name}  {verified.collection.model}", style=QUIET)
    yield Text(_row("", [pad(name, WIDTH, right=True) for name in COLUMNS]), style="bold")
    for name, tally in verified.tallies.items():
        line = Text(_row(name, []))
        for column in COLUMNS:
            number: int = getattr(tally, column)
            wrong = column in ("missing", "stale") and number > 0
            line.append(" " + pad(count(number), WIDTH, right=True), style=FAILING if wrong else "")
        yield line
    told = "Registry, words and vectors agree." if verified.agree else "They do not agree."
    yield Text(told + _waiting(verified.documents))


def rebuilt_lines(rebuilt: Rebuilt) -> Iterator[Text]:
    """Tell what was done."""
    vectors, known = plural(rebuilt.vectors, "vector"), max(rebuilt.vectors - rebuilt.embedded, 0)
    yield Text(f"{rebuilt.collection} serves now: {plural(rebuilt.documents, 'document')}, deleted ones among them.")
    yield Text(
        f"{vectors} written, {count(rebuilt.embedded)} of them computed, {count(known)} known; "
        f"put right: {plural(rebuilt.recut, 'document')}, words of {plural(rebuilt.words, 'chunk')} "
        f"and {plural(rebuilt.reviews, 'review')}."
    )


def _row(name: str, cells: Sequence[str]) -> str:
    return " ".join([pad(name, WIDTH), *cells])


def _waiting(documents: Tally) -> str:
    if not documents.pending:
        return ""
    return f" Workers have yet to finish {plural(documents.pending, 'document')}."
