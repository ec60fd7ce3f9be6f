"""Build the answer agent."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import sqlalchemy as sa

from infra.model_settings import WriterSettings
from infra.settings import Settings
from models.answer_model import WrongAnswerModel
from models.answerers import choose_answerer
from models.engines import Engines
from models.extractive_answers import ExtractiveAnswerer
from models.minilm.files import ModelUnusable
from models.minilm.minilm import MiniLM
from models.ports import Answerer, AnswerRequest, WriteFailure, Written
from models.sentence_table import SentenceTable
from schemas.records import Sources
from schemas.tables import fences
from streams.answer import IndexedHandler, RequestsHandler
from streams.answer_writing import AnswerWriting
from streams.answering import Answering, Bounds
from streams.assemblies.answer_features import build_features
from streams.assemblies.models import build_calls, build_chain, build_engines, closing, refusing
from streams.calling.chain import Chain
from streams.events import logical
from streams.parts import Context, Parts, Unusable, work_service
from streams.places import store_place
from streams.retrieval import Reading, Retrieval, read_index
from streams.routing import ByTopic
from streams.topics import topic_name
from streams.vector_place import open_vectors
from streams.work import WorkLimits

POLL_S = 0.02
"""How often to look for questions: somebody waits for each."""


def build(context: Context) -> Parts:
    """Build its handlers and the service that answers.

    Neither index nor vector store is asked for here: the stream begins whether they are there or not.

    Raises:
        Unusable: If a model is not installed, or cannot run here, or one that is set to answer cannot be had, or the
            feature spec that is set is not defined.
    """
    settings, topic = context.settings, topic_name(context.settings.kafka.prefix, "answers")
    embedder, index = _load_query_model(settings), read_index(store_place(context.settings, "index"))
    retrieval = Retrieval(index, open_vectors(settings), embedder, SentenceTable.load())
    extractive, engines = _extractive(embedder), build_engines(settings, settings.answer.concurrency)
    with refusing():
        chain = _chain(settings, extractive, engines)
        calls = build_calls(context, _answer, others=["summarize"])
    writing = AnswerWriting(context.store, calls, chain, counters=context.counters, now=context.now)
    features, closing_features = build_features(settings, context.now)
    answering = Answering(
        context.store,
        retrieval,
        lambda: index_position(index),
        extractive.assess,
        writing,
        features,
        bounds=Bounds(settings.answer.passages, settings.answer.reviews, settings.answer.threshold),
        threads=ThreadPoolExecutor(settings.answer.concurrency, "answering"),
        topic=topic,
        now=context.now,
    )
    requests = RequestsHandler(context.store, deadline_ms=settings.answer.deadline_ms, now=context.now)
    handler = ByTopic({"requests": requests, "indexed": IndexedHandler(retrieval, topic=topic, now=context.now)})
    limits = WorkLimits(batch=1, concurrency=settings.answer.concurrency, poll_s=POLL_S)
    services = (work_service(answering, context, limits), closing(engines), closing_features)
    return Parts(handler, services, calls.circuits.open, calls.circuits.reasons)


def _chain(settings: Settings, extractive: Answerer, engines: Engines) -> Chain[Answerer]:
    prompt = settings.answer.prompt

    def choose(name: str, prompt: str) -> Answerer:
        return choose_answerer(name, extractive, engines, prompt)

    return build_chain(_who_answers(settings), prompt, choose, extractive)


async def _answer(
    answerer: Answerer, requests: Sequence[AnswerRequest], patience_s: float | None
) -> Sequence[Written | WriteFailure]:
    return await answerer.answer(requests, patience_s)


def _who_answers(settings: Settings) -> WriterSettings:
    """Return who writes summaries, all with the prompt of answers; or who is named for answers alone."""
    own = settings.answer.use
    if own == "writer":
        return replace(settings.writer, other_prompt=None)
    return replace(settings.writer, use=own, other=None, other_share=0.0)


def index_position(index: Reading) -> Sources:
    """Read how far the index has read: what it holds includes at least that.

    Args:
        index: Its store.

    Raises:
        infra.store_errors.StoreError: If it cannot be read.
    """
    ends: Sources = defaultdict(dict)
    with index() as connection:
        for row in connection.execute(sa.select(fences.c.topic, fences.c.partition, fences.c.next_offset)):
            ends[logical(row.topic)][str(row.partition)] = row.next_offset
    return dict(ends)


def _extractive(embedder: MiniLM) -> ExtractiveAnswerer:
    try:
        return ExtractiveAnswerer(embedder)
    except WrongAnswerModel as error:
        raise Unusable(f"the answer model cannot be used: {error}", "Install this version again.") from error


def _load_query_model(settings: Settings) -> MiniLM:
    try:
        return MiniLM.load(settings.home / "models", "int8")
    except ModelUnusable as error:
        raise Unusable(error.message, error.remedy) from error
