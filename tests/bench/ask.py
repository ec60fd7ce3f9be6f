"""``millrace bench ask``: how good quoted answers are and how true their confidence, and how soon they come."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.minilm.minilm import MiniLM
from processors.documents.sentences import sentences
from processors.evaluation.synthesis import Question, Source, synthesize
from schemas.answers import Answer
from schemas.documents import Document
from schemas.requests import Request
from streams.cli.errors import CommandError, Exit
from tests.bench.answers import measure
from tests.bench.history import cuts, final, read_history
from tests.bench.load import published, send
from tests.bench.stack import Stack

QUESTIONS = 300
PER_S = 2.0
DEADLINE_MS = 30_000
PATIENCE_S = 60.0
Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell, limit: int | None = None) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures.

    Args:
        data: Folder with the public sets.
        tell: Says what is measured now.
        limit: Questions asked of the running system at most, about the first changes of the documentation.

    Raises:
        CommandError: Without data.
    """
    if data is None:
        raise CommandError(
            "bench ask needs questions of people, and documents", "Name their folder: --data DIR.", Exit.USAGE
        )
    figures: Figures = {}
    with Stack(vectors=True) as stack:
        documents = final(read_history(data, None if limit is None else 10 * limit))
        questions = _questions(documents, stack.settings.index.chunk_characters)[: limit or QUESTIONS]
        tell(f"{len(questions):,} questions about {len(documents):,} documents, {PER_S:.0f} a second")
        figures |= latency(stack, documents, questions)
    tell("questions of people over reviews")
    with tempfile.TemporaryDirectory() as folder:
        figures |= measure(data, MiniLM.load(Path(folder), "fp32"), limit=limit)
    told = f"SubjQA dev ({figures['cases']:,} questions over one review each); latency: {len(questions):,} template "
    return f"{told}questions over {len(documents):,} pages of documentation, {PER_S:.0f} a second", figures


def latency(stack: Stack, documents: Sequence[Document], questions: Sequence[Question]) -> Figures:
    """Time from a request's Kafka timestamp to its answer's; how many are answered, and from the right document."""
    asyncio.run(send(stack, documents, topic="documents"))
    stack.start_workers(("index", "answer"))
    stack.wait("index")
    requests = [
        Request(request_id=f"q{number}", question=one.text, deadline_ms=DEADLINE_MS)
        for number, one in enumerate(questions)
    ]
    sent = asyncio.run(send(stack, requests, PER_S, topic="requests"))
    at = dict(zip((one.request_id for one in requests), sent.values(), strict=True))
    answers = _answers(stack, len(requests))
    ages = [when - at[request_id] for request_id, (when, _) in answers.items()]
    given = {request_id: answer for request_id, (_, answer) in answers.items() if not answer.abstained}
    right = [_cites_right(given[f"q{number}"], one) for number, one in enumerate(questions) if f"q{number}" in given]
    late = sum(answer.abstained and "too late" in (answer.reason or "") for _, answer in answers.values())
    return {
        "ask_p50_s": _cut(ages, 50),
        "ask_p99_s": _cut(ages, 99),
        "answered_share": round(len(given) / len(requests), 3),
        "right_document_share": round(statistics.fmean(right), 3) if right else None,
        "late_share": round(late / len(requests), 3),
    }


def _answers(stack: Stack, count: int) -> dict[str, tuple[float, Answer]]:
    """Read first answers until every question has one."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, tuple[float, Answer]] = {}
        for at, answer in asyncio.run(published(stack, "answers", Answer)):
            found.setdefault(answer.request_id, (at, answer))
        if len(found) == count:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found):,} of {count:,} questions are answered after {PATIENCE_S:.0f} s")


def _cites_right(answer: Answer, question: Question) -> bool:
    cited = {citation.document_id for citation in answer.citations}
    return bool(cited & {place.document_id for place in question.answers})


def _questions(documents: Sequence[Document], longest: int) -> list[Question]:
    return synthesize(
        Source(one.document_id, cut.chunk_id, one.title, cut.breadcrumb, tuple(sentences(cut.text)))
        for one in documents
        for cut in cuts(one, longest)
    )


def _cut(values: Sequence[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 3)
