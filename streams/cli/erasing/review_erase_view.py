"""What erasing has done: a receipt for people, and one for machines."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.text import Text

from streams.cli.erasing.retained import Retained
from streams.cli.erasing.review_erasing import Left, Outcome
from streams.cli.erasing.review_traces import Remnant
from streams.cli.render import FAILING, QUIET, age, pad, plural, printable

_THINGS = {
    "reviews": ("review", "reviews"),
    "product_parts": ("quote", "quotes"),
    "summaries": ("quote", "quotes"),
    "text": ("text that cited it", "texts that cited it"),
    "review_texts": ("searchable text", "searchable texts"),
    "answers": ("answer that cited it", "answers that cited it"),
    "ledger": ("ledger entry", "ledger entries"),
    "outbox": ("output on its way", "outputs on their way"),
}
_FACT_CELLS = 11
_AGENT_CELLS = 11


def receipt_lines(outcome: Outcome, waited_s: float, now: float, *, postgres: bool) -> Iterator[Text]:
    """Lay a receipt out.

    Args:
        outcome: What was done.
        waited_s: How long that took.
        now: Unix seconds.
        postgres: Whether the stores are in a Postgres, not in files.
    """
    target = outcome.target
    what = f"review {printable(target.review_id)} of {printable(target.product_id)}"
    yield Text(_HEADINGS[target.was].format(what), style="bold")
    yield Text()
    yield from facts("removed", _removed(outcome))
    yield from facts("kept", [(one.agent, _told(one)) for one in outcome.kept])
    if outcome.receipt is not None:
        yield fact("deletion", f"{outcome.receipt}, in all results after {waited_s:.1f} s")
    for left in outcome.left:
        yield Text.assemble(("NOT REMOVED  ", FAILING), f"{left.agent}: {_count(left.where, left.count)}: {left.why}")
    yield Text()
    yield from retained_lines(outcome.retained, now)
    yield Text("Readers of the topics must drop what they kept; the delete record tells them.")
    if not outcome.worded:
        yield Text("Its words are not known any more: only its id was looked for.", style=QUIET)
    yield from limit_lines(outcome.scrubbed, outcome.agents, postgres=postgres)


def receipt_json(outcome: Outcome, waited_s: float) -> dict[str, object]:
    """Lay a receipt out for machines."""
    return {
        "erased": erased_json(outcome.target.product_id, outcome.target.review_id, outcome.revision),
        "was": outcome.target.was,
        "receipt": None if outcome.receipt is None else str(outcome.receipt),
        "removed": [
            {"agent": agent, "where": where, "count": count}
            for (agent, where), count in sorted(outcome.removed.items())
        ],
        "kept": [_remnant(one, outcome) for one in outcome.kept],
        "left": [_left(one) for one in outcome.left],
        "looked_for": ["id", "words"] if outcome.worded else ["id"],
        "scrubbed": outcome.scrubbed,
        "retained": [retained_json(one) for one in outcome.retained],
        "waited_s": round(waited_s, 3),
    }


def erased_json(product_id: str, review_id: str, revision: int | None) -> dict[str, object]:
    """Say what is erased, for machines."""
    return {"kind": "review", "product_id": product_id, "review_id": review_id, "revision": revision}


_HEADINGS = {
    "kept": "Erased: {}",
    "deleted": "Deleted before: {}",
    "unseen": "Never seen, and never to count: {}",
}


def _removed(outcome: Outcome) -> list[tuple[str, str]]:
    order = list(_THINGS)
    by_agent: dict[str, list[str]] = {}
    for (agent, where), count in sorted(outcome.removed.items(), key=lambda pair: order.index(pair[0][1])):
        by_agent.setdefault(agent, []).append(_count(where, count))
    told = [(agent, " · ".join(counts)) for agent, counts in sorted(by_agent.items())]
    return told or [("", "nothing: it was not there")]


def _count(where: str, number: int) -> str:
    one, many = _THINGS.get(where, ("value", "values"))
    return f"{number:,} {one if number == 1 else many}"


def _told(remnant: Remnant) -> str:
    if remnant.where == "tombstones":
        return f"a tombstone: no revision up to {remnant.revision} brings it back"
    return "its id among the forgotten"


def facts(name: str, told: Sequence[tuple[str, str]]) -> Iterator[Text]:
    """Lay some facts of one name out, each with the agent it is of."""
    for number, (agent, what) in enumerate(told):
        yield fact("" if number else name, f"{pad(agent, _AGENT_CELLS)}{what}" if agent else what)


def fact(name: str, told: str) -> Text:
    """Lay one fact out."""
    return Text.assemble((f"  {name:<{_FACT_CELLS}}", "bold"), told)


def retained_lines(retained: Sequence[Retained], now: float) -> Iterator[Text]:
    """Say which topics hold it until when."""
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


def limit_lines(scrubbed: Sequence[str], agents: Sequence[str], *, postgres: bool) -> Iterator[Text]:
    """Say where bytes of it may be that no query shows."""
    if postgres:
        told = ["Dead rows and the log of the database may hold its bytes until they are reused."]
    elif len(scrubbed) == len(agents):
        told = ["The database files were written anew: no free page holds bytes of it."]
    else:
        told = ["Free pages of the database files may hold bytes of it;", "`sqlite3 FILE VACUUM` writes one anew."]
    yield from (Text(line, style=QUIET) for line in told)


def _remnant(one: Remnant, outcome: Outcome) -> dict[str, object]:
    ids = {"product_id": outcome.target.product_id, "review_id": outcome.target.review_id}
    told: dict[str, object] = {"agent": one.agent, "where": one.where, **ids}
    return told if one.revision is None else {**told, "revision": one.revision}


def _left(one: Left) -> dict[str, object]:
    return {"agent": one.agent, "where": one.where, "count": one.count, "why": one.why}


def retained_json(one: Retained) -> dict[str, object]:
    """Say how long one topic holds it, for machines."""
    return {
        "topic": one.topic,
        "partitions": one.partitions,
        "records": one.records,
        "until": None if one.until is None else datetime.fromtimestamp(one.until, UTC),
        "unbounded": one.unbounded,
    }
