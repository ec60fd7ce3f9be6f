"""Read features: many keys of many tables in one go, from one state of featurize's store, beside its worker.

Errors:
    InfraError
    ├── NoSuchTable   no feature table of that name can be read
    └── NotReached    the events of a receipt are not in the rows in time
"""

import difflib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from infra.errors import InfraError
from infra.fences import Partition, read_fences
from infra.kept_store import KeptStore
from infra.places import StorePlace
from infra.rows.feature_member_rows import members_between
from infra.store_errors import StoreMissing
from processors.features.cells.cell import Moment, Value
from processors.features.reading import EventsBetween, read_features
from processors.features.serving.ports import Found, Lookup
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Values, new_state
from schemas.records import Sources
from streams.features.past import StreamTables, state_then
from streams.features.standing import (
    Copied,
    Kept,
    Table,
    copied_features,
    load_copies,
    load_states,
    newest_member,
    read_copied,
    read_kept,
)

POLL_S = 0.01
"""Between two looks for a receipt: the worker writes a run within some milliseconds."""

_STATE = msgspec.msgpack.Decoder(KeyState)
_SOURCES = msgspec.json.Decoder(Sources)


class NoSuchTable(InfraError):
    """No feature table of that name can be read."""


class NotReached(InfraError):
    """The events of a receipt are not in the rows in time."""


@dataclass(frozen=True, slots=True)
class Standing(Found):
    """What stands of one row, with all that is known of it.

    Args:
        table: Its name.
        key: Parts of its primary key, joined.
        revision: Moves with every change; 0 of a missing key.
        read_us: When it was read; ages count from there. Microseconds since 1970.
        sources: The events it rests on.
        partial: Whether it was read at a moment before its newest event without the functions to recompute it.
    """

    table: str
    key: str
    revision: int
    read_us: int
    sources: Sources
    partial: bool = False

    @property
    def age_s(self) -> float | None:
        """How long before it was read the newest event happened, seconds; None of a missing key."""
        return None if self.as_of_us is None else max(self.read_us - self.as_of_us, 0) / 1e6


class FeatureReader:
    """Reads what stands of feature tables. Threads may share one: connections and definitions are kept.

    While a new version of a table is built, the one before is read.

    Args:
        place: Where featurize's store is.
        values_of: The tables of the user's module. Without them, where a row has events of after the moment it is
            read at, their tile counts as a whole, and of what windows reached then only what they still reach: where
            they may differ, the row is marked ``partial``.
        now: Unix seconds.
    """

    def __init__(
        self, place: StorePlace, values_of: StreamTables | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._store = KeptStore(place)
        self._values_of = values_of
        self._now = now
        self._shapes: dict[str, TableShape] = {}

    def read(self, requests: Sequence[Lookup], at_us: int | None = None) -> list[Found]:
        """See ``processors.features.serving.ports.FeatureReader``."""
        return [*self.stand(requests, at_us)]

    def stand(self, requests: Sequence[Lookup], at_us: int | None = None) -> list[Standing]:
        """Read rows: one query a table, all of one state.

        Args:
            requests: Of any tables; the same row may be asked for twice.
            at_us: Moment they are read at, microseconds since 1970; None is now, but never before a row's newest event.

        Returns:
            One for each request, in their order.

        Raises:
            NoSuchTable: If a table is unknown, or not built yet.
            TooEarly: If the log has forgotten what was there then.
            infra.store_errors.StoreError: If the store cannot be read.
        """
        keys: dict[str, dict[str, None]] = {}
        for one in requests:
            keys.setdefault(one.table, {})[one.key] = None
        if not keys:
            return []
        found = {}
        with self._store.transaction() as connection:
            tables = self._tables(connection, keys)
            for name, wanted in keys.items():
                found[name] = self._read_table(connection, find_table(tables, name), list(wanted), at_us)
        return [found[one.table][one.key] for one in requests]

    def tables(self) -> dict[str, Table]:
        """Tell which tables can be read, and which are being built, by name; none before featurize ever ran."""
        try:
            with self._store.transaction() as connection:
                return read_kept(connection, self._shapes) | read_copied(connection)
        except StoreMissing:
            return {}

    def await_receipts(self, receipts: Sequence[str], timeout_s: float) -> None:
        """Return as soon as the events of some receipts are in the rows: you read your own writes.

        Args:
            receipts: ``topic:partition:offset`` as producing returned them; the topic by its name at the broker.
            timeout_s: Seconds at most.

        Raises:
            ValueError: If one is no receipt.
            NotReached: If they are not in time.
            infra.store_errors.StoreError: If the store cannot be read.
        """
        wanted: dict[Partition, int] = {}
        for one in receipts:
            place, offset = _receipt(one)
            wanted[place] = max(wanted.get(place, 0), offset)
        deadline = time.monotonic() + timeout_s
        while missing := self._missing(wanted):
            if time.monotonic() >= deadline:
                told = ", ".join(f"{topic}:{partition}:{wanted[topic, partition]}" for topic, partition in missing)
                raise NotReached(f"featurize has not read {told} after {timeout_s:g} s", "See `millrace status`.")
            time.sleep(POLL_S)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def _missing(self, wanted: Mapping[Partition, int]) -> list[Partition]:
        try:
            with self._store.transaction() as connection:
                fences = read_fences(connection, wanted)
        except StoreMissing:
            return list(wanted)
        return [place for place, offset in wanted.items() if place not in fences or fences[place].next_offset <= offset]

    def _tables(self, connection: Connection, names: Iterable[str]) -> dict[str, Table]:
        kept = read_kept(connection, self._shapes)
        return {**kept} if all(name in kept for name in names) else kept | read_copied(connection)

    def _read_table(
        self, connection: Connection, table: Table, keys: Sequence[str], at_us: int | None
    ) -> dict[str, Standing]:
        now_us = int(self._now() * 1e6)
        if not table.live:
            raise _unbuilt(table)
        if isinstance(table, Copied):
            return _read_copies(connection, table, keys, now_us)
        rows = load_states(connection, table.version, keys)
        absent = read_features(table.shape, new_state(table.shape), now_us) if len(rows) < len(keys) else {}
        return {
            key: self._of_row(connection, table, rows[key], now_us, at_us)
            if key in rows
            else _absent(table.name, key, absent, table.version, now_us if at_us is None else at_us)
            for key in keys
        }

    def _of_row(self, connection: Connection, table: Kept, row: Any, now_us: int, at_us: int | None) -> Standing:
        at_us = max(now_us, row.newest_us) if at_us is None else at_us
        newest_us = (
            row.newest_us if row.newest_us <= at_us else newest_member(connection, table.version, row.key, at_us)
        )
        between = self._events_between(connection, table, row)
        state, partial = state_then(table.shape, _STATE.decode(row.state), at_us, now_us - table.keep_us, between)
        return Standing(
            read_features(table.shape, state, at_us, between),
            newest_us,
            missing=newest_us is None,  # nothing had happened then
            version=table.version,
            table=table.name,
            key=row.key,
            revision=row.revision,
            read_us=at_us,
            sources=_SOURCES.decode(row.sources),
            partial=partial,
        )

    def _events_between(self, connection: Connection, table: Kept, row: Any) -> EventsBetween | None:
        values_of = self._values_of
        if values_of is None or not values_of.knows(table.name, table.version):
            return None

        def between(begin_us: int, end_us: int) -> Iterator[tuple[Moment, Values]]:
            log = members_between(connection, table.version, row.key, begin_us, end_us + 1)
            return values_of.events(table.name, log)

        return between


def find_table(tables: Mapping[str, Table], name: str) -> Table:
    """Find a table that can be read.

    Raises:
        NoSuchTable: If there is none of that name.
    """
    if name in tables:
        return tables[name]
    raise NoSuchTable(f"there is no feature table {name!r}", nearest_table(name, list(tables)))


def nearest_table(name: str, known: Sequence[str]) -> str:
    """Say which table was probably meant, and where they all are.

    Example:
        >>> nearest_table("order", ["orders", "hotels"]), nearest_table("x", [])
        ('Did you mean orders? See `millrace features list`.', 'See `millrace features list`.')
    """
    near = difflib.get_close_matches(name, known, n=1)
    told = f"Did you mean {near[0]}? " if near else f"There is {', '.join(known)}. " if known else ""
    return f"{told}See `millrace features list`."


def _unbuilt(table: Table) -> NoSuchTable:
    if isinstance(table, Copied):
        told = f": {table.error}" if table.error else ""
        return NoSuchTable(f"feature table {table.name!r} was never copied yet{told}", "See `millrace features list`.")
    done = "" if table.filling is None else f": {table.filling.share:.0%} of the events it rests on are in it"
    return NoSuchTable(f"feature table {table.name!r} is being built{done}", "Wait: see `millrace features list`.")


def _absent(table: str, key: str, values: Mapping[str, Value | None], version: str, read_us: int) -> Standing:
    return Standing(
        values, None, missing=True, version=version, table=table, key=key, revision=0, read_us=read_us, sources={}
    )


def _read_copies(connection: Connection, table: Copied, keys: Sequence[str], now_us: int) -> dict[str, Standing]:
    rows = load_copies(connection, table.name, keys)
    names = [] if len(rows) == len(keys) else copied_features(connection, table.name)
    absent: dict[str, Value | None] = dict.fromkeys(names)
    return {
        key: Standing(
            rows[key][0], rows[key][1], missing=False, version=table.version, table=table.name, key=key,
            revision=1, read_us=now_us, sources={},
        )
        if key in rows
        else _absent(table.name, key, absent, table.version, now_us)
        for key in keys
    }  # fmt: skip


def _receipt(told: str) -> tuple[Partition, int]:
    parts = told.rsplit(":", 2)
    if len(parts) != 3 or not parts[0] or not (parts[1] + parts[2]).isdecimal():
        raise ValueError(f"{told!r} is no receipt TOPIC:PARTITION:OFFSET")
    return (parts[0], int(parts[1])), int(parts[2])
