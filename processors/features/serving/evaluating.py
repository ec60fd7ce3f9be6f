"""Evaluate a spec for many records: all rows of a stage in one read, all its functions in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processors.features.definitions.functions import FeatureFunction
from processors.features.definitions.lookups import FeatureLookup
from processors.features.definitions.names import REQUEST_TIME
from processors.features.definitions.serving import FeatureSpec
from processors.features.records import moment
from processors.features.serving.arguments import Unsuitable, argument
from processors.features.serving.keys import NoKey, row_key
from processors.features.serving.ports import Argument, Call, Failed, FeatureReader, Found, FunctionCaller, Lookup, Made

Record = Mapping[str, Any]
"""What somebody sent: JSON values by name."""

NO_KEY = ""
"""No row has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A row that values were read from.

    Args:
        table: Its table.
        key: Its key; None where the record names none.
        version: Of the table's definition.
        as_of_us: When the newest event in it happened, microseconds since 1970; None for none.
        missing: Whether nothing is known of the key: all values are defaults.
    """

    table: str
    key: str | None
    version: str
    as_of_us: int | None
    missing: bool


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of one record.

    Args:
        record: As it was sent.
        values: All that was made, what is excluded too.
        outputs: What is served.
        sources: The row each value was read from, or those a function's arguments were; none of what rests on no row.
    """

    record: Record
    values: Mapping[str, Any]
    outputs: Mapping[str, Any]
    sources: Mapping[str, tuple[Source, ...]]

    def as_of_us(self, name: str) -> int | None:
        """Tell how fresh a value is: the oldest of the rows it rests on, microseconds since 1970; None for none."""
        times = [one.as_of_us for one in self.sources.get(name, ())]
        known = [one for one in times if one is not None]
        return min(known) if known and len(known) == len(times) else None

    def missing(self, name: str) -> bool:
        """Tell whether a row it rests on is not there."""
        return any(one.missing for one in self.sources.get(name, ()))


@dataclass(slots=True)
class _Progress:
    """One record on its way."""

    record: Record
    values: dict[str, Any] = field(default_factory=dict)
    rows: dict[FeatureLookup, Source] = field(default_factory=dict)
    failure: Failed | None = None

    def value(self, name: str) -> Any:
        return self.values[name] if name in self.values else self.record[name]

    def knows(self, name: str) -> bool:
        return name in self.values or name in self.record


def evaluate(
    spec: FeatureSpec,
    records: Sequence[Record],
    reader: FeatureReader,
    caller: FunctionCaller,
    now_us: int,
    at_us: int | None = None,
) -> list[Evaluated | Failed]:
    """Work out what is served for each record, in their order; one that fails disturbs no other.

    Args:
        spec: What is served.
        records: What was sent; fields no feature asks for are ignored.
        reader: Asked once for each stage that looks something up.
        caller: Asked once for each stage that has functions.
        now_us: Moment of the request, microseconds since 1970.
        at_us: A moment in the past to answer as of, microseconds since 1970; None is now.
    """
    request_time = moment(now_us if at_us is None else at_us)
    progress = [_begin(spec, record, request_time) for record in records]
    for stage in spec.stages:
        _look_up(stage.lookups, progress, reader, at_us)
        _compute(spec, stage.functions, progress, caller)
    return [one.failure or _finish(spec, one) for one in progress]


def _begin(spec: FeatureSpec, record: Record, request_time: datetime) -> _Progress:
    one = _Progress(record, {REQUEST_TIME: request_time})
    if REQUEST_TIME in record:
        told = f"{REQUEST_TIME}: the moment of the request is not sent; leave it out"
        one.failure = Failed("invalid_input", "A field cannot be used", told)
    missing = [name for name in spec.required if name not in record]
    if missing:
        told = f"{', '.join(missing)}: missing; {spec.name} needs {', '.join(spec.required)}"
        one.failure = Failed("missing_input", "A field is missing", told)
    return one


def _look_up(
    lookups: Sequence[FeatureLookup], progress: Sequence[_Progress], reader: FeatureReader, at_us: int | None
) -> None:
    wanted: dict[Lookup, list[tuple[_Progress, FeatureLookup]]] = {}
    for one in progress:
        for lookup in lookups:
            if one.failure is None:
                key = _key(one, lookup)
                if key is not None:
                    wanted.setdefault(Lookup(lookup.table_name, key), []).append((one, lookup))
    if not wanted:
        return
    for request, found in zip(wanted, reader.read(list(wanted), at_us), strict=True):
        for one, lookup in wanted[request]:
            _take(one, lookup, request, found)


def _key(one: _Progress, lookup: FeatureLookup) -> str | None:
    """Work out the key, or fail; where a part of it is nothing, it is one that no row has: that gives defaults."""
    try:
        return row_key([one.value(name) for name in lookup.inputs]) or NO_KEY
    except NoKey as error:
        one.failure = Failed("invalid_input", "A field cannot be used", f"{', '.join(lookup.inputs)}: {error}")
        return None


def _take(one: _Progress, lookup: FeatureLookup, request: Lookup, found: Found) -> None:
    one.rows[lookup] = Source(request.table, request.key or None, found.version, found.as_of_us, found.missing)
    defaults, nothing = lookup.defaults or {}, found.missing and not found.values  # a copy without rows knows no names
    for output, name in lookup.outputs.items():
        if name not in found.values and not nothing:
            told = f"{request.table} has no {name} in the version that stands, {found.version}; wait until it is built"
            one.failure = one.failure or Failed("feature_missing", "A feature is not there yet", told)
            return
        value = found.values.get(name)
        one.values[output] = defaults.get(name, value) if value is None or found.missing else value


def _compute(
    spec: FeatureSpec, functions: Sequence[FeatureFunction], progress: Sequence[_Progress], caller: FunctionCaller
) -> None:
    wanted: list[tuple[_Progress, Call]] = []
    for one in progress:
        calls = [_call(spec, function, one) for function in functions if one.failure is None]
        wanted += [(one, call) for call in calls if call is not None and one.failure is None]
    if not wanted:
        return
    for (one, call), result in zip(wanted, caller.call([call for _, call in wanted]), strict=True):
        if isinstance(result, Made):
            one.values[call.output] = result.value
        else:
            one.failure = one.failure or result


def _call(spec: FeatureSpec, function: FeatureFunction, one: _Progress) -> Call | None:
    arguments: dict[str, Argument] = {}
    try:
        for parameter in function.parameters:
            if one.knows(parameter.source) or not parameter.optional:
                arguments[parameter.name] = argument(parameter, one.value(parameter.source))
    except Unsuitable as error:
        told = f"function {function.output_name}: {error}"
        one.failure = one.failure or Failed("invalid_input", "A field cannot be used", told)
        return None
    return Call(spec.name, function.output_name, arguments)


def _finish(spec: FeatureSpec, one: _Progress) -> Evaluated:
    sources: dict[str, tuple[Source, ...]] = {}
    for lookups, names in spec.looked_up.items():
        sources |= dict.fromkeys(names, tuple(one.rows[lookup] for lookup in lookups))
    del one.values[REQUEST_TIME]
    return Evaluated(one.record, one.values, {name: one.values[name] for name in spec.outputs}, sources)
