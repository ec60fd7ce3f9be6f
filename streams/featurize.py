"""events, reviews -> features: add each event to the rows of the tables that use it, once; take back what goes."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import msgspec

from infra.database import Store
from infra.rows import feature_log_rows, feature_member_rows
from infra.rows.feature_log_rows import LogChange, LogRow
from processors.digest.revisions import judge
from processors.features.contributing import Contribution, Unfit, contribution
from processors.features.definitions.tables import Events
from processors.features.records import RECORDS, Record, happened, microseconds, record_id, row_of
from schemas.events import Event as Happening
from schemas.records import Unreadable
from streams.events import Event, Rejection, check_date, include, logical
from streams.featurize_decision import FeaturizeDecision
from streams.featurizing.definitions import Active, Definitions
from streams.featurizing.folding import Folding, Step
from streams.featurizing.keys import Keys
from streams.featurizing.records import features_output


class FeaturizeHandler:
    """Keeps features; see ``streams.events.Handler``.

    Args:
        store: The agent's store.
        definitions: Of feature tables.
        keys: What is in memory.
        topic: Physical name of the features topic.
        now: Unix seconds.
        timed: Told of decisions that were committed.
    """

    records: ClassVar[Mapping[str, type[Record]]] = RECORDS

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        keys: Keys,
        *,
        topic: str,
        now: Callable[[], float],
        timed: Callable[[FeaturizeDecision], None] | None = None,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._keys = keys
        self._topic = topic
        self._now = now
        self._timed = timed

    def forget(self) -> None:
        """Drop the keys of the last decision, and look at the definitions again."""
        self._keys.forget()
        self._definitions.forget()

    def decide(self, events: Sequence[Event[Record]], following: int) -> FeaturizeDecision:
        """Add, correct and take back; see ``streams.events.Handler``."""
        self._keys.begin()
        decision = FeaturizeDecision(self._definitions, timed=self._timed)
        topic = logical(events[0].cause.topic) if events else ""
        actives = [one for one in self._definitions.active if one.table.source.topic == topic]
        if not actives:
            return decision
        readable = [event for event in events if not _rejected(event, decision)]
        with self._store.read() as connection:
            ids = list(dict.fromkeys(record_id(event.record) for event in readable))
            known = feature_log_rows.known_events(connection, topic, ids)
            decision.topic, decision.known = topic, list(known)
            if known:
                decision.members = feature_member_rows.members_of(connection, topic, decision.known)
        steps = _steps(readable, known, actives, topic, decision)
        if steps:
            self._fold(steps, actives, known, readable, following, decision)
        self._keys.trim()
        return decision

    def _fold(
        self,
        steps: Sequence[Step],
        actives: Sequence[Active],
        known: Mapping[str, LogRow],
        events: Sequence[Event[Record]],
        following: int,
        decision: FeaturizeDecision,
    ) -> None:
        now = self._now()
        members = {(version, decision.topic, name): one for (version, name), one in decision.members.items()}
        folding = Folding(self._store, self._keys, [one for one in actives if one.open], members)
        folding.fold(steps)
        decision.log = [
            LogChange(row, known[name].number if name in known else None) for (_, name), row in folding.events.items()
        ]
        decision.put, decision.gone = folding.put.values(), folding.gone.values()
        for place, touch in folding.touched.items():
            here = folding.standing(place)
            here.sources = include(here.sources, events[touch.oldest].cause, following)
        decision.rows = folding.changes(now)
        for change in decision.rows:
            place = (change.row.version, change.row.key)
            touch = folding.touched[place]
            if touch.active.live:
                here, trace = folding.standing(place), events[touch.newest].trace
                output = features_output(self._topic, touch.active.shape, change, here.state, now, trace)
                decision.outputs.append((output, events[touch.oldest].cause))
                if touch.forgot:
                    decision.withdrawn.append(output)


def _rejected(event: Event[Record], decision: FeaturizeDecision) -> bool:
    field = "occurred_at" if isinstance(event.record, Happening) else "created_at"
    try:
        check_date(field, getattr(event.record, field), event.at)
    except Unreadable as problem:
        decision.rejections.append(Rejection(event.raw, problem))
        return True
    return False


def _steps(
    events: Sequence[Event[Record]],
    known: Mapping[str, LogRow],
    actives: Sequence[Active],
    topic: str,
    decision: FeaturizeDecision,
) -> list[Step]:
    """Judge records one after the other; what no table can use, or adds nothing new, is left out."""
    standing, steps = dict(known), []
    for place, event in enumerate(events):
        record, name = event.record, record_id(event.record)
        before = standing.get(name)
        deleted = before is not None and before.op == "delete"
        verdict = judge(record.op, record.revision, None if before is None else before.revision, deleted)
        # A first revision that is of use to nobody need not be known; a later one keeps the first from coming late.
        if verdict == "nothing" or (verdict == "new" and record.revision == 0 and not _usable(record, actives)):
            continue
        try:
            contributions = _contributions(event, actives) if record.op == "upsert" else {}
        except Unfit as problem:
            told = Unreadable("expression_failed", problem.what, problem.field)
            decision.rejections.append(Rejection(event.raw, told))
            continue
        standing[name] = _logged(event, topic, name)
        steps.append(Step(before, standing[name], contributions, place))
    return steps


def _contributions(event: Event[Record], actives: Sequence[Active]) -> dict[str, Contribution]:
    row = row_of(event.record, event.at)
    told = [(active, contribution(active.table, row)) for active in actives]
    return {active.version: one for active, one in told if one is not None and active.open}


def _usable(record: Record, actives: Sequence[Active]) -> bool:
    if not isinstance(record, Happening):
        return True
    sources = [active.table.source for active in actives]
    return any(isinstance(one, Events) and (not one.types or record.type in one.types) for one in sources)


def _logged(event: Event[Record], topic: str, name: str) -> LogRow:
    record = event.record
    return LogRow(
        topic=topic,
        record_id=name,
        revision=record.revision,
        op=record.op,
        number=0,  # given when it is written
        happened_us=microseconds(happened(record, event.at)),
        sent_us=microseconds(event.at),
        record=msgspec.json.encode(record) if record.op == "upsert" else None,
    )
