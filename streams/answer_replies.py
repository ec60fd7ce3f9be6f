"""What is to be told to one request: its answer, and what that rests on."""

from dataclasses import dataclass, field

import structlog

from infra.rows.answer_rows import BasisRow
from schemas.answers import Answer, Citation
from schemas.hits import Hit
from schemas.records import Sources
from streams.answer_features import Given
from streams.answer_writing import Draft, Said
from streams.calling.stamps import stamp

NOTHING_SAID = "the passages that were found say nothing to the question"

log = structlog.get_logger("answering")


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be told to one request.

    Args:
        request_id: Whose.
        sources: Up to where things were read.
        timings_ms: By part.
        draft: What writers said; none when nobody was asked.
        confidence: Probability that the passages answer the question.
        reason: Why nothing is said, or what was missing all the same.
        given: The features of what is asked about.
    """

    request_id: str
    sources: Sources
    timings_ms: dict[str, float] = field(default_factory=dict)
    draft: Draft | None = None
    confidence: float | None = None
    reason: str | None = None
    given: Given = field(default_factory=Given)


def make_answer(reply: Reply, said: Said | None) -> Answer:
    """Make the first answer to a request.

    Args:
        reply: What is to be told.
        said: What is left of the writers' words; none abstains.
    """
    silent = told_together(NOTHING_SAID, reply.reason) if reply.draft is not None else reply.reason
    if said is not None and said.checked.cut:
        log.info("sentences cut", request=reply.request_id, engine=said.entry.engine, why=said.checked.cut)
    return Answer(
        request_id=reply.request_id,
        revision=1,
        op="upsert",
        text=None if said is None else said.checked.text,
        citations=[] if said is None else said.checked.citations,
        features=reply.given.values,
        abstained=said is None,
        reason=silent if said is None else reply.reason,
        confidence=reply.confidence,
        writer=None if said is None else stamp(said.entry, said.instead_of, said.because),
        sources=reply.sources,
        timings_ms=reply.timings_ms,
        feature_spec=reply.given.spec,
        feature_sources=reply.given.sources,
        features_reason=reply.given.reason,
    )


def basis_of(draft: Draft, said: Said | None) -> list[BasisRow]:
    """List what an answer rests on: what was read, and what of it is cited.

    Args:
        draft: What writers were given.
        said: What is left of their words; a fact in it that was counted rests on all that was read.
    """
    cited = set() if said is None else {_place(citation) for citation in said.checked.citations}
    counted = said is not None and any(fact in said.checked.text for fact in draft.assessment.facts)
    return [
        BasisRow(draft.request.request_id, *passage.place, counted or _place(passage.hit) in cited)
        for passage in draft.request.passages
    ]


def _place(one: Citation | Hit) -> tuple[str | None, ...]:
    return one.tenant, one.product_id, one.document_id, one.chunk_id


def told_together(*parts: str | None) -> str:
    """Put several reasons into one.

    Example:
        >>> told_together("too late", None, "words only")
        'too late; words only'
    """
    return "; ".join(part for part in parts if part)
