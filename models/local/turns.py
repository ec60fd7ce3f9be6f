"""In the model's process: what the model does next."""

import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from models.local.continuous import Continuous
from models.local.loaded_model import LoadedModel
from models.local.together import Together
from models.local.wire import Cancel, Event, Failed, Held, Join, Load, Open, Row, Said, Step, Unload
from models.local.wire import Together as TogetherOrder

TURN_S = 2.0  # a round of continuous batching takes no more rows after this if others wait for the model
STEP_S = 1.0  # between two signs of life


class Turns:
    """The model does one thing at a time, with one adapter: a round of continuous batching, or a batch.

    Args:
        loaded: The model.
        opening: How large things may grow.
        inbox: Orders of the owner, as they come.
        say: Tells the owner.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        opening: Open,
        inbox: "queue.SimpleQueue[Any]",
        say: Callable[[Event], None],
    ) -> None:
        self._loaded, self._opening, self._inbox, self._say = loaded, opening, inbox, say
        self._joining: deque[tuple[float, Row]] = deque()
        self._batches: deque[tuple[float, list[Row]]] = deque()
        self._changes: deque[Load | Unload] = deque()
        self._given_up: set[int] = set()
        self._together = Together(loaded, opening.batch_tokens, say, self._between_steps)
        self._continuous: Continuous | None = None
        self._stepped_s = 0.0

    def run(self) -> None:
        """Work for ever.

        Raises:
            ContinuousFellError: If continuous batching ended; the owner starts another process.
        """
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait until there is something to do, and do one thing."""
        while not self._joining and not self._batches and not self._changes:
            self._take(self._inbox.get())
        self._take_waiting()
        self._change_adapters()
        joining_s = self._joining[0][0] if self._joining else float("inf")
        if self._batches and self._batches[0][0] <= joining_s:
            self._do_batch(self._batches.popleft()[1])
        elif self._joining:
            self._do_round(self._joining[0][1].adapter)

    def close(self) -> None:
        """Let go of the model, for who runs it without a process of its own."""
        if self._continuous:
            self._continuous.close()

    def _do_batch(self, rows: list[Row]) -> None:
        wanted = [row for row in rows if row.number not in self._given_up]
        for row in rows:
            if row.number in self._given_up:
                self._say(Said(row.number, [], ended=False))
        if wanted and self._speaks_as(wanted[0].adapter, wanted):
            self._together.do(wanted)
        self._given_up -= {row.number for row in rows}

    def _do_round(self, adapter: str | None) -> None:
        began_s = time.monotonic()
        if self._continuous is None:
            self._continuous = Continuous(
                self._loaded, self._opening.cache_blocks, self._opening.adapters, self._say, self._inbox
            )
        if not self._speaks_as(adapter, rows := self._admitted(adapter)):
            return
        self._continuous.begin()
        for row in rows:
            self._continuous.add(row)
        while not self._continuous.empty or not self._continuous.end():
            self._hear(self._inbox.get())
            if not self._others_wait(adapter) or time.monotonic() - began_s < TURN_S:
                for row in self._admitted(adapter):
                    self._continuous.add(row)

    def _admitted(self, adapter: str | None) -> list[Row]:
        """Take the rows of one adapter out of the line."""
        rows = [row for _, row in self._joining if row.adapter == adapter]
        self._joining = deque((came_s, row) for came_s, row in self._joining if row.adapter != adapter)
        given_up = [row for row in rows if row.number in self._given_up]
        for row in given_up:
            self._given_up.discard(row.number)
            self._say(Said(row.number, [], ended=False))
        return [row for row in rows if row not in given_up]

    def _others_wait(self, adapter: str | None) -> bool:
        return bool(self._batches or self._changes or any(row.adapter != adapter for _, row in self._joining))

    def _speaks_as(self, adapter: str | None, rows: list[Row]) -> bool:
        error = self._loaded.use_adapter(adapter)
        if error is not None:
            for row in rows:
                self._say(Failed(row.number, error))
        return error is None

    def _hear(self, message: Any) -> None:
        self._sign_of_life()
        if isinstance(message, Join | TogetherOrder | Cancel | Load | Unload):
            self._take(message)
        elif self._continuous:
            self._continuous.hear(message)

    def _take(self, message: Any) -> None:
        now = time.monotonic()
        if isinstance(message, Join):
            self._joining.append((now, message.row))
        elif isinstance(message, TogetherOrder):
            self._batches.append((now, message.rows))
        elif isinstance(message, Load | Unload):
            self._changes.append(message)
        elif isinstance(message, Cancel):
            self._give_up(message.number)
        elif self._continuous:
            self._continuous.hear(message)

    def _give_up(self, number: int) -> None:
        if self._continuous and self._continuous.cancel(number):
            return
        self._given_up.add(number)

    def _take_waiting(self) -> None:
        while not self._inbox.empty():
            self._take(self._inbox.get())

    def _between_steps(self) -> frozenset[int]:
        self._sign_of_life()
        self._take_waiting()
        return frozenset(self._given_up)

    def _sign_of_life(self) -> None:
        now = time.monotonic()
        if now - self._stepped_s >= STEP_S:
            self._stepped_s = now
            self._say(Step())

    def _change_adapters(self) -> None:
        changed = bool(self._changes)
        while self._changes:
            change = self._changes.popleft()
            if isinstance(change, Load):
                self._loaded.load_adapter(change.adapter, change.folder)
            else:
                self._loaded.unload_adapter(change.adapter)
        if changed:
            self._say(Held(self._loaded.adapters))
