"""points -> summaries: publish what stands at once, and have its text rewritten when it no longer fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from tests.releases.v0_1.infra import leases, summary_rows
from infra.database import Store
from tests.releases.v0_1.infra.leases import Task
from tests.releases.v0_1.infra.outbox import Cause, Output
from tests.releases.v0_1.infra.summary_rows import SummaryRow
from processors.texts.material import material_change
from tests.releases.v0_1.schemas.points import Points, Reading
from schemas.records import Sources
from tests.releases.v0_1.schemas.summaries import Summary, WriterStamp
from tests.releases.v0_1.streams.events import Event, Rejection, event_headers, logical

WRITING = "summary"
"""The kind of work that writes a product's text."""

REFRESH = "product fell quiet"
"""The reason of work that is done only because it is cheap."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When texts are written.

    Args:
        debounce_s: After a material change, wait for more news this long, seconds.
        quiet_s: Refresh a cheap text after so long without news, seconds.
        deadline_s: Longest wait, whatever the news, seconds.
        refreshes: Whether the writer is cheap enough to refresh.
    """

    debounce_s: float
    quiet_s: float
    deadline_s: float
    refreshes: bool


@dataclass(slots=True)
class SummaryDecision:
    """New rows, what is published of them, and texts to be written."""

    rows: list[tuple[SummaryRow, int]] = field(default_factory=list)  # with the revision each was made from
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    rejections: Sequence[Rejection] = ()

    def write(self, connection: Connection) -> None:
        """Write rows and work; see ``streams.events.Decision``."""
        for row, made_from in self.rows:
            summary_rows.put_summary(connection, row, made_from)
        leases.record(connection, self.tasks)


class SummarizeHandler:
    """Shows the newest points beside the standing text; see ``streams.events.Handler``.

    Args:
        store: The agent's store.
        topic: Physical name of the summaries topic.
        pace: When texts are written.
        now: Unix seconds.
    """

    record = Points

    def __init__(self, store: Store, *, topic: str, pace: Pace, now: Callable[[], float]) -> None:
        self._store = store
        self._topic = topic
        self._pace = pace
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Points]], following: int) -> SummaryDecision:
        """Take the newest points of each product; see ``streams.events.Handler``."""
        newest: dict[str, Event[Points]] = {}
        oldest: dict[str, Cause] = {}
        for event in events:
            product_id = event.record.product_id
            oldest.setdefault(product_id, event.cause)
            if product_id not in newest or event.record.revision > newest[product_id].record.revision:
                newest[product_id] = event
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, list(newest))
        decision = SummaryDecision()
        for product_id, event in newest.items():
            standing = rows.get(product_id)
            if standing is None or event.record.revision > standing.points_revision:
                self._show(event, oldest[product_id], standing, following, decision)
        return decision

    def _show(
        self, event: Event[Points], cause: Cause, standing: SummaryRow | None, following: int, decision: SummaryDecision
    ) -> None:
        points, now = event.record, self._now()
        sources = {**points.sources, logical(cause.topic): {str(cause.partition): following}}
        before = None if standing is None else msgspec.json.decode(standing.record, type=Summary)
        summary = show(points, sources, before, now)
        row = make_row(
            summary, points.revision, msgspec.json.encode(points), standing.text_points if standing else None
        )
        decision.rows.append((row, 0 if standing is None else standing.revision))
        task = self._task(points, row, cause, now)
        if task is not None:
            decision.tasks.append(task)
        if summary.text is not None or not self._pace.refreshes:  # a cheap first text is waited for
            decision.outputs.append((publishable(self._topic, row, event.trace), cause))

    def _task(self, points: Points, row: SummaryRow, cause: Cause, now: float) -> Task | None:
        after = reading_of(points)
        before = None if row.text_points is None else msgspec.json.decode(row.text_points, type=Reading)
        reason = material_change(before, after)
        pace = self._pace
        if reason is None and pace.refreshes and before != after:
            return Task(
                WRITING, points.product_id, points.revision, REFRESH, cause, now + pace.quiet_s, now + pace.deadline_s
            )
        if reason is None:
            return None
        wait_s = 0.0 if before is None else pace.debounce_s
        return Task(WRITING, points.product_id, points.revision, reason, cause, now + wait_s, now + pace.deadline_s)


def show(points: Points, sources: Sources, before: Summary | None, now: float) -> Summary:
    """Put new points beside the standing text.

    Args:
        points: The newest points.
        sources: What they include.
        before: The standing summary, whose text stays.
        now: Unix seconds.
    """
    return Summary(
        product_id=points.product_id,
        revision=1 if before is None else before.revision + 1,
        text_revision=None if before is None else before.text_revision,
        op=points.op,
        text=None if before is None else before.text,
        bands=points.bands,
        value_for_money=points.value_for_money,
        flags=points.flags,
        flag_counts=points.flag_counts,
        metrics=points.metrics,
        writer=None if before is None else before.writer,
        sources=sources,
        updated_at=datetime.fromtimestamp(now, UTC),
    )


def retext(summary: Summary, text: str, stamp: WriterStamp, text_revision: int | None, now: float) -> Summary:
    """Put a new text over the standing points.

    Args:
        summary: What stands.
        text: The new text.
        stamp: Who wrote it.
        text_revision: Revision whose points it was written from; None when they are the standing ones.
        now: Unix seconds.
    """
    revision = summary.revision + 1
    return msgspec.structs.replace(
        summary,
        revision=revision,
        text=text,
        text_revision=text_revision or revision,
        writer=stamp,
        updated_at=datetime.fromtimestamp(now, UTC),
    )


def make_row(summary: Summary, points_revision: int, points: bytes, text_points: bytes | None) -> SummaryRow:
    """Lay a summary out as its row."""
    return SummaryRow(
        product_id=summary.product_id,
        revision=summary.revision,
        points_revision=points_revision,
        points=points,
        text_points=text_points,
        record=msgspec.json.encode(summary),
        review_count=summary.metrics.review_count,
        updated_at=summary.updated_at.timestamp(),
    )


def publishable(topic: str, row: SummaryRow, trace: Mapping[str, bytes]) -> Output:
    """Make the record that is published of a row."""
    at = datetime.fromtimestamp(row.updated_at, UTC)
    headers = event_headers(f"summary:{row.product_id}@{row.revision}", "summary", "summarize", at, trace)
    return Output(topic, row.product_id.encode(), row.record, headers)


def reading_of(points: Points) -> Reading:
    """Take what a text is written from out of a Points record."""
    return Reading(**{name: getattr(points, name) for name in Reading.__struct_fields__})
