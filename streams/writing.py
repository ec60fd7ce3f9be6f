"""Have texts written off the stream: each call at most once, each result under its lease."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from infra import leases, ledger
from infra.database import Store
from infra.fences import Moved
from infra.leases import Leased, Task
from infra.ledger import Entry
from infra.outbox import Output
from infra.rows import summary_rows
from infra.rows.summary_rows import SummaryRow
from models.ports import Writer, WriteRequest
from processors.texts.ledger import canonical_input
from processors.texts.material import material_change
from schemas.heartbeats import Counters
from schemas.points import Points
from schemas.summaries import Summary
from streams.calling.asks import Ask
from streams.calling.calls import Calls
from streams.calling.chain import Chain
from streams.calling.stamps import stamp
from streams.calling.walking import Text, Unwritten, write_all
from streams.summarize import REFRESH, WRITING
from streams.summary_records import TextBasis, make_row, publishable, reading_of, retext, told_by
from streams.work import Failed

GONE = "the product has no reviews any more"


@dataclass(frozen=True, slots=True)
class Source:
    """What one text is to be written from."""

    request: WriteRequest
    points_revision: int
    shown_revision: int  # of the summary that carries these points
    forgotten: int  # reviews the product had forgotten by then

    @property
    def basis(self) -> TextBasis:
        """What the text's row will tell of it."""
        return TextBasis(self.request.reading, self.forgotten)


@dataclass(frozen=True, slots=True)
class WritingJob:
    """One product's text to be written."""

    leased: Leased
    source: Source | None  # none when the product has no reviews any more


@dataclass(frozen=True, slots=True)
class Answer:
    """One product's text."""

    product_id: str
    text: Text  # its calls may be shared with other products
    forgotten: int  # reviews the product had forgotten when it was read

    @property
    def entry(self) -> Entry:
        """The call that brought it."""
        return self.text.entry


@dataclass(frozen=True, slots=True)
class WritingChange:
    """One product's new row, and what is to be written next because the new text does not fit it."""

    row: SummaryRow
    made_from: int  # revision
    tasks: Sequence[Task]

    def write(self, connection: Connection) -> None:
        """Write the row; see ``streams.work.Change``."""
        summary_rows.put_summary(connection, self.row, self.made_from)
        leases.record(connection, self.tasks)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


class Writing:
    """Writes the texts of summaries; see ``streams.work.Performer``.

    Calls that read something gone by now leave no trace: a text that cites it is dropped, and no answer
    to a reading that counted it is kept in the ledger.

    Args:
        store: The agent's store.
        calls: Makes the calls.
        chain: Who writes.
        topic: Physical name of the summaries topic.
        counters: Where texts by stand-ins are counted.
        now: Unix seconds.
        patience_s: The longest a call may take, seconds; none leaves that to who writes.
    """

    kind = WRITING

    def __init__(
        self,
        store: Store,
        calls: Calls[Writer, WriteRequest],
        chain: Chain[Writer],
        *,
        topic: str,
        counters: Counters,
        now: Callable[[], float],
        patience_s: float | None = None,
    ) -> None:
        self._store = store
        self._calls = calls
        self._chain = chain
        self._topic = topic
        self._counters = counters
        self._now = now
        self._patience_s = patience_s

    def prepare(self, leased: Sequence[Leased]) -> list[WritingJob]:
        """Load what each text is written from."""
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, [one.key for one in leased])
        return [WritingJob(one, _source(rows.get(one.key))) for one in leased]

    async def call(self, jobs: Sequence[WritingJob]) -> list[Answer | Failed]:
        """Have every text written that was not paid before."""
        asks = {place: _ask(job.leased, job.source) for place, job in enumerate(jobs) if job.source}
        written = await write_all(self._calls, self._chain, list(asks.values()), self._patience_s)
        found = dict(zip(asks, written, strict=True))
        return [await self._outcome(job, found.get(place)) for place, job in enumerate(jobs)]

    async def _outcome(self, job: WritingJob, written: Text | Unwritten | None) -> Answer | Failed:
        if job.source is None or written is None:
            return Failed(GONE, None)
        if isinstance(written, Text):
            self._counters.writer_stand_ins += written.instead_of is not None
            return Answer(job.leased.key, written, job.source.forgotten)
        if written.failures:  # nobody is to pay for them again when this is tried again
            forgotten, failures = job.source.forgotten, written.failures
            await self._store.run(
                lambda: self._store.change(lambda connection: _keep(connection, job.leased.key, forgotten, failures))
            )
        return written.failed

    def paid(self, outcome: Answer) -> Answer:
        """Return the ledger's entry of the same call where there is one: it wins."""
        key = outcome.entry.ledger_key
        with self._store.read() as connection:
            found = ledger.find(connection, [key]).get(key)
        if found is None or found.failure is not None:
            return outcome
        return replace(outcome, text=replace(outcome.text, entry=found))

    def stands(self, connection: Connection, job: WritingJob) -> bool:
        """Tell whether no review that the text may cite was forgotten since it was read."""
        row = summary_rows.lock_summary(connection, job.leased.key)
        if row is None or job.source is None:
            return False
        told = told_by(row)
        return told.op == "upsert" and not job.source.basis.cites_forgotten(told.forgotten)

    def settle(self, connection: Connection, outcome: Answer) -> None:
        """Write calls down, unless a review that their reading counted was forgotten since: nobody will ask again.

        Raises:
            Moved: If another worker has written down another output meanwhile.
        """
        kept = _keep(connection, outcome.product_id, outcome.forgotten, (*outcome.text.failures, outcome.entry))
        mine = kept.get(outcome.entry.ledger_key)
        if mine is not None and mine.output != outcome.entry.output:
            raise Moved(f"ledger entry {outcome.entry.ledger_key} was written by another worker")

    def decide(self, job: WritingJob, outcome: Answer) -> tuple[WritingChange, Output] | None:
        """Put the text over whatever points stand now."""
        with self._store.read() as connection:
            row = summary_rows.load_summaries(connection, [job.leased.key]).get(job.leased.key)
        if row is None or job.source is None or told_by(row).op == "delete":
            return None
        summary = msgspec.json.decode(row.record, type=Summary)
        current = row.points_revision == job.source.points_revision
        text_revision = None if current else job.source.shown_revision
        by = stamp(outcome.entry, outcome.text.instead_of, outcome.text.because)
        shown = retext(summary, outcome.entry.output, by, text_revision, self._now())
        new = make_row(shown, row.points_revision, row.points, job.source.basis)
        change = WritingChange(new, row.revision, self._following(job.leased, job.source, row))
        return change, publishable(self._topic, new, job.leased.trace)

    def _following(self, leased: Leased, source: Source, row: SummaryRow) -> list[Task]:
        """Have a text that came too late written again at once if it does not fit what stands.

        Points that came during its call were compared with the text before it: deletions among them may have
        taken back what it was written for.
        """
        if row.points_revision == source.points_revision:
            return []
        before, after = source.request.reading, reading_of(msgspec.json.decode(row.points, type=Points))
        reason = material_change(before, after)
        if reason is None and self._chain.first(leased.key).refreshes and before != after:
            reason = REFRESH
        now, revision = self._now(), row.points_revision
        rest = (now, now, leased.trace)
        return [Task(WRITING, leased.key, revision, reason, cause, *rest) for cause in leased.causes if reason]


def _source(row: SummaryRow | None) -> Source | None:
    if row is None or told_by(row).op == "delete":
        return None
    points = msgspec.json.decode(row.points, type=Points)
    request = WriteRequest(row.product_id, reading_of(points))
    return Source(request, row.points_revision, row.revision, points.forgotten.count)


def _ask(leased: Leased, source: Source) -> Ask[WriteRequest]:
    given = canonical_input(source.request.reading)
    return Ask(leased.key, leased.key, leased.key, given, source.request, leased.reason == REFRESH)


def _keep(connection: Connection, product_id: str, forgotten: int, entries: Sequence[Entry]) -> dict[str, Entry]:
    """Write entries down whose reading still counts only what stands; returns what the ledger has of them then."""
    row = summary_rows.lock_summary(connection, product_id)
    if row is None or told_by(row).forgotten.count != forgotten:
        return {}
    ours = sorted((replace(entry, subject=product_id) for entry in entries), key=lambda entry: entry.ledger_key)
    return {entry.ledger_key: ledger.settle(connection, entry) for entry in ours}
