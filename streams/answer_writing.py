"""Have an answer written and hold it against its passages: the writer first, the documents' own words if it fails."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog

from infra import ledger
from infra.database import Store
from infra.ledger import Entry
from models.ports import Answerer, AnswerRequest, WriteFailure, Written
from processors.answers.assessment import Assessment
from processors.answers.checking import Checked, check
from processors.texts.ledger import ledger_key
from schemas.heartbeats import Counters
from streams.work import Failed

RESERVE_S = 1.0
"""Kept for the fallback at most, of the time until the deadline; a quarter where that is less."""

PATIENCE_S = 3.0
"""A writer that failed is asked again later only if so much time is left; its own wait comes on top."""

log = structlog.get_logger("answering")


@dataclass(frozen=True, slots=True)
class Said:
    """What is borne out of one writer's words."""

    checked: Checked
    entry: Entry  # its call


@dataclass(frozen=True, slots=True)
class Draft:
    """What writers said to one request.

    Args:
        request: What they were given.
        assessment: Of its passages.
        entries: Their calls, in the order they were made.
    """

    request: AnswerRequest
    assessment: Assessment
    entries: tuple[Entry, ...]

    def checked(self) -> Said | None:
        """Return what the passages bear out of the first writer of whom there is anything."""
        for entry in self.entries:
            left = check(entry.output, self.request.passages, self.assessment)
            if left is not None:
                return Said(left, entry)
        return None


class AnswerWriting:
    """Asks writers, each call at most once.

    Args:
        store: The agent's store; it has the ledger.
        writer: Asked first.
        fallback: Asked when the writer fails, or nothing that it says is borne out.
        counters: Where calls are counted.
        now: Unix seconds.
    """

    def __init__(
        self, store: Store, writer: Answerer, fallback: Answerer, *, counters: Counters, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._writer = writer
        self._fallback = fallback
        self._counters = counters
        self._now = now

    async def write(self, request: AnswerRequest, assessment: Assessment, deadline: float) -> Draft | Failed:
        """Have one answer written.

        Args:
            request: With at least one passage.
            assessment: Of its passages.
            deadline: Unix seconds; the writer gets a little less, so that the fallback can still be asked.

        Returns:
            ``Failed`` when the writer is worth asking again, and there is time for it.
        """
        told = await self._ask(self._writer, request, None if self._writer is self._fallback else deadline)
        left = deadline - self._now()
        if isinstance(told, WriteFailure) and told.retryable and left > PATIENCE_S + (told.retry_after_s or 0.0):
            return Failed(told.error, told.retry_after_s, again_by=deadline)
        draft = Draft(request, assessment, (told,) if isinstance(told, Entry) else ())
        if self._writer is self._fallback or await asyncio.to_thread(draft.checked) is not None:
            return draft
        instead = await self._ask(self._fallback, request, None)
        if isinstance(instead, WriteFailure):
            return Failed(instead.error, instead.retry_after_s, again_by=deadline)
        return replace(draft, entries=(*draft.entries, instead))

    async def _ask(self, writer: Answerer, request: AnswerRequest, deadline: float | None) -> Entry | WriteFailure:
        key = call_key(writer, request)
        paid = await self._store.run(lambda: self._find([key]))
        if key in paid:
            self._counters.ledger_hits += 1
            return paid[key]
        self._counters.writer_calls += 1
        started = time.monotonic()
        result = await self._call(writer, request, deadline)
        if isinstance(result, Written):
            return self._entry(writer, key, result, (time.monotonic() - started) * 1000)
        self._counters.writer_failures += 1
        log.warning("writer failed", request=request.request_id, error=result.error, retryable=result.retryable)
        return result

    async def _call(self, writer: Answerer, request: AnswerRequest, deadline: float | None) -> Written | WriteFailure:
        left = None if deadline is None else max(deadline - self._now(), 0.0)
        patience_s = None if left is None else left - min(RESERVE_S, left / 4)
        try:
            async with asyncio.timeout(patience_s) as limit:
                (result,) = await writer.answer([request])
        except TimeoutError:
            if not limit.expired():
                raise
            return WriteFailure(f"no answer within {patience_s:.1f} s", retryable=False)
        return result

    def _entry(self, writer: Answerer, key: str, written: Written, latency_ms: float) -> Entry:
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

    def paid(self, draft: Draft) -> Draft:
        """Put the ledger's entries of the same calls in the place of a draft's own: they win."""
        found = self._find([entry.ledger_key for entry in draft.entries])
        return replace(draft, entries=tuple(found.get(entry.ledger_key, entry) for entry in draft.entries))

    def _find(self, keys: Sequence[str]) -> dict[str, Entry]:
        with self._store.read() as connection:
            return ledger.find(connection, keys)


def call_key(writer: Answerer, request: AnswerRequest) -> str:
    """Name a call by everything that decides its output: equal questions to equal passages are one call."""
    given = msgspec.json.encode([request.question, request.passages], order="deterministic").decode()
    return ledger_key(writer.engine, writer.model, writer.prompt_version, writer.parameters, given)
