"""points -> summaries: publish what stands at once, and have its text rewritten when it no longer fits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from sqlalchemy import Connection

from infra import leases, ledger, outbox
from infra.database import Store
from infra.leases import Task
from infra.outbox import Cause, Output
from infra.rows import summary_rows
from infra.rows.summary_rows import SummaryRow
from processors.texts.material import material_change
from processors.texts.plausible import check_points
from schemas.points import Points, Reading
from schemas.records import Unreadable
from schemas.summaries import Summary
from streams.events import Event, Rejection, logical, oldest_causes
from streams.summary_records import TextBasis, basis_of, make_row, publishable, reading_of, show, told_by, untext

WRITING = "summary"
"""The kind of work that writes a product's text."""

REFRESH = "product fell quiet"
"""The reason of work that is done only because it is cheap."""

FORGOTTEN = "cited review forgotten"
"""The reason of work that takes the place of a withdrawn text."""


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
    forgetting: dict[str, Output] = field(default_factory=dict)  # products, with what any older output must say now
    ended: list[str] = field(default_factory=list)  # products without reviews
    rejections: list[Rejection] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        """Write rows and work; see ``streams.events.Decision``.

        Rows come first, in key order: they are the lock that calls in flight take, too.
        """
        for row, made_from in sorted(self.rows, key=lambda pair: pair[0].product_id):
            summary_rows.put_summary(connection, row, made_from)
        if self.forgetting:
            ledger.forget(connection, list(self.forgetting))
        for product_id, output in self.forgetting.items():
            outbox.supersede(connection, output.topic, product_id.encode(), output)
        if self.ended:
            leases.cancel(connection, WRITING, self.ended)
        leases.record(connection, self.tasks)

    def committed(self) -> None:
        """Do nothing: nothing is cached."""


@dataclass(frozen=True, slots=True)
class _News:
    """The newest points of one product, and what stands for it."""

    event: Event[Points]
    causes: list[Cause]  # the oldest input, of each partition when work that waits is cancelled
    standing: SummaryRow | None


class SummarizeHandler:
    """Shows the newest points beside the standing text; see ``streams.events.Handler``.

    A text that may hold words of a review that is gone is withdrawn at once.

    Args:
        store: The agent's store.
        topic: Physical name of the summaries topic.
        pace: When texts are written.
        now: Unix seconds.
    """

    records: ClassVar[Mapping[str, type[Points]]] = {"points": Points}

    def __init__(self, store: Store, *, topic: str, pace: Pace, now: Callable[[], float]) -> None:
        self._store = store
        self._topic = topic
        self._pace = pace
        self._now = now

    def forget(self) -> None:
        """Do nothing: nothing is cached."""

    def decide(self, events: Sequence[Event[Points]], following: int) -> SummaryDecision:
        """Take the newest points of each product; see ``streams.events.Handler``."""
        decision = SummaryDecision()
        newest: dict[str, Event[Points]] = {}
        oldest: dict[str, Cause] = {}
        for event in _plausible(events, decision.rejections):
            product_id = event.record.product_id
            oldest.setdefault(product_id, event.cause)
            if product_id not in newest or event.record.revision > newest[product_id].record.revision:
                newest[product_id] = event
        ended = [product_id for product_id, event in newest.items() if event.record.op == "delete"]
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, list(newest))
            waiting = leases.inputs(connection, WRITING, ended) if ended else {}
        for product_id, event in newest.items():
            standing = rows.get(product_id)
            if standing is None or event.record.revision > standing.points_revision:
                causes = oldest_causes([*waiting.get(product_id, []), oldest[product_id]])
                self._show(_News(event, causes, standing), following, decision)
        return decision

    def _show(self, news: _News, following: int, decision: SummaryDecision) -> None:
        points, standing, here = news.event.record, news.standing, news.event.cause
        sources = {**points.sources, logical(here.topic): {str(here.partition): following}}
        basis = None if standing is None else basis_of(standing)
        withdrawn = basis is not None and (points.op == "delete" or basis.cites_forgotten(points.forgotten))
        kept = None if withdrawn else basis
        before = None if standing is None else msgspec.json.decode(standing.record, type=Summary)
        summary = show(points, sources, before if before is None or kept else untext(before), self._now())
        row = make_row(summary, points.revision, msgspec.json.encode(points), kept)
        decision.rows.append((row, 0 if standing is None else standing.revision))
        output = publishable(self._topic, row, news.event.trace)
        forgets = points.op == "delete" or (standing is not None and told_by(standing).forgotten != points.forgotten)
        if forgets:
            decision.forgetting[points.product_id] = output
        if forgets or summary.text is not None or not self._pace.refreshes:  # a cheap first text is waited for
            decision.outputs += [(output, cause) for cause in news.causes]
        if points.op == "delete":
            decision.ended.append(points.product_id)
        else:
            decision.tasks += self._tasks(news, kept, withdrawn)

    def _tasks(self, news: _News, basis: TextBasis | None, withdrawn: bool) -> list[Task]:
        why = (FORGOTTEN, 0.0) if withdrawn else self._why(basis, reading_of(news.event.record))
        if why is None:
            return []
        (reason, wait_s), points, now = why, news.event.record, self._now()
        times = now + wait_s, now + self._pace.deadline_s
        return [Task(WRITING, points.product_id, points.revision, reason, news.causes[0], *times, news.event.trace)]

    def _why(self, basis: TextBasis | None, after: Reading) -> tuple[str, float] | None:
        """Return why a text is to be written, and how long to wait for more news, seconds."""
        reason = material_change(None if basis is None else basis.reading, after)
        if reason is not None:
            return reason, 0.0 if basis is None else self._pace.debounce_s
        if self._pace.refreshes and basis is not None and basis.reading != after:
            return REFRESH, self._pace.quiet_s
        return None


def _plausible(events: Sequence[Event[Points]], rejections: list[Rejection]) -> Iterator[Event[Points]]:
    for event in events:
        try:
            check_points(event.record)
        except Unreadable as problem:
            rejections.append(Rejection(event.raw, problem))
        else:
            yield event
