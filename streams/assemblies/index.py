"""Build the index agent."""

from typing import Any

from infra.rows import collection_rows
from infra.settings import Settings
from models.minilm.files import ModelUnusable
from models.minilm.minilm import MiniLM, Precision
from models.sentence_table import SentenceTable
from processors.documents import chunking
from streams.collections import Collections
from streams.events import Handler
from streams.index import Cutter, IndexHandler
from streams.index_reviews import ReviewIndexHandler
from streams.indexing import Indexing
from streams.parts import Context, Parts, Unusable, work_service
from streams.publisher import Publisher
from streams.routing import ByTopic
from streams.sweeping import Sweeping
from streams.topics import topic_name
from streams.vector_place import open_vectors
from streams.work import WorkLimits

CALLS = 2
"""Batches in hand: while one waits for the vector store, the other is embedded."""


def build(context: Context) -> Parts:
    """Build its handlers, the service that embeds, and the one that sweeps.

    The vector store is not asked for here: the stream begins whether it is there or not.

    Raises:
        infra.rows.collection_rows.CollectionMismatch: If another model's vectors serve, or documents are cut otherwise.
        Unusable: If the model is not installed, or cannot run here as it is wished.
    """
    settings, topic = context.settings, topic_name(context.settings.kafka.prefix, "indexed")
    embedder = load_document_model(settings)
    begin = (settings.kafka.prefix, embedder.identity, chunking_of(settings), context.now())
    context.store.change(lambda connection: collection_rows.begin(connection, *begin))
    cutter = Cutter(settings.index.chunk_characters, embedder.identity, chunking_of(settings))
    collections = Collections(open_vectors(settings), embedder.identity, embedder.dimensions)
    handlers: dict[str, Handler[Any]] = {
        "documents": IndexHandler(context.store, cutter, topic=topic, now=context.now),
        "reviews": ReviewIndexHandler(context.store, SentenceTable.load(), topic=topic, now=context.now),
    }
    indexing = Indexing(context.store, embedder, collections, topic=topic, counters=context.counters, now=context.now)

    def sweeping(_: Publisher) -> Sweeping:
        return Sweeping(
            context.store,
            collections,
            first=(topic_name(settings.kafka.prefix, "documents"), 0),
            mine=context.mine,
            every_s=settings.index.sweep_s,
            cache_s=settings.index.cache_s,
            counters=context.counters,
            now=context.now,
        )

    work = work_service(indexing, context, WorkLimits(settings.index.max_batch, CALLS))
    return Parts(ByTopic(handlers), (work, sweeping))


def load_document_model(settings: Settings) -> MiniLM:
    """Load the model that embeds documents.

    Raises:
        Unusable: If it is not installed, or cannot run here as it is wished.
    """
    precision: Precision = "bf16" if settings.index.precision == "bf16" else "fp32"
    try:
        return MiniLM.load(settings.home / "models", precision)
    except ModelUnusable as error:
        raise Unusable(error.message, error.remedy) from error


def chunking_of(settings: Settings) -> str:
    """Say how documents are cut: what a collection is made of besides its model."""
    return f"{chunking.VERSION}/{settings.index.chunk_characters}"
