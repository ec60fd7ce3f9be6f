"""What erasing has done: a receipt for people, and one for machines."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from streams.cli.erasing.document_erasing import DocumentTarget
from streams.cli.erasing.outcome import Counts, Outcome, Remnant
from streams.cli.erasing.retained import Retained
from streams.cli.erasing.targets import Target
from streams.cli.render import FAILING, QUIET, age, pad, plural, printable

_REVIEW_THINGS = {
    "reviews": ("review", "reviews"),
    "product_parts": ("quote", "quotes"),
    "summaries": ("quote", "quotes"),
    "text": ("text that cited it", "texts that cited it"),
    "feature_log": ("event of features", "events of features"),
    "review_texts": ("searchable text", "searchable texts"),
    "answers": ("answer that cited it", "answers that cited it"),
    "ledger": ("ledger entry", "ledger entries"),
    "outbox": ("output on its way", "outputs on their way"),
}
_DOCUMENT_THINGS = {
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
"""Rows that go with a document's chunks: people are told only when they are left."""

_HEADINGS = {"kept": "Erased: {}", "deleted": "Deleted before: {}"}
_UNSEEN_REVIEW = "Never seen, and never to count: {}"
_UNSEEN_DOCUMENT = "Never seen: {}"
_FACT_CELLS = 11
_AGENT_CELLS = 11
_LINE_CELLS = 56


def review_lines(outcome: Outcome[Target], waited_s: float, now: float, *, postgres: bool) -> Iterator[Text]:
    """Lay the receipt of a review out.

    Args:
        outcome: What was done.
        waited_s: How long that took.
        now: Unix seconds.
        postgres: Whether the stores are in a Postgres, not in files.
    """
    heading = _HEADINGS.get(outcome.target.was, _UNSEEN_REVIEW).format(say_review(outcome.target))
    removed = [(agent, " · ".join(told)) for agent, told in _by_agent(outcome.removed, _REVIEW_THINGS)]
    yield from _opening_lines(heading, removed, [(one.agent, _say_kept(one)) for one in outcome.kept])
    yield from _deletion_lines(outcome, waited_s)
    for left in outcome.left:
        yield _left_line(left.agent, f"{_say_count(_REVIEW_THINGS, left.where, left.count)}: {left.why}")
    yield from _ending_lines(outcome, now, postgres=postgres)


def document_lines(outcome: Outcome[DocumentTarget], waited_s: float, now: float, *, postgres: bool) -> Iterator[Text]:
    """Lay the receipt of a document out; see ``review_lines``."""
    target = outcome.target
    whose = "" if target.tenant is None else f" of tenant {printable(target.tenant)}"
    heading = _HEADINGS.get(target.was, _UNSEEN_DOCUMENT).format(f"{say_document(target)}{whose}")
    removed = Counter({place: count for place, count in outcome.removed.items() if place[1] not in _UNTOLD})
    yield from _opening_lines(heading, _fill(removed), [("", _say_kept(one)) for one in outcome.kept])
    yield from _deletion_lines(outcome, waited_s)
    for agent, what in _fill(Counter({(one.agent, one.where): one.count for one in outcome.left})):
        yield _left_line(agent, what)
    if outcome.left:
        yield Text(f"             {outcome.left[0].why}")
    yield from _ending_lines(outcome, now, postgres=postgres)
    yield Text("The vector store finds no row of it; its files may hold the numbers of deleted", style=QUIET)
    yield Text("rows until it compacts them. They hold none of the words.", style=QUIET)


def review_json(outcome: Outcome[Target], waited_s: float) -> dict[str, object]:
    """Lay the receipt of a review out for machines."""
    kept = [_remnant(one, outcome.target) for one in outcome.kept]
    return _receipt(erased_review(outcome.target, outcome.revision), outcome, waited_s, kept=kept)


def document_json(outcome: Outcome[DocumentTarget], waited_s: float) -> dict[str, object]:
    """Lay the receipt of a document out for machines."""
    erased = erased_document(outcome.target.document_id, outcome.target.tenant, outcome.revision)
    return _receipt(erased, outcome, waited_s)


def erased_review(target: Target, revision: int | None) -> dict[str, object]:
    """Say which review is erased, for machines."""
    return {"kind": "review", **_ids(target), "revision": revision}


def erased_document(document_id: str, tenant: str | None, revision: int | None) -> dict[str, object]:
    """Say which document is erased, for machines."""
    return {"kind": "document", "document_id": document_id, "tenant": tenant, "revision": revision}


def say_review(target: Target) -> str:
    """Name a review to people."""
    return f"review {printable(target.review_id)} of {printable(target.product_id)}"


def say_document(target: DocumentTarget) -> str:
    """Name a document to people, its tenant aside."""
    return f"document {printable(target.document_id)}"


def _opening_lines(heading: str, removed: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]]) -> Iterator[Text]:
    yield Text(heading, style="bold")
    yield Text()
    yield from _facts("removed", removed or [("", "nothing: it was not there")])
    yield from _facts("kept", kept)


def _deletion_lines(outcome: Outcome[Any], waited_s: float) -> Iterator[Text]:
    if outcome.receipt is not None:
        yield from _facts("deletion", [("", f"{outcome.receipt}, in all results after {waited_s:.1f} s")])


def _facts(name: str, told: Sequence[tuple[str, str]]) -> Iterator[Text]:
    """Lay some facts of one name out, each with the agent it is of."""
    for number, (agent, what) in enumerate(told):
        line = f"{pad(agent, _AGENT_CELLS)}{what}" if agent else what
        yield Text.assemble((f"  {'' if number else name:<{_FACT_CELLS}}", "bold"), line)


def _left_line(agent: str, what: str) -> Text:
    return Text.assemble(("NOT REMOVED  ", FAILING), f"{agent}: {what}")


def _ending_lines(outcome: Outcome[Any], now: float, *, postgres: bool) -> Iterator[Text]:
    """Say who else may hold it until when, and where bytes of it may be that no query shows."""
    yield Text()
    yield from _retained_lines(outcome.retained, now)
    yield Text("Readers of the topics must drop what they kept; the delete record tells them.")
    if not outcome.worded:
        yield Text("Its words are not known any more: only its id was looked for.", style=QUIET)
    if postgres:
        told = ["Dead rows and the log of the database may hold its bytes until they are reused."]
    elif len(outcome.scrubbed) == len(outcome.agents):
        told = ["The database files were written anew: no free page holds bytes of it."]
    else:
        told = ["Free pages of the database files may hold bytes of it;", "`sqlite3 FILE VACUUM` writes one anew."]
    yield from (Text(line, style=QUIET) for line in told)


def _retained_lines(retained: Sequence[Retained], now: float) -> Iterator[Text]:
    if not retained:
        yield Text("No topic holds it.")
        return
    yield Text("Kafka keeps what was published until it expires, at the latest:")
    names = max(len(one.topic) for one in retained)
    for one in retained:
        records = "not all read" if one.records is None else plural(one.records, "record")
        line = Text(f"  {pad(one.topic, names)}  {records:>12}  ")
        if one.until is None:
            yield line.append(f"no end: {one.unbounded}")
        else:
            at = datetime.fromtimestamp(one.until, UTC)
            yield line.append(f"{at:%Y-%m-%d %H:%M} UTC, in {age(one.until - now)}")


def _by_agent(counts: Counts, things: Mapping[str, tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Say of each agent how many things of it are counted, in the order of the things."""
    order = list(things)
    told: dict[str, list[str]] = {}
    for (agent, where), count in sorted(counts.items(), key=lambda pair: order.index(pair[0][1])):
        told.setdefault(agent, []).append(_say_count(things, where, count))
    return sorted(told.items())


def _say_count(things: Mapping[str, tuple[str, str]], where: str, number: int) -> str:
    one, many = things.get(where, ("value", "values"))
    return f"{number:,} {one if number == 1 else many}"


def _fill(counts: Counts) -> list[tuple[str, str]]:
    return [(agent, what) for agent, told in _by_agent(counts, _DOCUMENT_THINGS) for what in _filled(told)]


def _filled(counted: list[str]) -> Iterator[str]:
    """Put what fits on a line of a terminal together."""
    line = ""
    for one in counted:
        if line and len(line) + len(one) + 3 > _LINE_CELLS:
            yield line
            line = ""
        line = f"{line} · {one}" if line else one
    yield line


def _say_kept(remnant: Remnant) -> str:
    if remnant.where == "tombstones":
        return f"a tombstone: no revision up to {remnant.revision} brings it back"
    return "its id among the forgotten"


def _receipt(erased: object, outcome: Outcome[Any], waited_s: float, **kept: object) -> dict[str, object]:
    return {
        "erased": erased,
        "was": outcome.target.was,
        "receipt": None if outcome.receipt is None else str(outcome.receipt),
        "removed": [
            {"agent": agent, "where": where, "count": count}
            for (agent, where), count in sorted(outcome.removed.items())
        ],
        **kept,
        "left": [asdict(one) for one in outcome.left],
        "looked_for": ["id", "words"] if outcome.worded else ["id"],
        "scrubbed": outcome.scrubbed,
        "retained": [_retained_row(one) for one in outcome.retained],
        "waited_s": round(waited_s, 3),
    }


def _ids(target: Target) -> dict[str, object]:
    return {"product_id": target.product_id, "review_id": target.review_id}


def _remnant(one: Remnant, target: Target) -> dict[str, object]:
    told: dict[str, object] = {"agent": one.agent, "where": one.where, **_ids(target)}
    return told if one.revision is None else {**told, "revision": one.revision}


def _retained_row(one: Retained) -> dict[str, object]:
    return {
        "topic": one.topic,
        "partitions": one.partitions,
        "records": one.records,
        "until": None if one.until is None else datetime.fromtimestamp(one.until, UTC),
        "unbounded": one.unbounded,
    }
