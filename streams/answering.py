"""Answer questions off the stream, most urgent first: each from what may be read now, or told by its deadline why not.

What was read is looked at again in the transaction that writes the answer; see ``streams.answer`` for why
nothing that cites what is gone can stay.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from infra import ledger
from infra.database import Store
from infra.errors import InfraError
from infra.fences import Moved
from infra.leases import Leased
from infra.outbox import Output
from infra.rows import answer_rows
from infra.rows.answer_rows import AnswerRow, BasisRow, RequestRow
from models.ports import AnswerRequest
from processors.answers.assessment import Assessment
from schemas.hits import Passage
from schemas.records import Sources
from schemas.requests import Request
from streams.answer import ANSWERING
from streams.answer_features import AnswerFeatures
from streams.answer_records import Registry, asker_of, make_row, publishable, request_of
from streams.answer_replies import Reply, basis_of, make_answer, told_together
from streams.answer_writing import AnswerWriting
from streams.retrieval import Found, Query
from streams.work import Failed

LATE = "too late: the deadline was over before anything could be looked up"
LATE_SEARCHING = "too late: the deadline came while the documents were searched"
LATE_WRITING = "too late: the deadline came while the answer was written"
OVERDUE = "answered after the deadline"
NOTHING_FOUND = "nothing was found that fits the question"

log = structlog.get_logger("answering")
Result = TypeVar("Result")


class Retriever(Registry, Protocol):
    """Finds passages somebody may see; both searches block."""

    def search(self, query: Query) -> Found:
        """Search the documents."""
        ...

    def search_reviews(self, query: Query, product_id: str) -> Found:
        """Search one product's reviews."""
        ...


@dataclass(slots=True)
class AnsweringJob:
    """One question to be answered.

    Args:
        leased: Its work.
        request: What is asked, by whom.
        deadline: Unix seconds.
        sources: Where the request stands.
        passages: What the call has read; it fills this in, and ``stands`` looks at it.
    """

    leased: Leased
    request: Request
    deadline: float
    sources: Sources
    passages: Sequence[Passage] = ()


@dataclass(frozen=True, slots=True)
class AnsweringChange:
    """One new answer and what it rests on."""

    row: AnswerRow
    basis: Sequence[BasisRow]

    def write(self, connection: Connection) -> None:
        """Write them; see ``streams.work.Change``."""
        answer_rows.put_answer(connection, self.row)
        answer_rows.cite_basis(connection, self.basis)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an answer is made from.

    Args:
        passages: Chunks at most.
        reviews: Reviews at most, where a product's are asked for: shares are counted from them.
        threshold: Below this probability nothing is said.
    """

    passages: int
    reviews: int
    threshold: float


class Answering:
    """Answers requests; see ``streams.work.Performer``.

    A call whose passages do not stand any more, or not for who asks, leaves no trace and is made again. What a
    call did read is written down with its ledger entry, so that the entry goes when any of it does.

    Args:
        store: The agent's store.
        retriever: Finds passages, and tells which still stand.
        position: Reads how far the index has read, by logical topic.
        assess: Tells how well passages answer a question; blocks.
        writing: Has answers written.
        features: Tells what is known of who or what a request is about.
        bounds: How much an answer is made from.
        threads: Where all that blocks runs; its own, so that a slow search holds up nothing else.
        topic: Physical name of the answers topic.
        now: Unix seconds.
    """

    kind = ANSWERING

    def __init__(
        self,
        store: Store,
        retriever: Retriever,
        position: Callable[[], Sources],
        assess: Callable[[AnswerRequest], Assessment],
        writing: AnswerWriting,
        features: AnswerFeatures,
        *,
        bounds: Bounds,
        threads: Executor,
        topic: str,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._retriever = retriever
        self._position = position
        self._assess = assess
        self._writing = writing
        self._features = features
        self._bounds = bounds
        self._threads = threads
        self._topic = topic
        self._now = now

    def prepare(self, leased: Sequence[Leased]) -> list[AnsweringJob]:
        """Load the questions."""
        with self._store.read() as connection:
            rows = answer_rows.load_requests(connection, [one.key for one in leased])
        return [_job(one, rows[one.key]) for one in leased]

    async def call(self, jobs: Sequence[AnsweringJob]) -> list[Reply | Failed]:
        """Answer each, or say why not; all end by their deadlines."""
        return await asyncio.gather(*(self._reply(job) for job in jobs))

    async def _reply(self, job: AnsweringJob) -> Reply | Failed:
        started, reply = time.monotonic(), Reply(job.request.request_id, job.sources)
        left = job.deadline - self._now()
        if left <= 0:
            return replace(reply, reason=LATE)
        try:
            async with asyncio.timeout(left) as limit:
                result = await self._answer(job, reply)
        except TimeoutError:
            if not limit.expired():
                raise
            result = replace(reply, reason=LATE_WRITING if job.passages else LATE_SEARCHING)
        if isinstance(result, Failed):
            return result
        return replace(result, timings_ms={**result.timings_ms, "total": _since(started)})

    async def _answer(self, job: AnsweringJob, reply: Reply) -> Reply | Failed:
        request, left_s = job.request, job.deadline - self._now()
        finding, given = await asyncio.gather(self._search(job), self._features.give(request, left_s))
        if isinstance(finding, Failed):
            return finding
        position, found = finding
        job.passages = found.passages
        sources, timings_ms = {**reply.sources, **position}, dict(found.timings_ms)
        timings_ms |= {"features": given.took_ms} if given.asked else {}
        reply = replace(reply, sources=sources, timings_ms=timings_ms, reason=found.degraded, given=given)
        if not job.passages and given.stated is None:
            return replace(reply, reason=told_together(NOTHING_FOUND, found.degraded))
        asked = AnswerRequest(request.request_id, request.question, tuple(job.passages), given.stated)
        return await self._write(job, reply, asked)

    async def _write(self, job: AnsweringJob, reply: Reply, request: AnswerRequest) -> Reply | Failed:
        began = time.monotonic()
        assessment = await self._off(lambda: self._assess(request))
        timings_ms = {**reply.timings_ms, "assess": _since(began)}
        refusal = self._refusal(request, assessment)
        if refusal is not None:
            reply = replace(reply, reason=told_together(refusal, reply.reason))
        if refusal is None and assessment.asks_passages:
            reply = replace(reply, confidence=assessment.confidence)
        elif assessment.stated:  # the documents say nothing to it, or are not asked: features alone
            request, assessment = replace(request, passages=()), replace(assessment, facts=(), scores={})
        else:
            confidence = assessment.confidence if request.passages else None
            return replace(reply, confidence=confidence, timings_ms=timings_ms)
        began = time.monotonic()
        product_id = job.request.entities.get("product_id")
        draft = await self._writing.write(request, assessment, job.deadline, product_id)
        if isinstance(draft, Failed):
            return draft
        return replace(reply, draft=draft, timings_ms={**timings_ms, "write": _since(began)})

    def _refusal(self, request: AnswerRequest, assessment: Assessment) -> str | None:
        """Return why the documents should not be used, where something is asked of them."""
        if not assessment.asks_passages:
            return None
        return assessment.refusal(self._bounds.threshold) if request.passages else NOTHING_FOUND

    async def _search(self, job: AnsweringJob) -> tuple[Sources, Found] | Failed:
        try:
            return await self._off(lambda: self._find(job.request))
        except InfraError as error:
            log.warning("the index cannot be read", request=job.request.request_id, error=str(error))
            return Failed(str(error), None, again_by=job.deadline)

    def _find(self, request: Request) -> tuple[Sources, Found]:
        position = self._position()  # first: whatever is found includes at least this
        asker = asker_of(request)
        product_id = request.entities.get("product_id")
        query = Query(
            text=request.question,
            principals=asker.principals,
            tenant=asker.tenant,
            limit=self._bounds.passages if product_id is None else self._bounds.reviews,
        )
        if product_id is None:
            return position, self._retriever.search(query)
        return position, self._retriever.search_reviews(query, product_id)

    async def _off(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def paid(self, outcome: Reply) -> Reply:
        """Return the reply with the ledger's entries of the same calls: they win."""
        return outcome if outcome.draft is None else replace(outcome, draft=self._writing.paid(outcome.draft))

    def stands(self, connection: Connection, job: AnsweringJob) -> bool:
        """Tell, behind the gate, whether everything the call read still stands for who asks."""
        answer_rows.pass_gate(connection)
        asker, read = asker_of(job.request), {passage.place for passage in job.passages}
        return not read or read <= self._retriever.standing(read, asker.principals, asker.tenant)

    def settle(self, connection: Connection, outcome: Reply) -> None:
        """Write calls down with what they read: nobody pays again, and they go when any of it goes.

        Raises:
            Moved: If another worker has written down another output meanwhile.
        """
        draft = outcome.draft
        if draft is None:
            return
        answer_rows.add_basis(connection, basis_of(draft, None))
        for entry in sorted(draft.entries, key=lambda entry: entry.ledger_key):
            if ledger.settle(connection, replace(entry, subject=outcome.request_id)).output != entry.output:
                raise Moved(f"ledger entry {entry.ledger_key} was written by another worker")

    def decide(self, job: AnsweringJob, outcome: Reply) -> tuple[AnsweringChange, Output] | None:
        """Make the answer of what is left of the writer's words."""
        said, now = None if outcome.draft is None else outcome.draft.checked(), self._now()
        if said is not None and now > job.deadline:
            outcome = replace(outcome, reason=told_together(OVERDUE, outcome.reason))
        row = make_row(make_answer(outcome, said), now)
        basis = [] if outcome.draft is None else basis_of(outcome.draft, said)
        return AnsweringChange(row, basis), publishable(self._topic, row, job.leased.trace)


def _job(leased: Leased, row: RequestRow) -> AnsweringJob:
    sources = msgspec.json.decode(row.sources, type=Sources)
    return AnsweringJob(leased, request_of(row), row.deadline, sources)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)
