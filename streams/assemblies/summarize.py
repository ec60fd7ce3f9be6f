"""Build the summarize agent."""

from collections.abc import Sequence

from models.ports import WriteFailure, Writer, WriteRequest, Written
from models.sentence_table import SentenceTable
from models.writers import choose_writer
from streams.assemblies.models import build_calls, build_chain, build_engines, closing, refusing
from streams.parts import Context, Parts, work_service
from streams.summarize import Pace, SummarizeHandler
from streams.topics import topic_name
from streams.work import WorkLimits
from streams.writing import Writing


def build(context: Context) -> Parts:
    """Build its handler and the service that writes.

    Raises:
        Unusable: If a writer that is set cannot be had.
    """
    settings, table, writer = context.settings, SentenceTable.load(), context.settings.writer
    engines = build_engines(settings, writer.concurrency)
    with refusing():
        last = choose_writer("extractive", table, table.version, engines, writer.prompt)
        chain = build_chain(
            writer,
            writer.prompt,
            lambda name, prompt: choose_writer(name, table, table.version, engines, prompt),
            last,
        )
        calls = build_calls(context, _write, others=["answer"])
    pace = Pace(
        writer.debounce_s, settings.digest.quiet_s, writer.deadline_s, all(model.refreshes for model, _ in chain.firsts)
    )
    topic = topic_name(settings.kafka.prefix, "summaries")
    handler = SummarizeHandler(context.store, topic=topic, pace=pace, now=context.now)
    writing = Writing(
        context.store,
        calls,
        chain,
        topic=topic,
        counters=context.counters,
        now=context.now,
    )
    limits = WorkLimits(writer.max_batch if all(model is last for model, _ in chain.firsts) else 1, writer.concurrency)
    services = (work_service(writing, context, limits), closing(engines))
    return Parts(handler, services, calls.circuits.open, calls.circuits.reasons)


async def _write(
    writer: Writer, requests: Sequence[WriteRequest], _patience_s: float | None
) -> Sequence[Written | WriteFailure]:
    return await writer.write(requests)  # nobody waits: each of its requests has the engine's own timeout
