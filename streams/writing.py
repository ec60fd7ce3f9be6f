"""Have texts written off the stream: each call at most once, each result under its lease."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from infra import ledger, outbox, repeats
from infra.database import Store
from infra.fences import Moved
from infra.leases import Leased
from infra.ledger import Entry
from infra.outbox import Output
from infra.rows import summary_rows
from infra.rows.summary_rows import SummaryRow
from models.ports import Writer, WriteRequest
from processors.texts.ledger import canonical_input
from schemas.heartbeats import Counters
from schemas.summaries import Summary
from streams.calling.asks import Ask
from streams.calling.calls import Calls
from streams.calling.chain import Chain
from streams.calling.stamps import stamp
from streams.calling.walking import Text, Unwritten, write_all
from streams.summarize import REFRESH, WRITING
from streams.summary_records import Wanted, make_row, publishable, retext, told_by, wanted_of
from streams.work import Failed

GONE = "the product has no reviews any more"

OVER_BUDGET = "budget of the day was spent"
"""The reason of work that is done again on the next day, because somebody else wrote instead."""

DAY_S = 86_400
SPREAD_S = 600
"""Over which the texts of a new day are spread, seconds."""


@dataclass(frozen=True, slots=True)
class WritingJob:
    """One product's text to be written."""

    leased: Leased
    wanted: Wanted | None  # none when the product has no reviews any more


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
class OnceMore:
    """Nothing new, and when the same text is to be tried again."""

    leased: Leased
    at: float  # unix seconds

    def write(self, connection: Connection) -> None:
        """Record the work; see ``streams.work.Change``."""
        repeats.repeat(connection, self.leased, OVER_BUDGET, self.at)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


@dataclass(frozen=True, slots=True)
class WritingChange:
    """One product's new row, and when the same text is to be written again."""

    leased: Leased
    row: SummaryRow
    made_from: int  # revision
    output: Output
    once_more: OnceMore | None

    def write(self, connection: Connection) -> None:
        """Write the row; see ``streams.work.Change``."""
        summary_rows.put_summary(connection, self.row, self.made_from)
        if not self.leased.causes:
            outbox.add(connection, [(self.output, repeats.owed_to_nobody(connection, self.leased))])
        if self.once_more is not None:
            self.once_more.write(connection)

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
    ) -> None:
        self._store = store
        self._calls = calls
        self._chain = chain
        self._topic = topic
        self._counters = counters
        self._now = now

    def prepare(self, leased: Sequence[Leased]) -> list[WritingJob]:
        """Load what each text is written from."""
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, [one.key for one in leased])
        return [WritingJob(one, wanted_of(rows[one.key]) if one.key in rows else None) for one in leased]

    async def call(self, jobs: Sequence[WritingJob]) -> list[Answer | Failed]:
        """Have every text written that was not paid before."""
        asks = {place: _ask(job.leased, job.wanted) for place, job in enumerate(jobs) if job.wanted}
        written = await write_all(self._calls, self._chain, list(asks.values()))
        found = dict(zip(asks, written, strict=True))
        return [await self._outcome(job, found.get(place)) for place, job in enumerate(jobs)]

    async def _outcome(self, job: WritingJob, written: Text | Unwritten | None) -> Answer | Failed:
        if job.wanted is None or written is None:
            return Failed(GONE, None)
        if isinstance(written, Text):
            self._counters.writer_stand_ins += written.instead_of is not None
            return Answer(job.leased.key, written, job.wanted.forgotten)
        if written.failures:  # nobody is to pay for them again when this is tried again
            forgotten, failures = job.wanted.forgotten, written.failures
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
        if row is None or job.wanted is None:
            return False
        told = told_by(row)
        return told.op == "upsert" and not job.wanted.basis.cites_forgotten(told.forgotten)

    def settle(self, connection: Connection, outcome: Answer) -> None:
        """Write calls down, unless a review that their reading counted was forgotten since: nobody will ask again.

        Raises:
            Moved: If another worker has written down another output meanwhile.
        """
        kept = _keep(connection, outcome.product_id, outcome.forgotten, (*outcome.text.failures, outcome.entry))
        mine = kept.get(outcome.entry.ledger_key)
        if mine is not None and mine.output != outcome.entry.output:
            raise Moved(f"ledger entry {outcome.entry.ledger_key} was written by another worker")

    def decide(self, job: WritingJob, outcome: Answer) -> tuple[WritingChange | OnceMore, Output | None] | None:
        """Put the text over whatever points stand now."""
        with self._store.read() as connection:
            row = summary_rows.load_summaries(connection, [job.leased.key]).get(job.leased.key)
        if row is None or job.wanted is None or told_by(row).op == "delete":
            return None
        summary, leased, wanted = msgspec.json.decode(row.record, type=Summary), job.leased, wanted_of(row)
        newest = wanted is not None and wanted.points_revision == leased.revision  # else newer work waits already
        again = newest and outcome.text.over_budget
        once_more = OnceMore(leased, next_day(self._now(), leased.key)) if again else None
        if once_more and not leased.causes and summary.writer and summary.writer.ledger_key == outcome.entry.ledger_key:
            return once_more, None  # the same stand-in's text once more
        shown = self._put_over(summary, outcome, job.wanted, current=row.points_revision == job.wanted.points_revision)
        left = None if newest and not again else wanted
        new = make_row(shown, row.points_revision, row.points, job.wanted.basis, left)
        output = publishable(self._topic, new, leased.trace)
        return WritingChange(leased, new, row.revision, output, once_more), output

    def _put_over(self, summary: Summary, outcome: Answer, wanted: Wanted, *, current: bool) -> Summary:
        by = stamp(outcome.entry, outcome.text.instead_of, outcome.text.because)
        return retext(summary, outcome.entry.output, by, None if current else wanted.shown_revision, self._now())


def next_day(now: float, key: str) -> float:
    """Tell when a key may spend again: soon after the next midnight, UTC, and not all keys at once.

    Args:
        now: Unix seconds.
        key: Whose text it is.

    Returns:
        Unix seconds.

    Example:
        >>> next_day(86_400.0 * 19_000 + 5.0, "p") - 86_400.0 * 19_001
        457.0
    """
    return (now // DAY_S + 1) * DAY_S + zlib.crc32(key.encode()) % SPREAD_S


def _ask(leased: Leased, wanted: Wanted) -> Ask[WriteRequest]:
    given, request = canonical_input(wanted.reading), WriteRequest(leased.key, wanted.reading)
    return Ask(leased.key, leased.key, leased.key, given, request, leased.reason == REFRESH)


def _keep(connection: Connection, product_id: str, forgotten: int, entries: Sequence[Entry]) -> dict[str, Entry]:
    """Write entries down whose reading still counts only what stands; returns what the ledger has of them then."""
    row = summary_rows.lock_summary(connection, product_id)
    if row is None or told_by(row).forgotten.count != forgotten:
        return {}
    ours = sorted((replace(entry, subject=product_id) for entry in entries), key=lambda entry: entry.ledger_key)
    return {entry.ledger_key: ledger.settle(connection, entry) for entry in ours}
