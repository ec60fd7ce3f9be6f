"""Training sets: what a spec would have served for each label, as of the label's time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from infra.column_files import ColumnFile, Kind
from processors.features.definitions.serving import FeatureSpec
from processors.features.records import moment
from processors.features.serving.evaluating import evaluate
from processors.features.serving.ports import Failed, FunctionCaller
from streams.features.training_past import PastReader

INCOMPLETE = "__incomplete"
"""Column: the log lacks events of before the label's time, so its features may tell too little."""

ERROR = "__error"
"""Column: why there are no features; empty where there are."""

VALUES = 1_000_000
"""Values worked on, and kept in memory, at a time."""

KEY_BY_KEY = 10_000
"""Events kept in memory where labels are worked out key by key."""

ROWS = (1_000, 100_000)
"""Labels of a group, at least and at most."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label.

    Args:
        at_us: Its time, microseconds since 1970.
        record: What the spec is given.
        columns: All columns of its row, the time among them.
    """

    at_us: int
    record: Mapping[str, Any]
    columns: Mapping[str, Any]


@dataclass(slots=True)
class Made:
    """What came of the labels.

    Args:
        rows: Labels with a row in the file.
        incomplete: Those before the log's reach.
        failed: Those whose features could not be computed.
        first_failure: Why, of the first.
    """

    rows: int = 0
    incomplete: int = 0
    failed: int = 0
    first_failure: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a training set's file says of itself, under the key ``millrace`` of its metadata: JSON."""

    spec: str
    made_at: datetime
    time_column: str
    as_known: bool
    rows: int
    incomplete: int
    failed: int
    rejected: int
    tables: dict[str, str]  # versions by name
    copied: dict[str, datetime]  # tables without history, and when they were copied: their values are those that stood
    log_number: int
    log_sent_until: datetime
    complete_from: datetime | None  # labels before are marked; null where the log has forgotten nothing
    notes: list[str]


NOTES = [
    "an event at the very time of a label counts",
    "of corrected events the newest revision is used",
    "functions are those of the module at made_at",
]


@dataclass(slots=True)
class TrainingSet:
    """Works labels out, group by group.

    Args:
        spec: What is served.
        reader: Of rows as of moments.
        caller: Of its functions.
        now_us: Microseconds since 1970; features of later labels are not complete yet.
        guessed: Columns of texts that may be numbers.
    """

    spec: FeatureSpec
    reader: PastReader
    caller: FunctionCaller
    now_us: int
    guessed: Sequence[str] = ()
    made: Made = field(default_factory=Made)

    def add(self, labels: Iterable[Label], file: ColumnFile) -> Iterator[Made]:
        """Write a row for each label, in their order; yields after each group."""
        left = iter(labels)
        size = min(max(VALUES // (len(self.spec.outputs) + 5), ROWS[0]), ROWS[1])
        while group := list(islice(left, size)):
            file.append(self._columns(group), self.guessed)
            yield self.made

    def facts(self, time_column: str, rejected: int, *, as_known: bool) -> Facts:
        """Tell what the file says of itself."""
        complete_from_us = self.reader.complete_from_us
        return Facts(
            spec=self.spec.name,
            made_at=moment(self.now_us),
            time_column=time_column,
            as_known=as_known,
            rows=self.made.rows,
            incomplete=self.made.incomplete,
            failed=self.made.failed,
            rejected=rejected,
            tables={name: table.version for name, table in self.reader.tables.items()},
            copied={name: moment(int(one.copied_at * 1e6)) for name, one in self.reader.copied.items()},
            log_number=self.reader.newest_number,
            log_sent_until=moment(self.reader.newest_sent_us),
            complete_from=moment(complete_from_us) if complete_from_us else None,
            notes=NOTES,
        )

    def _columns(self, group: Sequence[Label]) -> dict[str, list[Any]]:
        names = dict.fromkeys(name for one in group for name in one.columns)
        columns = {name: [one.columns.get(name) for one in group] for name in names}
        made: list[Mapping[str, Any]] = [{}] * len(group)
        errors: list[str | None] = [None] * len(group)
        for place in self._order(group):
            label = group[place]
            (told,) = evaluate(self.spec, [label.record], self.reader, self.caller, label.at_us, label.at_us)
            if isinstance(told, Failed):
                errors[place] = told.detail
            else:
                made[place] = told.outputs
        columns |= {name: [one.get(name) for one in made] for name in self.spec.outputs}
        from_us = self.reader.complete_from_us
        incomplete = [not from_us <= one.at_us <= self.now_us for one in group]
        self._count(incomplete, errors)
        return {**columns, INCOMPLETE: incomplete, ERROR: errors}

    def _order(self, group: Sequence[Label]) -> list[int]:
        """Order labels so that the walk of a key only goes forwards; where one key decides, key by key."""
        key = only_key(self.spec) or ()
        return sorted(
            range(len(group)),
            key=lambda place: ([str(group[place].record.get(name)) for name in key], group[place].at_us),
        )

    def _count(self, incomplete: Sequence[bool], errors: Sequence[str | None]) -> None:
        failed = [one for one in errors if one is not None]
        self.made.rows += len(errors)
        self.made.incomplete += sum(incomplete)
        self.made.failed += len(failed)
        self.made.first_failure = self.made.first_failure or next(iter(failed), None)


def only_key(spec: FeatureSpec) -> tuple[str, ...] | None:
    """Name the inputs that all lookups have for their key; None where there are others."""
    keys = {lookup.inputs for lookup in spec.lookups}
    return next((key for key in keys if len(keys) == 1 and set(key) <= set(spec.inputs)), None)


def hints(spec: FeatureSpec, reader: PastReader) -> dict[str, Kind]:
    """Tell the kinds of columns that may have no value at all."""
    kinds: dict[str, Kind] = {ERROR: "text"}
    for lookup in spec.lookups:
        table = reader.tables.get(lookup.table_name)
        if table is None:
            continue
        for output, name in lookup.outputs.items():
            feature = next(one for one in table.shape.features if one.name == name)
            kind = table.shape.cells[feature.cells[0]].kind
            whole = kind in ("count", "distinct") and len(feature.cells) == 1
            kinds[output] = "int" if whole else "text" if kind in ("first", "last") else "float"
    return kinds
