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
from streams.digest import READING, DigestHandler
from streams.events import Crash, Handler
from streams.publisher import Publisher
from streams.summarize import Pace, SummarizeHandler
from streams.timing import TimerService
from streams.topics import topic_name
from streams.work import WorkLimits, WorkService
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
    digest = context.settings.digest
    handler = DigestHandler(
        context.store,
        SentenceTable.load(),
        points_topic=topic_name(context.settings.kafka.prefix, "points"),
        unread_s=digest.unread_s,
        quiet_s=digest.quiet_s,
        cached_products=digest.cached_products,
        counters=context.counters,
        now=context.now,
    )

    def timers(publisher: Publisher) -> TimerService:
        return TimerService(
            READING, handler, context.store, publisher, mine=context.mine, now=context.now, crash=context.crash
        )

    return Parts(handler, (timers,))


def _summarize(context: Context) -> Parts:
    settings, table = context.settings, SentenceTable.load()
    writer = choose_writer(settings.writer.use, table, table.version)
    pace = Pace(settings.writer.debounce_s, settings.digest.quiet_s, settings.writer.deadline_s, writer.refreshes)
    topic = topic_name(settings.kafka.prefix, "summaries")
    handler = SummarizeHandler(context.store, topic=topic, pace=pace, now=context.now)
    fallback = choose_writer("extractive", table, table.version)
    writing = Writing(context.store, writer, fallback, topic=topic, counters=context.counters, now=context.now)

    def service(publisher: Publisher) -> WorkService[Any, Any]:
        return WorkService(
            writing,
            context.store,
            publisher,
            owner=context.owner,
            mine=context.mine,
            limits=WorkLimits(settings.writer.max_batch, settings.writer.concurrency),
            now=context.now,
            crash=context.crash,
        )

    return Parts(handler, (service,))
