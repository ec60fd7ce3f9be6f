"""What erasing a document has done: a receipt for people, and one for machines."""

from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from streams.cli.erasing.document_erasing import DocumentOutcome
from streams.cli.erasing.document_traces import Counts
from streams.cli.erasing.review_erase_view import fact, facts, limit_lines, retained_json, retained_lines
from streams.cli.render import FAILING, QUIET, printable

_THINGS = {
    "documents": ("text", "texts"),
    "chunks": ("chunk", "chunks"),
    "vector store": ("row of the vector store", "rows of the vector store"),
    "vectors": ("cached vector", "cached vectors"),
    "access": ("permission or label", "permissions and labels"),
    "answers": ("answer that cited it", "answers that cited it"),
    "ledger": ("ledger entry", "ledger entries"),
    "outbox": ("dead letter on its way", "dead letters on their way"),
    "words": ("row of its words", "rows of its words"),
    "placements": ("note of a vector", "notes of vectors"),
    "words in answers": ("answer that says its words", "answers that say its words"),
    "words in ledger": ("ledger entry that says its words", "ledger entries that say its words"),
    "words in outbox": ("output on its way that says its words", "outputs on their way that say its words"),
}
_UNTOLD = ("words", "placements")
"""Rows that go with the chunks: people are told only when they are left."""

_STILL_THERE = "it is still there though all was done: look at `millrace status` and erase it again"
_HEADINGS = {
    "kept": "Erased: {}",
    "deleted": "Deleted before: {}",
    "unseen": "Never seen: {}",
}


def receipt_lines(outcome: DocumentOutcome, waited_s: float, now: float, *, postgres: bool) -> Iterator[Text]:
    """Lay a receipt out.

    Args:
        outcome: What was done.
        waited_s: How long that took.
        now: Unix seconds.
        postgres: Whether the stores are in a Postgres, not in files.
    """
    target = outcome.target
    whose = "" if target.tenant is None else f" of tenant {printable(target.tenant)}"
    yield Text(_HEADINGS[target.was].format(f"document {printable(target.document_id)}{whose}"), style="bold")
    yield Text()
    removed = Counter({place: count for place, count in outcome.removed.items() if place[1] not in _UNTOLD})
    yield from facts("removed", _told(removed) or [("", "nothing: it was not there")])
    if outcome.tombstone is not None:
        yield fact("kept", f"a tombstone: no revision up to {outcome.tombstone} brings it back")
    if outcome.receipt is not None:
        yield fact("deletion", f"{outcome.receipt}, in all results after {waited_s:.1f} s")
    for agent, what in _told(outcome.left):
        yield Text.assemble(("NOT REMOVED  ", FAILING), f"{agent}: {what}")
    if outcome.left:
        yield Text(f"             {why_left(outcome)}")
    yield Text()
    yield from retained_lines(outcome.retained, now)
    yield Text("Readers of the topics must drop what they kept; the delete record tells them.")
    if not outcome.worded:
        yield Text("Its words are not known any more: only its id was looked for.", style=QUIET)
    yield from limit_lines(outcome.scrubbed, outcome.agents, postgres=postgres)
    yield Text("The vector store finds no row of it; its files may hold the numbers of deleted", style=QUIET)
    yield Text("rows until it compacts them. They hold none of the words.", style=QUIET)


def why_left(outcome: DocumentOutcome) -> str:
    """Tell why something is left."""
    if outcome.newer is None:
        return _STILL_THERE
    return f"a newer version of it has come, revision {outcome.newer}: erase it again"


def receipt_json(outcome: DocumentOutcome, waited_s: float) -> dict[str, object]:
    """Lay a receipt out for machines."""
    target = outcome.target
    return {
        "erased": erased_json(target.document_id, target.tenant, outcome.tombstone),
        "was": target.was,
        "receipt": None if outcome.receipt is None else str(outcome.receipt),
        "removed": _counted(outcome.removed),
        "left": [{**one, "why": why_left(outcome)} for one in _counted(outcome.left)],
        "looked_for": ["id", "words"] if outcome.worded else ["id"],
        "scrubbed": outcome.scrubbed,
        "retained": [retained_json(one) for one in outcome.retained],
        "waited_s": round(waited_s, 3),
    }


def erased_json(document_id: str, tenant: str | None, revision: int | None) -> dict[str, object]:
    """Say what is erased, for machines."""
    return {"kind": "document", "document_id": document_id, "tenant": tenant, "revision": revision}


def _counted(counts: Counts) -> list[dict[str, object]]:
    return [{"agent": agent, "where": where, "count": count} for (agent, where), count in sorted(counts.items())]


def _told(counts: Counts) -> list[tuple[str, str]]:
    by_agent: dict[str, list[str]] = {}
    order = list(_THINGS)
    for (agent, where), count in sorted(counts.items(), key=lambda pair: order.index(pair[0][1])):
        one, many = _THINGS[where]
        by_agent.setdefault(agent, []).append(f"{count:,} {one if count == 1 else many}")
    return [(agent, what) for agent, counted in sorted(by_agent.items()) for what in _lines(counted)]


def _lines(counted: list[str]) -> Iterator[str]:
    """Put what fits on a line of a terminal together."""
    line = ""
    for one in counted:
        if line and len(line) + len(one) + 3 > _LINE_CELLS:
            yield line
            line = ""
        line = f"{line} · {one}" if line else one
    yield line


_LINE_CELLS = 56
