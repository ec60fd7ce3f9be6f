"""Keep feature tables in sync with SQL tables and Parquet files elsewhere.

Every table is copied again and again, by one worker of all. Rows of a page are written in one transaction; a try that
fails leaves what stands. While everything is copied, rows of before stand beside new ones; those that are gone
elsewhere are removed once all was read. By a column that grows, only what changed is read; every so often everything.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from infra.alone import alone
from infra.database import Store
from infra.feature_sources import SourcePage, SourceRow, SourceTable, SourceUnusable, read_pages
from infra.places import StorePlace
from infra.rows import feature_copy_rows as rows
from infra.rows.feature_copy_rows import CopyingRow, CopyRow
from infra.settings_reading import Secret
from processors.features.contributing import KEY_LIMIT
from processors.features.definitions.faults import WrongDefinition
from processors.features.definitions.synced import SyncedTable
from processors.features.serving.keys import NoKey, row_key
from streams.features.module import FeatureModule
from streams.parts import Context, Service
from streams.places import store_place

LOOK_S = 60.0
"""Between two looks whether another worker has stopped copying."""

REMOVED = 1_000
"""Rows removed in one transaction."""

ERROR_LIMIT = 500

_EVERY_ROUND = 2**62

log = structlog.get_logger("copying")


@dataclass(slots=True)
class Copied:
    """What a copying did.

    Args:
        full: Whether everything was read.
        written: Rows read and written.
        removed: Rows that are gone elsewhere.
        keyless: Rows left out because their key is empty or no key.
        doubled: Rows left out because another of their key came before.
        example: The first row that was left out.
    """

    full: bool
    written: int = 0
    removed: int = 0
    keyless: int = 0
    doubled: int = 0
    example: str | None = None
    newest: bytes | None = None

    @property
    def told(self) -> str | None:
        """Which rows were left out, in one line; None for none."""
        if not self.keyless + self.doubled:
            return None
        both = ((self.keyless, "without a key"), (self.doubled, "with a key that another row has"))
        why = " and ".join(f"{count:,} {what}" for count, what in both if count)
        return f"left out {why}, the first is {self.example}"


def build_copying(context: Context, registry: FeatureModule) -> Service:
    """Have the module's synced tables copied beside the stream.

    Args:
        context: Of featurize's worker.
        registry: The user's module.
    """
    place = store_place(context.settings, "featurize")
    copying = Copying(context.store, place, registry.synced.values(), now=context.now)
    return lambda _publisher: copying


class Copying:
    """Copies tables for ever.

    Args:
        store: Featurize's.
        place: Where it is.
        tables: To be kept in sync.
        now: Unix seconds.
        environment: Where addresses may stand.
    """

    def __init__(
        self,
        store: Store,
        place: StorePlace,
        tables: Iterable[SyncedTable],
        *,
        now: Callable[[], float],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._store = store
        self._place = place
        self._tables = tuple(tables)
        self._now = now
        self._environment = environment
        self._tried: dict[str, float] = {}
        self._owed: set[str] = set()

    async def run(self) -> None:
        """Copy each table whenever it is due, until cancelled; tables nobody defines any more are forgotten."""
        await self.forget_others()
        async with asyncio.TaskGroup() as group:
            for table in self._tables:
                group.create_task(self._keep(table))
            group.create_task(_for_ever())

    async def forget_others(self) -> None:
        """Remove copies of tables the module does not define."""
        mine = {table.name for table in self._tables}
        for name in set(await self._store.run(self._standing)) - mine:
            await self._remove_below(name, _EVERY_ROUND)
            await self._change(partial(rows.forget_copying, name=name))

    async def copy(self, table: SyncedTable, *, due_only: bool = False) -> Copied | None:
        """Copy a table once, unless another worker does.

        Args:
            table: Which.
            due_only: Leave it when another worker has done it meanwhile.

        Returns:
            What was done; None where nothing was, or it failed: that is recorded.
        """
        with ExitStack() as stack:
            lock = alone(self._place, f"copying-{table.name}")
            ours = await asyncio.to_thread(stack.enter_context, lock)
            if not ours or (due_only and await self._due_in(table) > 0):
                return None
            self._tried[table.name] = self._now()
            try:
                copied = await self._copy(table)
            except (SourceUnusable, WrongDefinition) as error:
                await self._record_failure(table, error)
                return None
            self._owed.discard(table.name)
            self._say(table, copied)
            return copied

    async def _keep(self, table: SyncedTable) -> None:
        while True:
            due_in_s = await self._due_in(table)
            if due_in_s > 0:
                await asyncio.sleep(min(due_in_s, LOOK_S))
            elif await self.copy(table, due_only=True) is None:
                self._tried[table.name] = self._now()

    async def _due_in(self, table: SyncedTable) -> float:
        standing = (await self._store.run(self._standing)).get(table.name)
        tried_at = self._tried.get(table.name, 0.0)
        if standing is not None and standing.version == table.version:
            tried_at = max(tried_at, standing.copied_at)
        return tried_at + table.every_s - self._now()

    async def _copy(self, table: SyncedTable) -> Copied:
        source = _source(table, self._environment)
        begun = await self._change(lambda connection: rows.begin_round(connection, table.name))
        since = None if self._wants_all(table, begun) else begun.newest
        copied = Copied(full=since is None, newest=begun.newest)
        if copied.full:
            self._owed.add(table.name)  # until one succeeds
        reading = _Reading(read_pages(source, since))
        try:
            while (page := await asyncio.to_thread(reading.next)) is not None:
                await self._write(table, begun.round, page, copied)
        finally:
            await asyncio.to_thread(reading.close)
        if copied.full:
            copied.removed = await self._remove_below(table.name, begun.round)
        await self._change(lambda connection: self._finish(connection, table, begun, copied))
        return copied

    def _wants_all(self, table: SyncedTable, begun: CopyingRow) -> bool:
        changed = begun.version != table.version or begun.newest is None
        owed = table.name in self._owed or begun.round % table.full_every == 0
        return table.incremental_by is None or changed or owed

    async def _write(self, table: SyncedTable, number: int, page: SourcePage, copied: Copied) -> None:
        fresh: dict[str, CopyRow] = {}
        for row in page.rows:
            key = _key(row)
            if key is None:
                copied.keyless += 1
                copied.example = copied.example or f"{', '.join(table.primary_key)} = {_shown(row)}"
            elif key in fresh:
                copied.doubled += 1
                copied.example = copied.example or key
            else:
                fresh[key] = CopyRow(key, msgspec.json.encode(row.values))
        as_of_us = int(self._now() * 1e6)
        some = list(fresh.values())
        doubled = await self._change(
            lambda connection: rows.write_copies(connection, table.name, number, some, as_of_us)
        )
        copied.written += len(some) - len(doubled)
        copied.doubled += len(doubled)
        copied.example = copied.example or next((one.key for one in doubled), None)
        copied.newest = page.newest if page.newest is not None else copied.newest

    async def _remove_below(self, name: str, number: int) -> int:
        removed = 0
        while some := await self._change(partial(rows.remove_gone, name=name, number=number, limit=REMOVED)):
            removed += some
        return removed

    def _finish(self, connection: Connection, table: SyncedTable, begun: CopyingRow, copied: Copied) -> None:
        done = replace(
            begun,
            version=table.version,
            newest=copied.newest,
            copied_at=self._now(),
            row_count=rows.count_copies(connection, table.name),
            error=None if copied.told is None else _storable(copied.told),
        )
        rows.put_copying(connection, done)

    async def _record_failure(self, table: SyncedTable, error: SourceUnusable | WrongDefinition) -> None:
        def record(connection: Connection) -> None:
            standing = rows.list_copyings(connection).get(table.name) or rows.begin_round(connection, table.name)
            rows.put_copying(connection, replace(standing, error=_storable(str(error))))

        log.warning("a table cannot be copied; what was copied before stands", table=table.name, why=str(error))
        await self._change(record)

    def _say(self, table: SyncedTable, copied: Copied) -> None:
        told = {"table": table.name, "full": copied.full, "written": copied.written, "removed": copied.removed}
        if copied.told is not None:
            log.warning("rows of a table cannot be copied", table=table.name, why=copied.told)
        log.info("copied", **told)

    def _standing(self) -> dict[str, CopyingRow]:
        with self._store.read() as connection:
            return rows.list_copyings(connection)

    async def _change(self, function: Callable[[Connection], Any]) -> Any:
        return await self._store.run(lambda: self._store.change(function))


@dataclass(slots=True)
class _Reading:
    """Pages that are read in other threads, one at a time; whoever closes them waits for the one that is read."""

    pages: Iterator[SourcePage]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> SourcePage | None:
        with self.lock:
            return next(self.pages, None)

    def close(self) -> None:
        with self.lock:
            self.pages.close()  # type: ignore[attr-defined]  # they are a generator's


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _source(table: SyncedTable, environment: Mapping[str, str]) -> SourceTable:
    address = table.address(environment)
    columns = table.feature_names
    key = tuple(table.primary_key)
    kind = table.kind(address)
    return SourceTable(table.name, kind, Secret(address), table.table, key, columns, table.incremental_by)


def _key(row: SourceRow) -> str | None:
    try:
        key = row_key(row.key)
    except NoKey:
        return None
    return None if key is None or len(key) > KEY_LIMIT or "\0" in key else key


def _shown(row: SourceRow) -> str:
    return ", ".join("nothing" if part is None else repr(part)[:60] for part in row.key)


def _storable(error: str) -> str:
    return error[:ERROR_LIMIT].replace("\0", "")  # Postgres keeps any character but this
