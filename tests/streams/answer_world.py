"""Stand-ins for what surrounds the answer agent: an index that is changed by hand, and writers that quote."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from models.ports import AnswerRequest, WriteFailure, Written
from processors.answers.assessment import Assessment
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.calling import CallsHere
from processors.features.serving.ports import Found as RowFound
from processors.features.serving.ports import Lookup
from schemas.documents import PUBLIC, document_key, review_key
from schemas.heartbeats import Counters
from schemas.hits import ChunkPlace, Hit, Passage
from schemas.indexed import Indexed
from schemas.records import Sources
from streams.answer_features import AnswerFeatures
from streams.answer_writing import AnswerWriting
from streams.answering import Answering, Bounds
from streams.calling.accounts import Terms
from streams.calling.calls import Calls
from streams.calling.chain import Chain
from streams.retrieval import Found, Query
from tests.streams.fakes import START_S, Clock, chain_of

REQUESTS = "millrace.requests.v1"
INDEXED = "millrace.indexed.v1"
ANSWERS = "millrace.answers.v1"
POSITION: Sources = {"documents": {"0": 7}}


@dataclass(frozen=True)
class Kept:
    """One document or review as the index has it."""

    passage: Passage
    principals: frozenset[str]
    tenant: str | None
    version: int
    product_id: str | None = None


@dataclass
class FakeIndex:
    """What somebody may find now: every document is one chunk, and every change gives it a new row."""

    kept: dict[str, Kept] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    told: list[Indexed] = field(default_factory=list)
    degraded: str | None = None
    failures: list[Exception] = field(default_factory=list)  # one is raised at each search, while there are some
    queries: list[Query] = field(default_factory=list)
    after_search: Callable[[], None] = lambda: None

    def put(
        self, document_id: str, text: str, *, principals: Sequence[str] = (PUBLIC,), tenant: str | None = None
    ) -> Indexed:
        key = document_key(tenant, document_id)
        hit = Hit(
            document_id=document_id, chunk_id=f"c-{text}", title=None, quote=text, score=1, parts={}, tenant=tenant
        )
        return self._keep(key, hit, text, frozenset(principals))

    def review(self, product_id: str, review_id: str, text: str) -> Indexed:
        hit = Hit(
            document_id=review_id, chunk_id=f"c-{text}", title=None, quote=text, score=1, parts={},
            kind="review", product_id=product_id,
        )  # fmt: skip
        return self._keep(review_key(product_id, review_id), hit, text, frozenset({PUBLIC}))

    def delete(self, document_id: str, tenant: str | None = None) -> Indexed:
        key = document_key(tenant, document_id)
        self.kept.pop(key, None)
        return self._tell(key, document_id, tenant, "delete")

    def delete_review(self, product_id: str, review_id: str) -> Indexed:
        key = review_key(product_id, review_id)
        self.kept.pop(key, None)
        return self._tell(key, review_id, None, "delete", kind="review", product_id=product_id)

    def _keep(self, key: str, hit: Hit, text: str, principals: frozenset[str]) -> Indexed:
        version = self.versions.get(key, 0) + 1
        passage = Passage(key=key, row_id=hash((key, version)) & (2**62 - 1), hit=hit, text=text)
        self.kept[key] = Kept(passage, principals, hit.tenant, version, hit.product_id)
        return self._tell(key, hit.document_id, hit.tenant, "upsert", kind=hit.kind, product_id=hit.product_id)

    def _tell(self, key: str, document_id: str, tenant: str | None, op: Any, **rest: Any) -> Indexed:
        self.versions[key] = version = self.versions.get(key, 0) + 1
        at = datetime.fromtimestamp(START_S, UTC)
        counts = {"chunks": 1, "embedded": 1, "removed": 1}
        rest = {"document_revision": version, "sources": {}, "indexed_at": at, **counts, **rest}
        self.told.append(Indexed(document_id=document_id, revision=version, op=op, tenant=tenant, **rest))
        return self.told[-1]

    def search(self, query: Query) -> Found:
        return self._found(query, None)

    def search_reviews(self, query: Query, product_id: str) -> Found:
        return self._found(query, product_id)

    def _found(self, query: Query, product_id: str | None) -> Found:
        self.queries.append(query)
        if self.failures:
            raise self.failures.pop(0)
        visible = [
            one for one in self.kept.values() if one.product_id == product_id and _may_see(one, query.principals)
        ]
        mine = [one.passage for one in visible if product_id is not None or one.tenant == query.tenant]
        found = Found(passages=mine[: query.limit], degraded=self.degraded, timings_ms={"words": 1.0})
        self.after_search()
        return found

    def standing(
        self, places: Collection[ChunkPlace], principals: Sequence[str], tenant: str | None
    ) -> set[ChunkPlace]:
        seen = [one for one in self.kept.values() if _may_see(one, principals)]
        mine = [one for one in seen if one.product_id is not None or one.tenant == tenant]
        return {one.passage.place for one in mine} & set(places)


def _may_see(one: Kept, principals: Sequence[str]) -> bool:
    return not one.principals.isdisjoint({*principals, PUBLIC})


class FakeAnswerer:
    """Quotes the passages it is told to, or says what it is told; remembers what it was asked."""

    model = "m1"
    prompt_version = "v1"
    parameters = "{}"

    def __init__(
        self, *answers: str | WriteFailure, engine: str = "fake", quotes: int = 20, endpoint: str = ""
    ) -> None:
        self.engine = engine
        self.endpoint = endpoint
        self.answers = list(answers)
        self.quotes = quotes
        self.asked: list[AnswerRequest] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(
        self, requests: Sequence[AnswerRequest], patience_s: float | None = None
    ) -> list[Written | WriteFailure]:
        self.asked += requests
        self.entered.set()
        await self.gate.wait()
        return [self._answer(request) for request in requests]

    def _answer(self, request: AnswerRequest) -> Written | WriteFailure:
        told = self.answers.pop(0) if self.answers else quoting(request.passages[: self.quotes])
        return Written(told, 7, 3) if isinstance(told, str) else told


def quoting(passages: Sequence[Passage]) -> str:
    return " ".join(f'"{passage.text}" [{number}]' for number, passage in enumerate(passages, 1))


class HereExecutor(Executor):
    """Runs at once what others run in a thread, so that a test may step through it."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class Assessor:
    """Says what a test wants of the passages."""

    assessment: Assessment = field(default_factory=lambda: Assessment(confidence=0.9))

    def __call__(self, request: AnswerRequest) -> Assessment:
        return self.assessment


@dataclass
class FakeRows:
    """Rows of feature tables as somebody wrote them: (table, key) -> values, and when their newest event happened."""

    rows: dict[tuple[str, str], tuple[dict[str, Any], int]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)  # one is raised at each read, while there are some
    reads: list[Any] = field(default_factory=list)
    before_read: Callable[[], object] = lambda: None

    def read(self, requests: Sequence[Lookup], at_us: int | None = None) -> list[RowFound]:
        self.reads += requests
        self.before_read()
        if self.failures:
            raise self.failures.pop(0)
        return [self._found(one) for one in requests]

    def _found(self, one: Lookup) -> RowFound:
        names = {"order_scans": ("last_city", "courier"), "order_items": ("item_count", "total")}[one.table]
        values, as_of_us = self.rows.get((one.table, one.key), ({}, None))
        return RowFound({**dict.fromkeys(names), **values}, as_of_us, as_of_us is None, f"v-{one.table}")


def make_features(rows: FakeRows | None = None, only: FeatureSpec | None = None, **changed: Any) -> AnswerFeatures:
    """Features of one spec, none unless told."""
    specs = {} if only is None else {only.name: only}
    told = {"spec": None, "threads": HereExecutor(), "now": Clock(), **changed}
    return AnswerFeatures(specs, rows or FakeRows(), CallsHere(specs.values()), **told)


def make_answering(
    store: Any,
    index: FakeIndex,
    writer: FakeAnswerer,
    *,
    fallback: FakeAnswerer | None = None,
    assess: Callable[[AnswerRequest], Assessment] | None = None,
    counters: Counters | None = None,
    now: Callable[[], float] | None = None,
    chain: Chain | None = None,
    terms: Terms | None = None,
    features: AnswerFeatures | None = None,
) -> Answering:
    now, counters = now or Clock(), counters or Counters()
    chain = chain or chain_of(writer, fallback or writer)
    calls = Calls(
        store,
        lambda model, requests, patience_s: model.answer(requests, patience_s),
        terms=terms or Terms(),
        counters=counters,
        now=now,
    )
    writing = AnswerWriting(store, calls, chain, counters=counters, now=now)
    return Answering(
        store,
        index,
        lambda: POSITION,
        assess or Assessor(),
        writing,
        features or make_features(now=now),
        bounds=Bounds(passages=8, reviews=50, threshold=0.3),
        threads=HereExecutor(),
        topic=ANSWERS,
        now=now,
    )


def asked(request_id: str, question: str = "How long?", **changed: Any) -> dict[str, Any]:
    """A request as a producer sends it."""
    return {"request_id": request_id, "question": question, **changed}
