"""Build the summarize agent."""

from models.sentence_table import SentenceTable
from models.writers import choose_writer
from streams.parts import Context, Parts, work_service
from streams.summarize import Pace, SummarizeHandler
from streams.topics import topic_name
from streams.work import WorkLimits
from streams.writing import Writing


def build(context: Context) -> Parts:
    """Build its handler and the service that writes."""
    settings, table = context.settings, SentenceTable.load()
    writer = choose_writer(settings.writer.use, table, table.version)
    pace = Pace(settings.writer.debounce_s, settings.digest.quiet_s, settings.writer.deadline_s, writer.refreshes)
    topic = topic_name(settings.kafka.prefix, "summaries")
    handler = SummarizeHandler(context.store, topic=topic, pace=pace, now=context.now)
    fallback = choose_writer("extractive", table, table.version)
    writing = Writing(context.store, writer, fallback, topic=topic, counters=context.counters, now=context.now)
    limits = WorkLimits(settings.writer.max_batch, settings.writer.concurrency)
    return Parts(handler, (work_service(writing, context, limits),))
