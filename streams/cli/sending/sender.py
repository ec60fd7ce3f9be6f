"""Send rows: shape and check each, keep a pace, count, and remember where everything went."""

import asyncio
import itertools
import queue
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from infra.kafka.producer import BulkProducer
from schemas.records import Unreadable
from streams.cli.sending.files import FoundRow, InputFile
from streams.cli.sending.frontier import Frontier
from streams.cli.sending.kinds import Kind, Shaper, made_up
from streams.topics import TOPICS

BREATH = 200
"""Rows between two looks at the clock, the network and the screen."""

PAUSE_S = 0.02
SLICE_S = 0.2
"""The longest sleep while a pace is kept: what was sent leaves, and is written down, meanwhile."""

QUEUED = 1_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)


@dataclass(slots=True)
class Tally:
    """How far a sending is."""

    produced: int = 0  # confirmed by the broker
    sent: int = 0  # handed over
    rejected: int = 0
    started_at: float = 0.0
    seconds: float = 0.0
    end: dict[str, int] = field(default_factory=dict)  # partition to the offset after our last record
    interrupted: bool = False
    limited: bool = False  # ended by its limit, with rows left

    @property
    def rate(self) -> float:
        """Records a second so far."""
        return self.produced / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for.

    Args:
        kind: Of the records.
        shaper: Makes them from rows.
        columns: Columns a csv file must have.
        rate: Records a second at most; none is as fast as it goes.
        limit: Rows read at most.
    """

    kind: Kind
    shaper: Shaper
    columns: Sequence[str]
    rate: float | None
    limit: int | None


class Sending:
    """One run of ``millrace produce``.

    Args:
        order: What was asked for.
        producer: Where records go.
        tally: Counts; changed as it goes.
        frontier: Told of every row, in order.
        rejected: Called with each row that is not taken; returns what is kept of it.
        shown: Called now and then with the file at hand.
    """

    def __init__(
        self,
        order: Order,
        producer: BulkProducer,
        tally: Tally,
        frontier: Frontier,
        rejected: Callable[[InputFile, FoundRow, Unreadable], str],
        shown: Callable[[InputFile], None],
    ) -> None:
        self._order = order
        self._producer = producer
        self._tally = tally
        self._frontier = frontier
        self._rejected = rejected
        self._shown = shown
        self._trace = secrets.token_hex(16)
        self._spans = itertools.count(secrets.randbits(62))

    async def run(self, files: Iterable[InputFile], skipped: int = 0) -> None:
        """Send all rows of all files, and wait until the broker has confirmed them; Ctrl-C ends it early.

        Args:
            files: Read one after the other.
            skipped: Rows of all files together that were settled before.

        Raises:
            CommandError: If a file is damaged.
            BrokerUnreachable: If the broker goes away for longer than it may.
        """
        self._tally.started_at = time.monotonic()
        try:
            await self._read(files, skipped)
        except asyncio.CancelledError:
            self._tally.interrupted = True
        await self._producer.finish()
        self._tally.seconds = time.monotonic() - self._tally.started_at

    async def _read(self, files: Iterable[InputFile], skipped: int) -> None:
        read = -skipped
        for file in files:
            async for row in arriving(file, self._order.columns):
                if read == self._order.limit:
                    self._tally.limited = True
                    break
                if row is not None:
                    if read >= 0:
                        await self._take(file, row)
                    else:
                        self._tally.started_at = time.monotonic()  # the pace begins where the sending does
                    read += 1
                await self._breathe(file, read, idle=row is None)
            self._shown(file)

    async def _take(self, file: InputFile, row: FoundRow) -> None:
        try:
            if row.problem is not None:
                raise row.problem
            record = self._order.shaper.record(row.values, lambda: made_up(*_origin(file, row)))
            value = self._checked(record)
        except Unreadable as problem:
            self._tally.rejected += 1
            self._frontier.rejected(self._rejected(file, row, problem))
            return
        self._frontier.sent()
        kind, trace = self._order.kind, b"00-%s-%016x-01" % (self._trace.encode(), next(self._spans))
        await self._producer.send(kind.key(record).encode(), value, kind.headers(record, trace))
        self._tally.sent += 1

    def _checked(self, record: Any) -> bytes:
        kind = self._order.kind
        at = getattr(record, kind.happened) if kind.happened else None
        if at is not None and not EARLIEST <= at <= datetime.now(UTC) + AHEAD:
            what = f"{kind.happened}: {at.isoformat()} is not between 1970 and tomorrow"
            raise Unreadable("date_out_of_range", what, kind.happened)
        value = msgspec.json.encode(record)
        if len(value) > TOPICS[kind.topic]:
            raise Unreadable("value_too_large", f"{len(value):,} bytes, at most {TOPICS[kind.topic]:,} fit; split it")
        return value

    async def _breathe(self, file: InputFile, read: int, *, idle: bool) -> None:
        ahead_s = self._ahead_s(read)
        if not idle and ahead_s < PAUSE_S and read % BREATH:
            return
        while True:
            await self._producer.flush()
            self._tally.seconds = time.monotonic() - self._tally.started_at
            self._shown(file)
            await asyncio.sleep(min(max(ahead_s, 0.0), SLICE_S))
            ahead_s = self._ahead_s(read)
            if ahead_s < PAUSE_S:
                return

    def _ahead_s(self, read: int) -> float:
        """Tell how long to wait so as not to be faster than asked, seconds."""
        if not self._order.rate:
            return 0.0
        return read / self._order.rate - (time.monotonic() - self._tally.started_at)


async def arriving(file: InputFile, columns: Sequence[str]) -> AsyncIterator[FoundRow | None]:
    """Read rows; while a pipe has none to give, None comes every few milliseconds."""
    if file.bytes_total is not None:
        for row in file.rows(columns):
            yield row
        return
    waiting: queue.Queue[FoundRow | Exception | None] = queue.Queue(QUEUED)
    threading.Thread(target=_pump, args=(file.rows(columns), waiting), daemon=True).start()
    while True:
        try:
            found = waiting.get_nowait()
        except queue.Empty:
            await asyncio.sleep(PAUSE_S)
            yield None
            continue
        if isinstance(found, Exception):
            raise found
        if found is None:
            return
        yield found


def _pump(rows: Iterator[FoundRow], waiting: "queue.Queue[FoundRow | Exception | None]") -> None:
    try:
        for row in rows:
            waiting.put(row)
        waiting.put(None)
    except Exception as error:  # noqa: BLE001  # it is raised where the rows are awaited
        waiting.put(error)


def _origin(file: InputFile, row: FoundRow) -> tuple[str, int]:
    return file.content_hash or made_up(row.text, 0), row.number
