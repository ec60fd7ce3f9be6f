"""Build the digest agent."""

from models.sentence_table import SentenceTable
from streams.digest import DigestHandler
from streams.digest_decision import READING, Delays
from streams.parts import Context, Parts, work_service
from streams.products import Products
from streams.publisher import Publisher
from streams.rebuilding import Rebuilding
from streams.shadows import Shadows
from streams.timing import TimerService
from streams.topics import topic_name
from streams.work import WorkLimits


def build(context: Context) -> Parts:
    """Build its handler and the services beside it."""
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

    return Parts(handler, (timers, work_service(rebuilding, context, WorkLimits(batch=1, concurrency=1))))
