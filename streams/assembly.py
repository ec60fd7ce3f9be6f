"""Build one agent's parts from settings: what it knows, what it works on, what it needs loaded."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database import Store
from infra.fences import Partition
from infra.settings import Settings
from models.sentence_table import SentenceTable
from models.writers import choose_writer
from schemas import tables
from schemas.heartbeats import Counters
from streams.digest import DigestHandler
from streams.digest_decision import READING, Delays
from streams.events import Crash, Handler
from streams.products import Products
from streams.publisher import Publisher
from streams.rebuilding import Rebuilding
from streams.shadows import Shadows
from streams.summarize import Pace, SummarizeHandler
from streams.timing import TimerService
from streams.topics import topic_name
from streams.work import Performer, WorkLimits, WorkService
from streams.writing import Writing

TABLES: dict[str, list[sa.MetaData]] = {
    "digest": [tables.delivery, tables.digest],
    "summarize": [tables.delivery, tables.summarize],
}


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of one worker shares."""

    settings: Settings
    store: Store
    counters: Counters
    owner: str  # agent-slot
    mine: Callable[[], Collection[Partition]]
    now: Callable[[], float]  # unix seconds
    crash: Crash


Service = Callable[[Publisher], Any]
"""Makes something with ``async run()`` once there is a publisher."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One agent, ready to be run."""

    handler: Handler[Any]
    services: tuple[Service, ...]


def assemble(agent: str, context: Context) -> Parts:
    """Build an agent's handler and the services beside it."""
    return {"digest": _digest, "summarize": _summarize}[agent](context)


def _digest(context: Context) -> Parts:
    digest, table = context.settings.digest, SentenceTable.load()
    products, shadows = Products(context.store, digest.cached_products), Shadows(context.store)
    handler = DigestHandler(
        context.store,
        table,
        products,
        shadows,
        points_topic=topic_name(context.settings.kafka.prefix, "points"),
        delays=Delays(digest.unread_s, digest.quiet_s),
        counters=context.counters,
        now=context.now,
    )
    rebuilding = Rebuilding(context.store, handler, table, products, shadows, context.counters)

    def timers(publisher: Publisher) -> TimerService:
        return TimerService(
            READING, handler, context.store, publisher, mine=context.mine, now=context.now, crash=context.crash
        )

    def rebuilds(publisher: Publisher) -> WorkService[Any, Any]:
        return _service(rebuilding, context, publisher, WorkLimits(batch=1, concurrency=1))

    return Parts(handler, (timers, rebuilds))


def _summarize(context: Context) -> Parts:
    settings, table = context.settings, SentenceTable.load()
    writer = choose_writer(settings.writer.use, table, table.version)
    pace = Pace(settings.writer.debounce_s, settings.digest.quiet_s, settings.writer.deadline_s, writer.refreshes)
    topic = topic_name(settings.kafka.prefix, "summaries")
    handler = SummarizeHandler(context.store, topic=topic, pace=pace, now=context.now)
    fallback = choose_writer("extractive", table, table.version)
    writing = Writing(context.store, writer, fallback, topic=topic, counters=context.counters, now=context.now)

    def service(publisher: Publisher) -> WorkService[Any, Any]:
        limits = WorkLimits(settings.writer.max_batch, settings.writer.concurrency)
        return _service(writing, context, publisher, limits)

    return Parts(handler, (service,))


def _service(
    performer: Performer[Any, Any], context: Context, publisher: Publisher, limits: WorkLimits
) -> WorkService[Any, Any]:
    return WorkService(
        performer,
        context.store,
        publisher,
        owner=context.owner,
        mine=context.mine,
        limits=limits,
        now=context.now,
        crash=context.crash,
    )
