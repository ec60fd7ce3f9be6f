"""Have texts written off the stream: each call at most once, each result under its lease."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog
from sqlalchemy import Connection

from tests.releases.v0_1.infra import ledger, summary_rows
from infra.database import Store
from tests.releases.v0_1.infra.fences import Moved
from tests.releases.v0_1.infra.leases import Leased
from tests.releases.v0_1.infra.ledger import Entry
from tests.releases.v0_1.infra.outbox import Output
from tests.releases.v0_1.infra.summary_rows import SummaryRow
from models.ports import WriteFailure, Writer, WriteRequest, Written
from processors.texts.ledger import canonical_input, ledger_key
from schemas.heartbeats import Counters
from tests.releases.v0_1.schemas.points import Points, Reading
from tests.releases.v0_1.schemas.summaries import Summary, WriterStamp
from tests.releases.v0_1.streams.summarize import REFRESH, make_row, publishable, reading_of, retext
from streams.work import Failed

log = structlog.get_logger("writing")


@dataclass(frozen=True, slots=True)
class WritingJob:
    """One product's text to be written."""

    leased: Leased
    request: WriteRequest
    points_revision: int
    shown_revision: int  # of the summary that carries these points
    ledger_key: str
    paid: Entry | None  # found in the ledger


@dataclass(frozen=True, slots=True)
class WritingChange:
    """One product's new row."""

    row: SummaryRow
    made_from: int  # revision

    def write(self, connection: Connection) -> None:
        """Write the row; see ``streams.work.Change``."""
        summary_rows.put_summary(connection, self.row, self.made_from)


class Writing:
    """Writes the texts of summaries; see ``streams.work.Performer``.

    Args:
        store: The agent's store.
        writer: Who writes.
        fallback: Who writes when the writer finally fails.
        topic: Physical name of the summaries topic.
        counters: Where calls are counted.
        now: Unix seconds.
    """

    kind = "summary"

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
            jobs = [self._job(one, rows[one.key]) for one in leased]
            paid = ledger.find(connection, [job.ledger_key for job in jobs])
        return [replace(job, paid=paid.get(job.ledger_key)) for job in jobs]

    def _job(self, leased: Leased, row: SummaryRow) -> WritingJob:
        reading = reading_of(msgspec.json.decode(row.points, type=Points))
        request = WriteRequest(row.product_id, reading)
        key = _key(self._writer, reading)
        return WritingJob(leased, request, row.points_revision, row.revision, key, None)

    async def call(self, jobs: Sequence[WritingJob]) -> list[Entry | Failed]:
        """Ask the writer for every text not paid before."""
        self._counters.ledger_hits += sum(job.paid is not None for job in jobs)
        unpaid = {job.ledger_key: job for job in jobs if job.paid is None}  # equal readings are one call
        written = dict(zip(unpaid, await self._call(list(unpaid.values())), strict=True)) if unpaid else {}
        return [job.paid or written[job.ledger_key] for job in jobs]

    async def _call(self, jobs: Sequence[WritingJob]) -> list[Entry | Failed]:
        started = time.monotonic()
        self._counters.writer_calls += len(jobs)
        self._counters.refreshes += sum(job.leased.reason == REFRESH for job in jobs)
        results = await self._writer.write([job.request for job in jobs])
        latency_ms = (time.monotonic() - started) * 1000 / len(jobs)
        return [await self._settle_result(job, result, latency_ms) for job, result in zip(jobs, results, strict=True)]

    async def _settle_result(
        self, job: WritingJob, result: Written | WriteFailure, latency_ms: float
    ) -> Entry | Failed:
        if isinstance(result, Written):
            return self._entry(self._writer, job.ledger_key, result, latency_ms)
        self._counters.writer_failures += 1
        log.warning("writer failed", product=job.request.product_id, error=result.error, retryable=result.retryable)
        if result.retryable:
            return Failed(result.error, result.retry_after_s)
        (instead,) = await self._fallback.write([job.request])
        if isinstance(instead, WriteFailure):
            return Failed(instead.error, instead.retry_after_s)
        return self._entry(self._fallback, _key(self._fallback, job.request.reading), instead, 0.0)

    def _entry(self, writer: Writer, key: str, written: Written, latency_ms: float) -> Entry:
        return Entry(
            ledger_key=key,
            engine=writer.engine,
            model=writer.model,
            prompt_version=writer.prompt_version,
            output=written.text,
            tokens_in=written.tokens_in,
            tokens_out=written.tokens_out,
            latency_ms=latency_ms,
            created_at=self._now(),
        )

    def paid(self, outcome: Entry) -> Entry:
        """Return the ledger's entry of the same call where there is one: it wins."""
        with self._store.read() as connection:
            return ledger.find(connection, [outcome.ledger_key]).get(outcome.ledger_key, outcome)

    def settle(self, connection: Connection, outcome: Entry) -> None:
        """Write a call down.

        Raises:
            Moved: If another worker has written down another output meanwhile.
        """
        if ledger.settle(connection, outcome).output != outcome.output:
            raise Moved(f"ledger entry {outcome.ledger_key} was written by another worker")

    def decide(self, job: WritingJob, outcome: Entry) -> tuple[WritingChange, Output]:
        """Put the text over whatever points stand now."""
        with self._store.read() as connection:
            row = summary_rows.load_summaries(connection, [job.leased.key])[job.leased.key]
        summary = msgspec.json.decode(row.record, type=Summary)
        stamp = WriterStamp(
            engine=outcome.engine,
            model=outcome.model,
            prompt_version=outcome.prompt_version,
            ledger_key=outcome.ledger_key,
        )
        current = row.points_revision == job.points_revision
        shown = retext(summary, outcome.output, stamp, None if current else job.shown_revision, self._now())
        text_points = msgspec.json.encode(job.request.reading)
        new = make_row(shown, row.points_revision, row.points, text_points)
        return WritingChange(new, row.revision), publishable(self._topic, new, {})


def _key(writer: Writer, reading: Reading) -> str:
    return ledger_key(writer.engine, writer.model, writer.prompt_version, writer.parameters, canonical_input(reading))
