"""points -> summaries: publish what stands at once, and have its text rewritten when it no longer fits.

What a text is written from depends on the order of the points alone, so that a second reading of them asks for no
call that the first did not make: every record is held to the newest one a text was wanted of, whether that text was
written by then or not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from schemas.points import Points
from schemas.records import Unreadable
from schemas.summaries import Summary
from streams.events import Event, Rejection, logical, oldest_causes
from streams.summary_records import (
    TextBasis,
    Wanted,
    basis_of,
    make_row,
    publishable,
    reading_of,
    show,
    text_stands,
    told_by,
    untext,
    wanted_of,
)

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
    """New points of one product, and what stands for it."""

    fresh: Sequence[Event[Points]]  # each of a newer revision than the one before
    oldest: Cause  # input of the product in this run
    standing: SummaryRow | None

    @property
    def newest(self) -> Event[Points]:
        """What is shown."""
        return self.fresh[-1]

    @property
    def ends(self) -> bool:
        """Whether the product has no reviews any more."""
        return self.newest.record.op == "delete"


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
        """Show the newest points of each product, and judge all of them; see ``streams.events.Handler``."""
        decision = SummaryDecision()
        arrived: dict[str, list[Event[Points]]] = {}
        for event in _plausible(events, decision.rejections):
            arrived.setdefault(event.record.product_id, []).append(event)
        with self._store.read() as connection:
            rows = summary_rows.load_summaries(connection, list(arrived))
            found = [_news(of_one, rows.get(product_id)) for product_id, of_one in arrived.items()]
            news = [one for one in found if one is not None]
            ended = [one.newest.record.product_id for one in news if one.ends]
            waiting = leases.inputs(connection, WRITING, ended) if ended else {}
        for one in news:
            causes = oldest_causes([*waiting.get(one.newest.record.product_id, []), one.oldest])
            self._show(one, causes, following, decision)
        return decision

    def _show(self, news: _News, causes: list[Cause], following: int, decision: SummaryDecision) -> None:
        """Show the newest points, of whatever reading the next text will be.

        Args:
            news: What came.
            causes: The oldest input, of each partition when work that waits is cancelled.
            following: The offset after the last of the run.
            decision: Where it goes.
        """
        points, standing, here = news.newest.record, news.standing, news.newest.cause
        sources = {**points.sources, logical(here.topic): {str(here.partition): following}}
        kept = standing if standing is not None and not news.ends and text_stands(standing, points.forgotten) else None
        before = None if standing is None else msgspec.json.decode(standing.record, type=Summary)
        summary = show(points, sources, before if before is None or kept else untext(before), self._now())
        wanted = self._judge(news, summary.revision)
        row = make_row(summary, points.revision, msgspec.json.encode(points), None, wanted)
        if kept is not None:
            row = replace(row, text_points=kept.text_points, text_forgotten=kept.text_forgotten)
        decision.rows.append((row, 0 if standing is None else standing.revision))
        output = publishable(self._topic, row, news.newest.trace)
        forgets = news.ends or (standing is not None and told_by(standing).forgotten != points.forgotten)
        tasks = self._tasks(news, wanted, summary)
        if forgets:
            decision.forgetting[points.product_id] = output
        if forgets or summary.text is not None or not (self._pace.refreshes and tasks):  # a cheap first text
            decision.outputs += [(output, cause) for cause in causes]  # is waited for
        if news.ends:
            decision.ended.append(points.product_id)
        decision.tasks += tasks

    def _judge(self, news: _News, shown_revision: int) -> Wanted | None:
        """Hold every record to what was wanted before it: then their order decides what is written, and no clock.

        A cheap text follows the newest points, whatever came between.
        """
        standing = news.standing
        wanted = None if standing is None else wanted_of(standing)
        held = wanted.basis if wanted is not None else None if standing is None else basis_of(standing)
        for event in news.fresh[-1:] if self._pace.refreshes else news.fresh:
            points = event.record
            if points.op == "delete":
                wanted = held = None
                continue
            reason = self._why(held, points)
            if reason is None:
                continue
            if reason == REFRESH and wanted is not None:  # what is not written yet is not merely refreshed
                reason = wanted.reason
            wanted = Wanted(
                reading=reading_of(points),
                forgotten=points.forgotten.count,
                points_revision=points.revision,
                shown_revision=shown_revision,
                reason=reason,
            )
            held = wanted.basis
        return wanted

    def _why(self, held: TextBasis | None, points: Points) -> str | None:
        """Return why points are to be written about, or None while what they are held to still fits them."""
        after = reading_of(points)
        if held is not None and held.cites_forgotten(points.forgotten):
            return FORGOTTEN
        reason = material_change(None if held is None else held.reading, after)
        if reason is None and self._pace.refreshes and held is not None and held.reading != after:
            return REFRESH
        return reason

    def _tasks(self, news: _News, wanted: Wanted | None, summary: Summary) -> list[Task]:
        """Record what is wanted newly; work for what was wanted before is recorded already."""
        if wanted is None or wanted.shown_revision != summary.revision:
            return []
        now, trace = self._now(), news.newest.trace
        pause_s = self._pace.quiet_s if wanted.reason == REFRESH else self._pace.debounce_s
        times = now + (0.0 if summary.text is None else pause_s), now + self._pace.deadline_s
        work = (WRITING, summary.product_id, wanted.points_revision, wanted.reason)
        return [Task(*work, news.oldest, *times, trace)]


def _news(arrived: Sequence[Event[Points]], standing: SummaryRow | None) -> _News | None:
    """Take from one product's events those that are newer than all before; None when there are none."""
    fresh, revision = [], None if standing is None else standing.points_revision
    for event in arrived:
        if revision is None or event.record.revision > revision:
            revision = event.record.revision
            fresh.append(event)
    return _News(fresh, arrived[0].cause, standing) if fresh else None


def _plausible(events: Sequence[Event[Points]], rejections: list[Rejection]) -> Iterator[Event[Points]]:
    for event in events:
        try:
            check_points(event.record)
        except Unreadable as problem:
            rejections.append(Rejection(event.raw, problem))
        else:
            yield event
