"""Hold rows of feature tables against the events they rest on: one plain walk over the log, no tiles, no members."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from infra.rows.feature_log_rows import iterate_log
from infra.rows.feature_rows import count_rows, load_rows, rows_after
from processors.features.cells.cell import Moment, Value
from processors.features.contributing import Unfit
from processors.features.reading import read_features
from processors.features.recompute import Event, agrees, recompute
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Values, new_state
from schemas.feature_tables import feature_log, feature_rows
from streams.features.past import StreamTables
from streams.features.standing import Kept

HELD = 500_000
"""Events held in memory at a time; a longer log is walked once for every so many."""

PAGE = 500
"""Rows read at a time."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One value that is not what the events say."""

    table: str
    key: str
    feature: str
    kept: Value | None
    true: Value | None


@dataclass(slots=True)
class Verified:
    """What came of holding one table against its events.

    Args:
        table: Its name.
        keys: Held against their events.
        values: Of these.
        events: That were gone through.
        forgotten: Values of all time that were not compared: they rest on events the log has forgotten.
        unfit: Events the functions fail on now.
        mismatches: Values that are not what the events say.
    """

    table: str
    keys: int = 0
    values: int = 0
    events: int = 0
    forgotten: int = 0
    unfit: int = 0
    mismatches: int = 0


def verify_table(
    connection: Connection,
    table: Kept,
    functions: StreamTables,
    at_us: int,
    *,
    limit: int | None,
    show: Callable[[str], None],
    found: Callable[[Mismatch], None],
) -> Verified:
    """Hold rows of a table against the log, all of one state.

    Args:
        connection: A transaction that sees one state for as long as this takes.
        table: Live, of the version the module has.
        functions: Of the module.
        at_us: Moment they are read at, microseconds since 1970.
        limit: Keys at most, spread over all; None is all, and those that should have a row and have none.
        show: Told how far it is.
        found: Told of every mismatch.
    """
    verified = Verified(table.name)
    sample = None if limit is None else _sample(connection, table.version, limit)
    parts = _parts(connection) if sample is None else 1
    for part in range(parts):
        wanted = _wanted(sample, part, parts)
        events = _walk(connection, table, functions, wanted, verified, show)
        for key, state in _states(connection, table, events, sample, wanted):
            for mismatch in _compare(table, key, state, events.get(key, []), at_us, verified):
                verified.mismatches += 1
                found(mismatch)
        show(f"{table.name}: {verified.keys:,} keys compared")
    return verified


def _walk(
    connection: Connection,
    table: Kept,
    functions: StreamTables,
    wanted: Callable[[str], bool],
    verified: Verified,
    show: Callable[[str], None],
) -> dict[str, list[Event]]:
    """Gather the events of some keys, by key."""
    events: dict[str, list[Event]] = {}
    seen = 0
    for row in iterate_log(connection):
        seen += 1
        if seen % 10_000 == 0:
            show(f"{table.name}: {seen:,} events gone through")
        try:
            added = functions.contribution(table.name, row)
        except Unfit:
            verified.unfit += 1
            continue
        if added is not None and wanted(added.key):
            events.setdefault(added.key, []).append(((row.happened_us, row.record_id), added.values))
    verified.events = max(verified.events, seen)
    return events


def _compare(
    table: Kept, key: str, state: KeyState, events: Sequence[Event], at_us: int, verified: Verified
) -> Iterator[Mismatch]:
    shape, at_us = table.shape, max(at_us, state.newest_us)
    kept = read_features(shape, state, at_us, _between(events))
    true = recompute(shape, events, at_us)
    forgotten = _forgotten(shape, state, events)
    verified.keys += 1
    for feature in shape.features:
        if feature.level in forgotten and feature.width_us is None:
            verified.forgotten += 1
            continue
        verified.values += 1
        if not agrees(shape, feature, kept[feature.name], true[feature.name]):
            yield Mismatch(table.name, key, feature.name, kept[feature.name], true[feature.name])


def _between(events: Sequence[Event]) -> Callable[[int, int], Iterator[tuple[Moment, Values]]]:
    return lambda begin_us, end_us: (one for one in events if begin_us <= one[0][0] <= end_us)


def _forgotten(shape: TableShape, state: KeyState, events: Sequence[Event]) -> Collection[int]:
    """Name the levels whose base holds more events than the log still has."""
    old = sum(1 for moment, _ in events if moment[0] < state.bases_end_us)
    return {place for place in range(len(shape.levels)) if (base := state.bases[place]) and base.count > old}


def _states(
    connection: Connection,
    table: Kept,
    events: Mapping[str, object],
    sample: Collection[str] | None,
    wanted: Callable[[str], bool],
) -> Iterator[tuple[str, KeyState]]:
    """Read the rows of some keys, those without row as empty ones."""
    if sample is not None:
        rows = load_rows(connection, table.version, list(sample))
        yield from ((key, _decode(row.state)) for key, row in rows.items())
        return
    after, standing = "", set()
    while page := rows_after(connection, table.version, after, PAGE):
        after = page[-1].key
        for row in page:
            if wanted(row.key):
                standing.add(row.key)
                yield row.key, _decode(row.state)
    yield from ((key, new_state(table.shape)) for key in events if key not in standing)


def _decode(state: bytes) -> KeyState:
    return msgspec.msgpack.decode(state, type=KeyState)


def _parts(connection: Connection) -> int:
    events = connection.scalar(sa.select(sa.func.count()).select_from(feature_log)) or 0
    return max(-(-events // HELD), 1)


def _wanted(sample: Collection[str] | None, part: int, parts: int) -> Callable[[str], bool]:
    if sample is not None:
        return sample.__contains__
    return lambda key: crc32(key.encode("utf-8", "surrogatepass")) % parts == part


def _sample(connection: Connection, version: str, limit: int) -> set[str]:
    step = max(-(-count_rows(connection, version) // limit), 1)
    place = sa.func.row_number().over(order_by=feature_rows.c.key).label("place")
    numbered = sa.select(feature_rows.c.key, place).where(feature_rows.c.version == version).subquery()
    return set(connection.scalars(sa.select(numbered.c.key).where(numbered.c.place % step == 1 % step)))
