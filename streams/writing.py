"""Have texts written off the stream: each call at most once, each result under its lease."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog
from sqlalchemy import Connection

from infra import leases, ledger
from infra.database import Store
from infra.fences import Moved
from infra.leases import Leased, Task
from infra.ledger import Entry
from infra.outbox import Output
from infra.rows import summary_rows
from infra.rows.summary_rows import SummaryRow
from models.ports import WriteFailure, Writer, WriteRequest, Written
from processors.texts.ledger import canonical_input, ledger_key
from processors.texts.material import material_change
from schemas.heartbeats import Counters
from schemas.points import Points, Reading
from schemas.summaries import Summary, WriterStamp
from streams.summarize import REFRESH, WRITING
from streams.summary_records import TextBasis, make_row, publishable, reading_of, retext, told_by
from streams.work import Failed

log = structlog.get_logger("writing")


GONE = "the product has no reviews any more"


@dataclass(frozen=True, slots=True)
class Source:
    """What one text is to be written from."""

    request: WriteRequest
    points_revision: int
    shown_revision: int  # of the summary that carries these points
    forgotten: int  # reviews the product had forgotten by then
    ledger_key: str

    @property
    def basis(self) -> TextBasis:
        """What the text's row will tell of it."""
        return TextBasis(self.request.reading, self.forgotten)


@dataclass(frozen=True, slots=True)
class WritingJob:
    """One product's text to be written."""

    leased: Leased
    source: Source | None  # none when the product has no reviews any more
    paid: Entry | None = None  # found in the ledger


@dataclass(frozen=True, slots=True)
class Answer:
    """One product's text."""

    product_id: str
    entry: Entry  # of its call, which other products may share
    forgotten: int  # reviews the product had forgotten when it was read


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
        writer: Who writes.
        fallback: Who writes when the writer finally fails.
        topic: Physical name of the summaries topic.
        counters: Where calls are counted.
        now: Unix seconds.
    """

    kind = WRITING

    def __init__(
        self,
        store: Store,
        writer: Writer,
        fallback: Writer,
        *,
        topic: str,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._writer = writer
        self._fallback = fallback
        self._topic = topic
        self._counters = counters
        self._now = now

    def prepare(self, leased: Sequence[Leased]) -> list[WritingJob]:
        """Load what each text is written from and look the calls up in the ledger."""
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, [one.key for one in leased])
            jobs = [WritingJob(one, self._source(rows.get(one.key))) for one in leased]
            paid = ledger.find(connection, [job.source.ledger_key for job in jobs if job.source])
        return [replace(job, paid=paid.get(job.source.ledger_key)) if job.source else job for job in jobs]

    def _source(self, row: SummaryRow | None) -> Source | None:
        if row is None or told_by(row).op == "delete":
            return None
        points = msgspec.json.decode(row.points, type=Points)
        reading = reading_of(points)
        request = WriteRequest(row.product_id, reading)
        return Source(request, row.points_revision, row.revision, points.forgotten.count, _key(self._writer, reading))

    async def call(self, jobs: Sequence[WritingJob]) -> list[Answer | Failed]:
        """Ask the writer for every text not paid before."""
        self._counters.ledger_hits += sum(job.paid is not None for job in jobs)
        # Equal readings are one call.
        unpaid = {job.source.ledger_key: job for job in jobs if job.source and job.paid is None}
        written = dict(zip(unpaid, await self._call(list(unpaid.values())), strict=True)) if unpaid else {}
        return [_answer(job, written) for job in jobs]

    async def _call(self, jobs: Sequence[WritingJob]) -> list[Entry | Failed]:
        started = time.monotonic()
        sources = [job.source for job in jobs if job.source]
        self._counters.writer_calls += len(sources)
        self._counters.refreshes += sum(job.leased.reason == REFRESH for job in jobs)
        results = await self._writer.write([source.request for source in sources])
        latency_ms = (time.monotonic() - started) * 1000 / len(sources)
        pairs = zip(sources, results, strict=True)
        return [await self._settle_result(source, result, latency_ms) for source, result in pairs]

    async def _settle_result(self, source: Source, result: Written | WriteFailure, latency_ms: float) -> Entry | Failed:
        product_id = source.request.product_id
        if isinstance(result, Written):
            return self._entry(self._writer, source.ledger_key, result, latency_ms)
        self._counters.writer_failures += 1
        log.warning("writer failed", product=product_id, error=result.error, retryable=result.retryable)
        if result.retryable:
            return Failed(result.error, result.retry_after_s)
        (instead,) = await self._fallback.write([source.request])
        if isinstance(instead, WriteFailure):
            return Failed(instead.error, instead.retry_after_s)
        return self._entry(self._fallback, _key(self._fallback, source.request.reading), instead, 0.0)

    def _entry(self, writer: Writer, key: str, written: Written, latency_ms: float) -> Entry:
        return Entry(
            ledger_key=key,
            engine=writer.engine,
            model=writer.model,
            prompt_version=writer.prompt_version,
            output=written.text.replace("\x00", ""),  # Postgres takes none
            tokens_in=written.tokens_in,
            tokens_out=written.tokens_out,
            latency_ms=latency_ms,
            created_at=self._now(),
        )

    def paid(self, outcome: Answer) -> Answer:
        """Return the ledger's entry of the same call where there is one: it wins."""
        key = outcome.entry.ledger_key
        with self._store.read() as connection:
            return replace(outcome, entry=ledger.find(connection, [key]).get(key, outcome.entry))

    def stands(self, connection: Connection, job: WritingJob) -> bool:
        """Tell whether no review that the text may cite was forgotten since it was read."""
        row = summary_rows.lock_summary(connection, job.leased.key)
        if row is None or job.source is None:
            return False
        told = told_by(row)
        return told.op == "upsert" and not job.source.basis.cites_forgotten(told.forgotten)

    def settle(self, connection: Connection, outcome: Answer) -> None:
        """Write a call down, unless a review that its reading counted was forgotten since: nobody will ask again.

        Raises:
            Moved: If another worker has written down another output meanwhile.
        """
        row = summary_rows.load_summaries(connection, [outcome.product_id]).get(outcome.product_id)
        if row is None or told_by(row).forgotten.count != outcome.forgotten:
            return
        entry = replace(outcome.entry, subject=outcome.product_id)
        if ledger.settle(connection, entry).output != outcome.entry.output:
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
        shown = retext(summary, outcome.entry.output, _stamp(outcome.entry), text_revision, self._now())
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
        if reason is None and self._writer.refreshes and before != after:
            reason = REFRESH
        now, revision = self._now(), row.points_revision
        rest = (now, now, leased.trace)
        return [Task(WRITING, leased.key, revision, reason, cause, *rest) for cause in leased.causes if reason]


def _answer(job: WritingJob, written: Mapping[str, Entry | Failed]) -> Answer | Failed:
    if job.source is None:
        return Failed(GONE, None)
    found = job.paid or written[job.source.ledger_key]
    if isinstance(found, Failed):
        return found
    return Answer(job.leased.key, found, job.source.forgotten)


def _stamp(entry: Entry) -> WriterStamp:
    return WriterStamp(
        engine=entry.engine, model=entry.model, prompt_version=entry.prompt_version, ledger_key=entry.ledger_key
    )


def _key(writer: Writer, reading: Reading) -> str:
    return ledger_key(writer.engine, writer.model, writer.prompt_version, writer.parameters, canonical_input(reading))
